// What an operator can have done with orders: the commands, and when each fits.

import * as api from './api.js';
import { askFor, jsonIn, Mistake } from './ask.js';
import { el, fill } from './dom.js';
import { ended } from './events.js';
import { count, fromLocal, many, toLocal } from './format.js';

export const reason = () => el('label', {}, 'Reason, for the history',
  el('input', { name: 'reason', maxlength: 1000, autocomplete: 'off', autofocus: true }));
const output = () => el('label', {}, 'Output of the step, as JSON; empty for none, or if the order is being undone',
  el('textarea', { name: 'output', rows: 3, spellcheck: 'false', placeholder: '{"body": "seen to by hand"}' }));
const startAt = (now) => el('label', {}, 'Begins at (local time)',
  el('input', { name: 'startAt', type: 'datetime-local', step: 1, required: true, value: toLocal(now) }));

// The commands in the order in which they are offered. Whether one fits is the saga's to
// say, and it has the last word; this is so that nobody is offered what it would refuse.
export const verbs = [
  { verb: 'retry', word: 'Retry', done: 'retried', text: 'Begins the step that is stuck once more.',
    fits: (s) => s.shown === 'stuck' },
  { verb: 'skip', word: 'Skip', done: 'skipped', text: 'Goes past the step that is stuck. You vouch that it has been seen to.',
    fields: () => [output()], fits: (s) => s.shown === 'stuck' },
  { verb: 'resume', word: 'Resume', done: 'resumed', text: 'Goes on with what was left on the clocks.',
    fits: (s) => s.shown === 'paused' },
  { verb: 'pause', word: 'Pause', done: 'paused', text: 'What is under way comes to its end; nothing new is requested, and the clocks stand still.',
    fits: (s) => !ended(s.shown) && s.shown !== 'paused' && s.shown !== 'unknown' },
  { verb: 'schedule', word: 'Reschedule', done: 'rescheduled', text: 'The order begins at another time.',
    fields: (s) => [startAt(s.startAt)], fits: (s) => s.beneath === 'scheduled' },
  { verb: 'cancel', word: 'Cancel', done: 'cancelled', danger: true, text: 'Undoes what has been done, the newest first, and ends the order.',
    fits: (s) => ['scheduled', 'running', 'stuck'].includes(s.beneath) },
];

// standing tells where an order stands: the status that it shows, and the one beneath
// a pause, which tells what fits.
export function standing(history) {
  const shown = history.status;
  let beneath = shown;
  if (shown === 'paused') {
    const at = history.history.findLastIndex((e) => e.after === 'paused' && e.before !== 'paused');
    beneath = history.history[at]?.before || 'running';
    for (const e of history.history.slice(at + 1)) {
      if (e.type === 'ORDER_STUCK') beneath = 'stuck';
    }
  }
  return { shown, beneath, startAt: history.startAt };
}

function bodyOf(form) {
  const body = {};
  if (form.get('reason')) body.reason = form.get('reason');
  const supplied = jsonIn(form.get('output') ?? '', 'The output');
  if (supplied !== undefined) body.output = supplied;
  if (form.has('startAt')) body.startAt = fromLocal(form.get('startAt'));
  return body;
}

// act asks for the reason, and then gives the command to an order.
export function act(verb, id, order) {
  const key = api.newKey(); // pressed twice it acts once
  askFor({
    title: `${verb.word} ${id}`, text: verb.text, verb: `${verb.word} the order`, danger: verb.danger,
    fields: [...(verb.fields?.(order) ?? []), reason()],
    done: `The order was ${verb.done}.`,
    async run(form) {
      const answer = await api.command(id, verb.verb, bodyOf(form), key);
      return answer.command && 'The command is accepted, and in the log; the saga has not answered yet.'; // else it is the order
    },
  });
}

// outcome tells what has come of a request for many: accepted (202) is in the log, and
// not done; whether it will be is not known yet.
export function outcome(results, done) {
  const failed = results.filter((r) => r.status >= 400);
  const open = results.filter((r) => r.status === 202).length;
  const told = `${count(results.length - failed.length - open)} of ${count(results.length)} ${done}.`;
  return { failed, told: open ? `${told} ${count(open)} accepted, and not answered yet.` : told };
}

// actOnMany gives a command to several orders. Those that refuse it are told of, each
// with its reason, and stay in the dialog's hands.
export function actOnMany(verb, ids, after) {
  let key = api.newKey();
  let left = ids;
  askFor({
    title: `${verb.word} ${many(ids.length, 'order')}`, text: verb.text, verb: `${verb.word} them`, danger: verb.danger,
    fields: [...(verb.fields?.({}) ?? []), reason()],
    async run(form) {
      const { results } = await api.commandMany(left, verb.verb, bodyOf(form), key);
      after();
      const { told, failed } = outcome(results, verb.done);
      if (!failed.length) return told;
      key = api.newKey();
      left = failed.map((r) => r.id);
      throw new Mistake(`${told} ${failed.map((r) => `${r.id}: ${r.error}`).join('. ')}`);
    },
  });
}

// actionBar shows the buttons of what fits an order now: show is to be called with each
// history of it.
export function actionBar(id) {
  const bar = el('div', { class: 'buttons', role: 'group', 'aria-label': 'Actions' });
  let now;
  let offered = '';
  const show = (history) => {
    now = standing(history);
    const fitting = verbs.filter((v) => v.fits(now));
    const names = fitting.map((v) => v.verb).join();
    if (names === offered) return; // buttons that stay keep the focus
    offered = names;
    const held = bar.contains(document.activeElement);
    fill(bar, fitting.map((v) => el('button', {
      type: 'button', class: v.danger && 'danger', 'data-verb': v.verb, on: { click: () => act(v, id, now) },
    }, v.word)));
    if (held) (bar.querySelector('button') ?? document.getElementById('main')).focus();
  };
  return { bar, show };
}
