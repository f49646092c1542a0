// The board: orders in flight, by step, and how they move.
//
// An order passes a step in a few milliseconds, which nobody can see. So each order is
// shown at each of its places for a moment, later than it was there; the numbers are
// what counts. While very many move, none is shown where it no longer is.

import * as api from './api.js';
import { el, fill } from './dom.js';
import { ended, read } from './events.js';
import { count } from './format.js';
import { calm } from './live.js';
import { onEvents, onGap } from './log.js';
import { notice, onSteps, steps } from './steps.js';

const moment = 220; // milliseconds at a place
const crowd = 400; // orders in flight from which none is shown late
const shownAtMost = 60; // tokens at a place
const waiting = ['scheduled', 'paused', 'stuck']; // the statuses that are places of their own
const untold = 'untold'; // where an order is whose last event tells of no step
const asked = 100; // orders of a status that the table is asked for
const quiet = 1500; // milliseconds without an event, until the table is asked

export function board(signal) {
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  let known = false; // whether the table has been asked how many there are
  let beyond = new Set(); // places of which more orders may be there than the table told
  let marked = ''; // the id of an order to stand out
  const orders = new Map(); // id → {place, status, the step it came to last, token, path: places and statuses yet to be shown}
  const places = new Map(); // place → {tokens, number}
  const endings = { completed: 0, failed: 0, cancelled: 0 };
  const tally = el('p', { class: 'tally' });
  const columns = el('ol', { class: 'columns' });
  const element = el('figure', { class: 'board', 'aria-label': 'Orders in flight, by step' }, columns, tally);

  const lay = () => {
    places.clear();
    fill(columns, ['scheduled', ...steps(), 'paused', 'stuck'].map((place) => {
      const tokens = el('span', { class: 'tokens', 'aria-hidden': 'true' }); // the list has the same links
      const number = el('b', { class: 'number' }, '–');
      places.set(place, { tokens, number });
      const to = waiting.includes(place) ? `#/orders?status=${place}` : `#/orders?type=${place}_REQUESTED`;
      return el('li', { class: 'place', 'data-place': place }, el('a', { href: to }, place), number, tokens);
    }));
    for (const order of orders.values()) order.token = null;
    draw();
  };

  // heard takes in an event: where its order is now, and how it stands.
  const heard = (event) => {
    const e = read(event.type, event.status);
    const order = orders.get(event.order) ?? { place: null, status: 'running', path: [], token: null };
    const before = order.path.at(-1) ?? order;
    let { status } = before;
    if (waiting.includes(e.word)) status = e.word;
    else if (event.status) status = event.status;
    else if (e.word === 'resumed' && status === 'paused') status = 'running';
    else if (e.kind === 'ask' && waiting.includes(status)) status = 'running';
    else if (e.kind === 'undo' && waiting.includes(status)) status = 'compensating';
    if (e.kind === 'done' && e.step === steps().at(-1) && status === 'running') status = 'completed';
    order.step = e.step ?? order.step;
    let place = waiting.includes(status) ? status : order.step ?? (before.place && untold); // though what was under way still answers
    if (ended(status)) place = 'end';
    if (!place || (place === before.place && status === before.status)) return;
    orders.set(event.order, order);
    order.path.push({ place, status });
  };

  // step moves each order on by one place.
  let timer = 0;
  const step = () => {
    timer = 0;
    const hurry = still.matches || orders.size > crowd;
    for (const [id, order] of orders) {
      if (order.path.length) {
        Object.assign(order, hurry ? order.path.at(-1) : order.path[0]);
        order.path = hurry ? [] : order.path.slice(1);
      }
      if (order.place === 'end') {
        order.token?.remove();
        orders.delete(id);
        endings[order.status]++;
      }
    }
    draw();
    if ([...orders.values()].some((o) => o.path.length)) timer = setTimeout(step, moment);
  };

  const draw = () => {
    const numbers = new Map([...places.keys()].map((p) => [p, 0]));
    for (const [id, order] of orders) {
      const place = places.get(order.place);
      if (!place) {
        order.token?.remove();
        order.token = null;
        continue;
      }
      numbers.set(order.place, numbers.get(order.place) + 1);
      if (numbers.get(order.place) > shownAtMost) {
        order.token?.remove();
        order.token = null;
        continue;
      }
      order.token ??= el('a', { href: `#/orders/${id}`, title: id, tabindex: -1 });
      order.token.className = `token ${order.status} ${id === marked ? 'marked' : ''}`;
      if (order.token.parentNode !== place.tokens) place.tokens.append(order.token);
    }
    for (const [name, { number }] of places) {
      const n = numbers.get(name);
      number.textContent = !known && !n ? '–' : count(n) + (beyond.has(name) ? '+' : '');
      number.parentNode.classList.toggle('empty', n === 0);
    }
    const lost = [...orders.values()].filter((o) => o.place === untold).length;
    fill(tally, lost > 0 && el('span', {}, `${count(lost)} at a step that the last event does not tell`), known ? 'since you came: ' : 'Asking … since you came: ', Object.entries(endings).map(([status, n]) =>
      el('span', { class: `chip ${status}` }, `${count(n)} ${status}`)));
  };

  // When the log falls quiet the table is asked for the orders in flight: events that
  // were missed, and those before this page, are made up for so.
  const settle = calm(async () => {
    const found = new Map();
    const more = new Set();
    const cut = new Set(); // statuses of which there are more
    try {
      for (const status of ['scheduled', 'running', 'compensating', 'paused', 'stuck']) {
        const page = await api.orders({ status, sort: 'newest', limit: asked }, signal);
        for (const o of page.orders) found.set(o.id, o);
        if (!page.next) continue;
        cut.add(status);
        for (const place of waiting.includes(status) ? [status] : steps()) more.add(place); // of those that move, the rest may be at any step
      }
    } catch (error) {
      if (error instanceof api.Problem || error.name === 'AbortError') return; // the page shows elsewhere that the server cannot be reached
      throw error;
    }
    if (signal.aborted || timer) return; // they move again
    known = true;
    beyond = more;
    for (const [id, order] of orders) {
      if (!found.has(id) && !cut.has(order.status)) {
        order.token?.remove();
        orders.delete(id);
      }
    }
    for (const [id, o] of found) {
      const order = orders.get(id) ?? { path: [], token: null };
      order.status = o.status;
      order.step = read(o.type).step ?? order.step;
      order.place = waiting.includes(o.status) ? o.status : order.step ?? untold;
      orders.set(id, order);
    }
    draw();
  }, quiet);

  let silence = 0;
  const soon = () => {
    clearTimeout(silence);
    silence = setTimeout(settle, quiet);
  };
  onSteps(lay, signal);
  onEvents((events) => {
    notice(events);
    events.forEach(heard);
    timer ||= setTimeout(step, 0);
    soon();
  }, signal);
  onGap(settle, signal);
  signal.addEventListener('abort', () => {
    clearTimeout(timer);
    clearTimeout(silence);
  });
  settle();
  return { element, mark(id) { marked = id; draw(); } };
}
