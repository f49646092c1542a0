// The list of orders: filters, pages, and rows that keep up without jumping about.

import * as api from './api.js';
import { troubleNote } from './ask.js';
import { breakable, chip, el, fill, say } from './dom.js';
import { statuses, typesOf } from './events.js';
import { fromLocal, many, moment, toLocal } from './format.js';
import { calm } from './live.js';
import { onEvents, onGap } from './log.js';
import { onSteps } from './steps.js';

const limit = 20;
const names = ['status', 'type', 'since', 'until'];
const atMostEvery = 700; // milliseconds between two looks at the table

export function list(query, signal) {
  const filter = Object.fromEntries(names.map((n) => [n, query.get(n) ?? '']));
  let before = []; // the cursors of the pages before this one
  let cursor = query.get('after') ?? '';
  let marked = ''; // the id of an order to stand out
  let shown = []; // ids of the rows
  let next = '';

  const types = el('datalist', { id: 'types' });
  onSteps((steps) => fill(types, typesOf(steps).map((type) => el('option', { value: type }))), signal);
  const form = el('form', { class: 'filters', role: 'search', 'aria-label': 'Filter orders' },
    el('label', {}, 'Status', el('select', { name: 'status', id: 'filter' },
      el('option', { value: '' }, 'any'), statuses.map((s) => el('option', { selected: s === filter.status }, s)))),
    el('label', {}, 'Last event', el('input', { name: 'type', value: filter.type, placeholder: 'any', spellcheck: 'false', autocomplete: 'off', list: 'types' }), types),
    el('label', {}, 'Changed since', el('input', { name: 'since', type: 'datetime-local', step: 1, value: toLocal(filter.since) })),
    el('label', {}, 'Changed before', el('input', { name: 'until', type: 'datetime-local', step: 1, value: toLocal(filter.until) })),
    el('div', { class: 'buttons' }, el('button', { type: 'submit' }, 'Filter'), el('button', { type: 'reset', class: 'plain' }, 'Clear')));
  const body = el('tbody');
  const trouble = el('div', { role: 'alert' });
  const empty = el('p', { class: 'body muted' }, 'Asking …');
  const fresh = el('button', { type: 'button', class: 'fresh', hidden: true });
  const newer = el('button', { type: 'button', disabled: true }, '← Newer');
  const older = el('button', { type: 'button', disabled: true }, 'Older →');
  const table = el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Orders' },
    el('table', { class: 'orders' },
      el('thead', {}, el('tr', {}, ['Order', 'Status', 'Last event', 'Version', 'Placed', 'Changed'].map((h) =>
        el('th', { scope: 'col', class: h === 'Version' && 'num' }, h)))),
      body));

  // A row is not to move from under a pointer, the focus, or the eyes of one who has
  // scrolled to it: then what is new waits behind a button.
  const reading = () => body.matches(':hover') || body.contains(document.activeElement) || table.getBoundingClientRect().top < 0;

  const row = (o) => el('tr', { 'data-id': o.id, 'data-version': o.version, class: o.id === marked && 'marked' },
    el('th', { scope: 'row' }, el('a', { href: `#/orders/${o.id}`, class: 'mono' }, o.id)),
    el('td', {}, chip(o.status), o.parked && el('span', { class: 'chip bad', title: o.parked }, 'parked')),
    el('td', { class: 'mono type' }, breakable(o.type)),
    el('td', { class: 'num' }, o.version),
    el('td', {}, moment(o.createdAt)),
    el('td', {}, moment(o.updatedAt)));

  // show puts rows in the place of others, and leaves alone those that are the same.
  const show = (orders, found) => {
    const rows = new Map([...body.children].map((r) => [r.dataset.id, r]));
    const held = document.activeElement?.closest?.('tr')?.dataset.id;
    orders.forEach((o, i) => {
      let tr = rows.get(o.id);
      if (tr?.dataset.version !== String(o.version)) {
        const renewed = row(o);
        if (tr) tr.replaceWith(renewed);
        tr = renewed;
        if (held === o.id) queueMicrotask(() => renewed.querySelector('a').focus());
      }
      if (body.children[i] !== tr) body.insertBefore(tr, body.children[i] ?? null);
    });
    while (body.childElementCount > orders.length) body.lastElementChild.remove();
    shown = orders.map((o) => o.id);
    next = found;
    fill(empty, orders.length ? null : 'No order is like that.');
    empty.hidden = orders.length > 0;
    fresh.hidden = true;
    newer.disabled = !cursor;
    older.disabled = !next;
  };

  const look = async (gently) => {
    try {
      const page = await api.orders({ ...filter, sort: 'newest', limit, after: cursor }, signal);
      fill(trouble);
      const unseen = page.orders.filter((o) => !shown.includes(o.id)).length;
      if (gently && unseen && shown.length && reading()) {
        const now = new Map(page.orders.map((o) => [o.id, o]));
        for (const tr of [...body.children]) {
          const o = now.get(tr.dataset.id);
          if (o && tr.dataset.version !== String(o.version) && !tr.contains(document.activeElement)) tr.replaceWith(row(o));
        }
        fresh.hidden = false;
        fresh.textContent = `Show ${many(unseen, 'new order')}`;
        return;
      }
      show(page.orders, page.next ?? '');
    } catch (error) {
      if (!shown.length) fill(empty);
      if (error.name !== 'AbortError') fill(trouble, troubleNote(error));
    }
  };

  // The address says what is shown, so that it can be handed on.
  const go = async () => {
    const said = Object.entries({ ...filter, after: cursor }).filter(([, value]) => value);
    history.replaceState(null, '', said.length ? `#/orders?${new URLSearchParams(said)}` : '#/orders');
    await look(false);
    say(shown.length ? `${many(shown.length, 'order')}${next ? ', and more' : ''}.` : 'No order is like that.');
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    form.elements.type.value = form.elements.type.value.trim().toUpperCase(); // as all types are
    const said = new FormData(form);
    Object.assign(filter, {
      status: said.get('status'), type: form.elements.type.value,
      since: fromLocal(said.get('since')), until: fromLocal(said.get('until')),
    });
    [before, cursor] = [[], ''];
    go();
  });
  form.addEventListener('reset', (event) => {
    event.preventDefault(); // which would bring back what the address said
    for (const field of form.elements) if (field.name) field.value = '';
    form.requestSubmit();
  });
  form.elements.status.addEventListener('change', () => form.requestSubmit());
  older.addEventListener('click', () => {
    before.push(cursor);
    cursor = next;
    go();
  });
  newer.addEventListener('click', () => {
    cursor = before.pop() ?? '';
    go();
  });
  fresh.addEventListener('click', async () => {
    await look(false);
    body.querySelector('a')?.focus();
  });

  const soon = calm(() => look(true), atMostEvery);
  onEvents(soon, signal);
  onGap(soon, signal);
  look(false);
  const element = el('section', { class: 'panel', 'aria-labelledby': 'list-title' },
    el('header', {}, el('h2', { id: 'list-title' }, 'Query: GET /query'), el('span', { class: 'muted' }, 'the table’s rows, newest first'), el('span', { class: 'end' }, fresh)),
    form, trouble, table, empty,
    el('nav', { class: 'pages buttons', 'aria-label': 'Pages' }, newer, older));
  return {
    element,
    mark(id) {
      marked = id;
      for (const tr of body.children) tr.classList.toggle('marked', tr.dataset.id === marked);
    },
  };
}
