// The vocabulary of the log: what the name of an event says.

const phases = [
  'COMPENSATION_REQUESTED', 'COMPENSATION_TIMED_OUT', 'COMPENSATION_SKIPPED', 'COMPENSATION_FAILED', 'COMPENSATED',
  'REQUESTED', 'COMPLETED', 'TIMED_OUT', 'SKIPPED', 'FAILED',
];
const commands = ['PAUSE', 'RESUME', 'CANCEL', 'RETRY', 'SKIP', 'SCHEDULE'];

// Those that tell of the order as a whole. ORDER_FAILED may also be the step ORDER's;
// as an end it has a status.
const answers = {
  ORDER_SCHEDULED: 'scheduled',
  ORDER_EXPIRED: 'expired',
  ORDER_PAUSED: 'paused',
  ORDER_RESUMED: 'resumed',
  ORDER_STUCK: 'stuck',
  ORDER_FINISHED: 'finished',
  ORDER_CANCELLED: 'cancelled',
  ORDER_COMMAND_REJECTED: 'rejected',
};

// isOrder tells an order's id from any other key: a ULID or five hexadecimal digits.
export const isOrder = (key) => /^ORD-([0-9A-F]{5}|[0-9A-HJKMNP-TV-Z]{26})$/.test(key);

// Statuses are those that an order can show.
export const statuses = [
  'unknown', 'scheduled', 'running', 'paused', 'compensating', 'stuck', 'completed', 'failed', 'cancelled',
];
export const ended = (status) => ['completed', 'failed', 'cancelled'].includes(status);

// read takes an event's type apart. The kind is one of command, answer, ask, undo (a
// request to do or undo a step's work), done, undone, failed, timedout, skipped, other;
// the step is there for what is of a step, the word for what is not.
export function read(type, status = '') {
  if (type in answers) return { kind: 'answer', word: answers[type] };
  if (type === 'ORDER_FAILED' && status === 'failed') return { kind: 'answer', word: 'failed' };
  const verb = commands.find((c) => type === `ORDER_${c}_REQUESTED`);
  if (verb) return { kind: 'command', word: verb.toLowerCase() };
  const at = type.indexOf('_');
  const step = type.slice(0, at);
  const phase = type.slice(at + 1);
  if (at < 1 || !phases.includes(phase)) return { kind: 'other', word: type };
  const undoing = phase.startsWith('COMPENSAT');
  const kind = {
    REQUESTED: undoing ? 'undo' : 'ask',
    COMPLETED: 'done',
    COMPENSATED: 'undone',
    FAILED: 'failed',
    TIMED_OUT: 'timedout',
    SKIPPED: 'skipped',
  }[phase.replace('COMPENSATION_', '')];
  return { kind, step, undoing };
}

// typesOf are the types that orders with such steps can have as their last event.
export const typesOf = (steps) => [...new Set([
  ...steps.flatMap((step) => phases.map((phase) => `${step}_${phase}`)),
  ...commands.map((c) => `ORDER_${c}_REQUESTED`), ...Object.keys(answers), 'ORDER_FAILED',
])].toSorted();

// outputOf is the name under which a step's input and output stand: the step ORDER's is detail.
export const outputOf = (step) => (step === 'ORDER' ? 'detail' : step.toLowerCase());
