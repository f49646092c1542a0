// The view #/orders/ID: one order, live.

import { actionBar, standing } from './actions.js';
import * as api from './api.js';
import { chip, el, fill, say } from './dom.js';
import { ended } from './events.js';
import { moment, span } from './format.js';
import { historyView } from './history.js';
import { calm, follow, refused } from './live.js';
import { sourcesView } from './sources.js';

export const title = ({ id }) => id;

export function view({ id, signal }) {
  const status = el('span', { class: 'status' });
  const facts = el('p', { class: 'muted facts-line' }, 'Asking …');
  const trouble = el('div', { role: 'alert' });
  const actions = actionBar(id);
  const history = historyView((event) => sources.open(event));
  const sources = sourcesView(id, signal);
  const lookAtSources = calm(sources.look, 600);
  const content = el('div', { class: 'stack', hidden: true },
    el('section', { class: 'panel', 'aria-labelledby': 'history-title' },
      el('header', {}, el('h2', { id: 'history-title' }, 'What happened'), el('span', { class: 'muted' }, 'an arrow leads from a cause to its effect')),
      history.element, legend()),
    sources.element);

  let version = -1;
  let shown = '';
  const show = (now) => {
    if (now.version < version) return; // an older answer that came late
    version = now.version;
    content.hidden = false;
    fill(trouble);
    fill(status, chip(now.status), now.parked && chip('bad', 'parked'));
    const took = new Date(now.updatedAt) - new Date(now.createdAt);
    fill(facts, 'placed ', moment(now.createdAt), ' · changed ', moment(now.updatedAt),
      standing(now).beneath === 'scheduled' && [' · begins ', moment(now.startAt)],
      ended(now.status) && ` · took ${span(took)}`, ` · version ${now.version}`);
    if (now.parked) {
      fill(trouble, el('p', { class: 'note bad' }, 'The order is parked behind a dead letter: later events wait until that is redriven or discarded. ',
        el('a', { href: `#/letters?order=${id}` }, 'Its letters'), ` (${now.parked})`));
    }
    actions.show(now);
    history.show(now);
    lookAtSources();
    if (shown && shown !== now.status) say(`The order is now ${now.status}.`);
    shown = now.status;
  };

  follow(api.orderStream(id), {
    message: show,
    gap: () => {}, // each message has all of the history
    state(state, problem) {
      if (state !== refused) return;
      if (version < 0) fill(facts);
      fill(trouble, el('p', { class: 'note bad' }, problem.explained));
    },
  }, signal);

  return [
    el('div', { class: 'head order-head' },
      el('p', {}, el('a', { href: '#/orders' }, '← Orders')),
      el('h1', { class: 'mono', tabindex: -1 }, id), status, facts, actions.bar),
    trouble, content,
  ];
}

function legend() {
  return el('details', { class: 'legend body' },
    el('summary', {}, 'How to read this'),
    el('ul', {},
      [['A lane', 'is who speaks: a client or operator, the saga that decides what comes next, and the worker of each step.'],
        ['A bar', 'is an attempt, from its request to its answer; hatched, it undoes the step. One that goes on to the bottom waits still.'],
        ['An arrow', 'leads from a cause to its effect; dashed, time passed between: a deadline, or the wait before another attempt.'],
        ['A mark', '✓ done, ✕ failed, ↩ undone, a clock for time that passed, » skipped, ! stuck, a diamond for a command.'],
        ['A band', 'is a pause: nothing new is requested, and the clocks stand still.'],
        ['Room between rows', 'is time: the more, the longer nothing happened.']]
        .map(([what, means]) => el('li', {}, el('b', {}, what), ` ${means}`))));
}
