// Which steps an order has. No endpoint tells of the plan, but each step is a role, and
// the topology has all roles; and every event of a step names it.

import { topology } from './api.js';
import { read } from './events.js';

const notSteps = ['edge', 'saga', 'aggregate', 'sink', 'table'];

let known = ['ORDER', 'PAYMENT', 'MAIL'];
const target = new EventTarget();

export const steps = () => known;

// onSteps calls a function now and whenever there are others.
export function onSteps(call, signal) {
  call(known);
  target.addEventListener('steps', () => call(known), { signal });
}

function set(names) {
  if (names.join() === known.join()) return;
  known = names;
  target.dispatchEvent(new Event('steps'));
}

// learn asks for the roles. Where that fails the steps are those that events tell of.
export async function learn(signal) {
  try {
    const { roles } = await topology(signal);
    const names = roles.map((r) => r.role).filter((r) => !notSteps.includes(r)).map((r) => r.toUpperCase());
    if (names.length) set(names);
  } catch {
    // the page shows elsewhere that the server cannot be reached
  }
}

// notice learns of a step by an event.
export function notice(events) {
  const names = events.map((e) => read(e.type).step).filter((s) => s && !known.includes(s));
  if (names.length) set([...known, ...new Set(names)]);
}
