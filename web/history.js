// An order's history: the table of its events, and the picture beside it.

import { breakable, chip, el, fill } from './dom.js';
import { draw } from './drawing.js';
import { many, moment, span } from './format.js';
import { kin, picture } from './timeline.js';

const narrow = 560; // pixels; below, lanes lie closer and their names are slanted

const widest = 400; // pixels of the picture, if that leaves its lanes apart

// pauseBetween is room for time that passed between two events, so that a wait looks
// like one: more for more, and never much.
const pauseBetween = (ms) => (ms < 1000 ? 0 : Math.min(36, Math.round(9 * Math.log10(ms / 100))));

// historyView calls chose with the id of an event that is chosen for good.
export function historyView(chose) {
  const table = el('table', { class: 'history' });
  const body = el('tbody');
  const canvas = el('div', { class: 'canvas' });
  const about = el('aside', { class: 'about', 'aria-label': 'The event' });
  const hint = el('p', { class: 'muted hint' }, 'Point at an event, or walk with the arrow keys, to see all of it, and what led to it.');
  fill(about, el('div', { class: 'stays' }, hint));
  const element = el('div', { class: 'timeline' }, canvas, table, about);
  fill(table,
    el('caption', { class: 'unseen' }, 'The events of the order'),
    el('thead', {}, el('tr', {}, ['After', 'Event', 'By', 'Why', 'Status'].map((h) =>
      el('th', { scope: 'col', class: h === 'By' && 'by' }, h === 'By' ? el('span', { class: 'unseen' }, h) : h)))),
    body);

  let history;
  let drawn = { rows: [], arrows: [], bars: [], lanes: [], pauses: [] };
  let chosen = null; // the id of an event

  const buttons = () => [...body.querySelectorAll('button')];
  const numberOf = (id) => drawn.rows.findIndex((r) => r.entry.id === id);

  // choose shows an event: for good, or for as long as the pointer is on it.
  const choose = (row, forGood) => {
    const shown = row >= 0 ? row : numberOf(chosen);
    if (forGood) {
      if (chosen !== drawn.rows[row].entry.id) chose(drawn.rows[row].entry.id);
      chosen = drawn.rows[row].entry.id;
      buttons().forEach((b, i) => { b.tabIndex = i === row ? 0 : -1; });
    }
    light(shown);
    fill(about, el('div', { class: 'stays' }, shown >= 0 ? detail(drawn.rows[shown], drawn) : hint));
    about.classList.toggle('chosen', shown >= 0);
  };

  const light = (row) => {
    const related = row >= 0 ? kin(drawn, row) : null;
    element.classList.toggle('lit', related !== null);
    const isRelated = (...rows) => related !== null && rows.every((r) => related.has(Number(r)));
    [...body.children].forEach((tr, i) => {
      tr.classList.toggle('now', i === row);
      tr.classList.toggle('related', isRelated(i));
    });
    for (const m of canvas.querySelectorAll('.mark')) {
      m.classList.toggle('now', Number(m.dataset.row) === row);
      m.classList.toggle('related', isRelated(m.dataset.row));
    }
    for (const a of canvas.querySelectorAll('[data-from]')) a.classList.toggle('related', isRelated(a.dataset.from, a.dataset.to));
  };

  const line = (row) => {
    const { entry } = row;
    const changed = entry.after !== entry.before;
    const attempt = entry.attempt > 1 && row.step && el('span', { class: 'attempt' }, `attempt ${entry.attempt}`);
    const tr = el('tr', { class: `kind-${row.word ?? row.kind}` },
      el('td', { class: 'num' }, el('time', { datetime: entry.time, title: entry.time }, span(new Date(entry.time) - new Date(history.createdAt)))),
      el('th', { scope: 'row' }, el('button', { type: 'button', class: 'event mono', tabindex: -1 }, breakable(entry.type)), attempt),
      el('td', { class: 'by' }, el('span', { class: 'unseen' }, row.lane)), // which the picture shows
      el('td', { class: 'why' }, el('span', { class: 'clamped' }, [entry.actor && `by ${entry.actor}`, entry.reason].filter(Boolean).join(': '))),
      el('td', { class: 'status' }, changed && chip(entry.after)));
    tr.style.setProperty('--before', `${pauseBetween(row.after)}px`);
    return tr;
  };

  const redraw = () => {
    if (!table.isConnected || !drawn.rows.length) return;
    const slanted = element.clientWidth < narrow;
    const middles = [...body.children].map((tr) => {
      const before = parseFloat(tr.style.getPropertyValue('--before')) || 0;
      return Math.round(tr.offsetTop + before + (tr.offsetHeight - before) / 2);
    });
    fill(canvas, draw(drawn, {
      middles, slanted, head: table.tHead.offsetHeight, height: table.offsetHeight, lane: slanted ? 27 : Math.min(76, Math.round(widest / drawn.lanes.length)),
      label: `${many(drawn.rows.length, 'event')} between ${drawn.lanes.join(', ')}. The table beside it says the same.`,
    }));
    light(numberOf(chosen));
  };

  // show takes in the history as it is now. What is there stays, with the focus.
  const show = (now) => {
    history = now;
    drawn = picture(now);
    const held = body.contains(document.activeElement) ? chosen : null;
    const known = new Map([...body.children].map((tr) => [tr.dataset.id, tr]));
    fill(body, drawn.rows.map((row) => {
      const tr = known.get(row.entry.id) ?? line(row);
      tr.dataset.id = row.entry.id;
      return tr;
    }));
    const tab = Math.max(0, numberOf(chosen));
    buttons().forEach((b, i) => { b.tabIndex = i === tab ? 0 : -1; });
    if (held) buttons()[numberOf(held)]?.focus();
    redraw();
  };

  const rowAt = (target) => {
    const mark = target.closest('.mark');
    if (mark) return Number(mark.dataset.row);
    const tr = target.closest('tbody tr');
    return tr ? [...body.children].indexOf(tr) : -1;
  };
  element.addEventListener('pointerover', (e) => { if (e.pointerType === 'mouse' && !about.contains(e.target)) choose(rowAt(e.target), false); });
  element.addEventListener('pointerleave', () => choose(-1, false));
  element.addEventListener('click', (e) => {
    const row = rowAt(e.target);
    if (row < 0) return;
    choose(row, true);
    if (!e.target.closest('button')) buttons()[row].focus({ preventScroll: true });
  });
  body.addEventListener('focusin', (e) => {
    const row = rowAt(e.target);
    if (row >= 0) choose(row, true);
  });
  body.addEventListener('keydown', (e) => {
    const all = buttons();
    const to = { ArrowDown: 1, ArrowUp: -1, Home: -all.length, End: all.length }[e.key];
    if (!to) return;
    e.preventDefault();
    all[Math.min(all.length - 1, Math.max(0, rowAt(e.target) + to))].focus();
  });
  // Text may wrap anew, and fonts may come late: the marks follow their rows.
  new ResizeObserver(redraw).observe(table);
  return { element, show };
}

// detail is all that is known of an event.
function detail({ entry, lane, after }, { rows }) {
  const cause = rows.find((r) => r.entry.id === entry.causation);
  const why = {
    client: 'a client, by itself', timer: 'time: a deadline of the saga passed',
    command: 'a command', event: cause ? 'an event' : 'an event that is not in this history',
  }[entry.cause?.kind] ?? 'nobody said: whoever produced it knows nothing of the headers';
  const facts = [
    ['Said by', lane],
    ['At', moment(entry.time)],
    ['After', `${span(after)} since the event before`],
    ['Attempt', entry.attempt],
    ['Caused by', [why, cause && ': ', cause && el('code', {}, breakable(cause.entry.type))]],
    entry.actor && ['Who', entry.actor],
    entry.reason && ['Reason', entry.reason],
    ['Status', [entry.before && entry.before !== entry.after && [chip(entry.before), ' → '], chip(entry.after)]],
    ['Event id', el('code', {}, entry.id)],
    entry.causation && ['Cause’s id', el('code', {}, entry.causation)],
  ];
  return [
    el('h3', { class: 'mono' }, breakable(entry.type)),
    el('dl', { class: 'facts' }, facts.filter(Boolean).map(([name, value]) => [el('dt', {}, name), el('dd', {}, value)])),
  ];
}
