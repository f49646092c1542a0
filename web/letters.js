// The views #/letters and #/letters/ID: records that could not be processed.

import { outcome, reason } from './actions.js';
import * as api from './api.js';
import { askFor, Mistake, troubleNote } from './ask.js';
import { bytesView } from './bytes.js';
import { choice, doWith, keyed } from './choice.js';
import { chip, el, fill } from './dom.js';
import { isOrder } from './events.js';
import { many, moment } from './format.js';
import { calm } from './live.js';
import { onEvents, onGap } from './log.js';

export const title = ({ id }) => (id ? 'A dead letter' : 'Dead letters');

const limit = 50;
const lookEvery = 10_000; // milliseconds; a letter is no event of the log

const verbs = [
  { verb: 'redrive', word: 'Redrive', done: 'redriven',
    text: 'The role that failed is given the record again, and what waits behind it after that. Do so once the cause is gone.' },
  { verb: 'discard', word: 'Discard', done: 'discarded', danger: true,
    text: 'The record is never processed. Events of its order that wait behind it go on without it.' },
];

// keyOf shows a record's key: it leads to the order if it is one's.
const keyOf = ({ order }) => (isOrder(order) ? el('a', { href: `#/orders/${order}`, class: 'mono' }, order) : el('span', { class: 'mono' }, order));

export const view = (place) => (place.id ? one(place) : all(place));

function all({ query, signal }) {
  const filter = { order: query.get('order') ?? '', role: query.get('role') ?? '' };
  let before = [];
  let cursor = '';
  let next = '';
  let ids = [];
  const body = el('tbody');
  const trouble = el('div', { role: 'alert' });
  const number = el('span', { class: 'muted' });
  const empty = el('p', { class: 'body note good', hidden: true }, 'There is no dead letter.');
  const asking = el('p', { class: 'body muted' }, 'Asking …');
  const buttons = verbs.map((v) => el('button', {
    type: 'button', class: v.danger && 'danger', 'data-verb': v.verb, disabled: true, on: { click: () => doMany(v, ids, soon) },
  }, v.word));
  const chosen = choice('letter', (now) => {
    ids = now;
    number.textContent = doWith(ids.length, 'letter');
    for (const b of buttons) b.disabled = !ids.length;
  });
  const form = el('form', { class: 'filters', role: 'search', 'aria-label': 'Filter letters' },
    el('label', {}, 'Order', el('input', { name: 'order', id: 'filter', value: filter.order, placeholder: 'any', spellcheck: 'false', autocomplete: 'off' })),
    el('label', {}, 'Role', el('input', { name: 'role', value: filter.role, placeholder: 'any', spellcheck: 'false', autocomplete: 'off' })),
    el('div', { class: 'buttons' }, el('button', { type: 'submit' }, 'Filter')));
  const newer = el('button', { type: 'button', disabled: true }, '← Back');
  const older = el('button', { type: 'button', disabled: true }, 'More →');

  const row = (l) => el('tr', {},
    el('td', {}, chosen.box(l.id, l.id)),
    el('th', { scope: 'row' }, el('a', { href: `#/letters/${encodeURIComponent(l.id)}`, class: 'mono' }, `${l.topic} ${l.partition}:${l.offset}`)),
    el('td', { class: 'mono' }, l.role),
    el('td', {}, l.order && keyOf(l)),
    el('td', {}, l.parked ? chip('bad', 'parked') : el('span', { class: 'muted' }, 'passed over')),
    el('td', { class: 'num' }, l.tries ?? 0),
    el('td', {}, moment(l.written)),
    el('td', { class: 'why' }, l.reason));

  const look = async () => {
    try {
      const page = await api.letters({ ...filter, limit, after: cursor }, signal);
      fill(trouble);
      keyed(body, page.letters, (l) => l.id, (l) => `${l.tries} ${l.parked}`, row);
      chosen.keep(page.letters.map((l) => l.id));
      next = page.next ?? '';
      table.hidden = !page.letters.length;
      empty.hidden = page.letters.length > 0;
      newer.disabled = !before.length;
      older.disabled = !next;
    } catch (error) {
      if (error.name !== 'AbortError') fill(trouble, troubleNote(error));
    } finally {
      asking.hidden = true;
    }
  };
  const table = el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Dead letters', hidden: true },
    el('table', { class: 'letters' },
      el('thead', {}, el('tr', {}, el('td', {}, chosen.all),
        ['Record', 'Role', 'Order', 'State', 'Tries', 'Written', 'Why'].map((h) => el('th', { scope: 'col', class: h === 'Tries' && 'num' }, h)))),
      body));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const said = new FormData(form);
    Object.assign(filter, { order: said.get('order').trim(), role: said.get('role').trim() });
    [before, cursor] = [[], ''];
    const given = Object.entries(filter).filter(([, value]) => value);
    history.replaceState(null, '', given.length ? `#/letters?${new URLSearchParams(given)}` : '#/letters');
    look();
  });
  older.addEventListener('click', () => {
    before.push(cursor);
    cursor = next;
    look();
  });
  newer.addEventListener('click', () => {
    cursor = before.pop() ?? '';
    look();
  });

  const soon = calm(look, 700);
  onEvents(soon, signal);
  onGap(soon, signal);
  const timer = setInterval(soon, lookEvery);
  signal.addEventListener('abort', () => clearInterval(timer));
  soon();
  return [
    el('div', { class: 'head' }, el('h1', { tabindex: -1 }, 'Dead letters'),
      el('p', { class: 'muted' }, 'Records that a role could not read, or failed at. One that nobody can read is passed over. One that the fold or the decision failed at parks its order: what comes after waits behind it, so that nothing is applied out of turn.')),
    el('section', { class: 'panel', 'aria-label': 'Letters and what to do with them' },
      el('header', {}, number, el('div', { class: 'buttons', role: 'group', 'aria-label': 'With the chosen letters' }, buttons)),
      form, trouble, asking, table, empty,
      el('nav', { class: 'pages buttons', 'aria-label': 'Pages' }, newer, older)),
  ];
}

const because = (form) => (form.get('reason') ? { reason: form.get('reason') } : {});

function doMany(v, chosen, after) {
  let left = chosen;
  askFor({
    title: `${v.word} ${many(chosen.length, 'letter')}`, text: v.text, verb: `${v.word} them`, danger: v.danger,
    fields: [reason()],
    async run(form) {
      const { results } = await api.letterDoMany(left, v.verb, because(form));
      after();
      const { told, failed } = outcome(results, v.done);
      if (!failed.length) return told;
      left = failed.map((r) => r.id);
      throw new Mistake(`${told} ${failed.map((r) => `${r.id}: ${r.error}`).join('. ')}`);
    },
  });
}

function one({ id, signal }) {
  const trouble = el('div', { role: 'alert' });
  const content = el('div', { class: 'stack' }, el('p', { class: 'muted' }, 'Asking …'));
  const look = async () => {
    try {
      const l = await api.letter(id, signal);
      fill(trouble);
      fill(content, letterPanel(l), bytesView(l));
    } catch (error) {
      fill(content);
      if (error.name !== 'AbortError') fill(trouble, troubleNote(error));
    }
  };
  const act = (v) => askFor({
    title: `${v.word} the letter`, text: v.text, verb: `${v.word} it`, danger: v.danger,
    fields: [reason()], done: `The letter was ${v.done}.`,
    async run(form) {
      const { resolved } = await api.letterDo(id, v.verb, because(form));
      if (!resolved) return 'It is accepted, and in the log; the role has not answered yet.';
      location.hash = '#/letters';
      return undefined;
    },
  });
  look();
  return [
    el('div', { class: 'head order-head' },
      el('p', {}, el('a', { href: '#/letters' }, '← Dead letters')),
      el('h1', { class: 'mono', tabindex: -1 }, id),
      el('div', { class: 'buttons', role: 'group', 'aria-label': 'Actions' }, verbs.map((v) =>
        el('button', { type: 'button', class: v.danger && 'danger', 'data-verb': v.verb, on: { click: () => act(v) } }, v.word)))),
    trouble, content,
  ];
}

function letterPanel(l) {
  const facts = [
    ['Why', l.reason], ['Role', el('code', {}, l.role)],
    ['Order', l.order ? keyOf(l) : 'none can be told'],
    ['Came from', el('code', {}, `${l.topic}, partition ${l.partition}, offset ${l.offset}`)],
    ['Written', moment(l.written)],
    ['State', l.parked ? [chip('bad', 'parked'), ' later events of the order wait behind it'] : 'passed over; nothing waits behind it'],
    ['Tries', l.tries ?? 0],
  ];
  return el('section', { class: 'panel', 'aria-labelledby': 'letter-title' },
    el('header', {}, el('h2', { id: 'letter-title' }, 'What went wrong')),
    el('dl', { class: 'facts body' }, facts.map(([name, value]) => [el('dt', {}, name), el('dd', {}, value)])));
}
