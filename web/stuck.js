// The view #/stuck: orders that wait for an operator, or that do not go on.

import { actOnMany, verbs } from './actions.js';
import * as api from './api.js';
import { troubleNote } from './ask.js';
import { choice, doWith, keyed } from './choice.js';
import { breakable, chip, el, fill } from './dom.js';
import { moment } from './format.js';
import { calm } from './live.js';
import { onEvents, onGap } from './log.js';

export const title = () => 'Stuck';

const limit = 100;
const lookEvery = 20_000; // milliseconds; that nothing happens is told by no event
const offered = ['retry', 'skip', 'resume', 'cancel'];

export function view({ query, signal }) {
  let idle = query.get('for') ?? '';
  const body = el('tbody');
  const trouble = el('div', { role: 'alert' });
  const empty = el('p', { class: 'body note good', hidden: true }, 'Nothing is stuck. Orders that an operator has to look at come up here.');
  const asking = el('p', { class: 'body muted' }, 'Asking …');
  const more = el('p', { class: 'body muted', hidden: true }, `These are the first ${limit}; there are more.`);
  const number = el('span', { class: 'muted' });
  let ids = [];
  const buttons = offered.map((name) => verbs.find((v) => v.verb === name)).map((v) =>
    el('button', { type: 'button', class: v.danger && 'danger', 'data-verb': v.verb, disabled: true, on: { click: () => actOnMany(v, ids, soon) } }, v.word));
  const chosen = choice('order', (now) => {
    ids = now;
    number.textContent = doWith(ids.length, 'order');
    for (const b of buttons) b.disabled = !ids.length;
  });

  const row = (o) => el('tr', {},
    el('td', {}, chosen.box(o.id, o.id)),
    el('th', { scope: 'row' }, el('a', { href: `#/orders/${o.id}`, class: 'mono' }, o.id)),
    el('td', {}, chip(o.status), o.parked && el('a', { class: 'chip bad', href: `#/letters?order=${o.id}` }, 'parked')),
    el('td', { class: 'mono type' }, breakable(o.type)),
    el('td', {}, moment(o.since)),
    el('td', { class: 'why' }, o.reason));

  const look = async () => {
    try {
      const page = await api.stuck({ for: idle, limit }, signal);
      fill(trouble);
      keyed(body, page.orders, (o) => o.id, (o) => `${o.version} ${o.reason}`, row);
      chosen.keep(page.orders.map((o) => o.id));
      table.hidden = !page.orders.length;
      empty.hidden = page.orders.length > 0;
      more.hidden = !page.next;
    } catch (error) {
      if (error.name !== 'AbortError') fill(trouble, troubleNote(error));
    } finally {
      asking.hidden = true;
    }
  };
  const table = el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Stuck orders', hidden: true },
    el('table', { class: 'stalled' },
      el('thead', {}, el('tr', {}, el('td', {}, chosen.all),
        ['Order', 'Status', 'Last event', 'Since', 'Why'].map((h) => el('th', { scope: 'col' }, h)))),
      body));
  const waits = [['', '15 minutes'], ['1m', 'a minute'], ['1h', 'an hour'], ['24h', 'a day']];
  if (!waits.some(([value]) => value === idle)) waits.push([idle, idle]); // the address may ask for any
  const wait = el('select', { id: 'filter' }, waits.map(([value, word]) => el('option', { value, selected: value === idle }, word)));
  wait.addEventListener('change', () => {
    idle = wait.value;
    history.replaceState(null, '', idle ? `#/stuck?${new URLSearchParams({ for: idle })}` : '#/stuck');
    soon();
  });

  const soon = calm(look, 700);
  onEvents(soon, signal);
  onGap(soon, signal);
  const timer = setInterval(soon, lookEvery);
  signal.addEventListener('abort', () => clearInterval(timer));
  soon();
  return [
    el('div', { class: 'head' }, el('h1', { tabindex: -1 }, 'Stuck orders'),
      el('p', { class: 'muted' }, 'The saga has no way on by itself: attempts are spent, or undoing failed. Retry once the cause is gone, or skip what has been seen to otherwise. Nothing is dropped until you say so.')),
    el('section', { class: 'panel', 'aria-label': 'Stuck orders and what to do with them' },
      el('header', {}, number, el('div', { class: 'buttons', role: 'group', 'aria-label': 'With the chosen orders' }, buttons),
        el('span', { class: 'end' }, el('label', { class: 'inline' }, 'and what has not moved for', wait))),
      trouble, asking, table, empty, more),
  ];
}
