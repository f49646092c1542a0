// The same order three times: its events, the row that they fold to, and the document
// that queries read. What CQRS is, on one order.

import * as api from './api.js';
import { troubleNote } from './ask.js';
import { breakable, el, fill } from './dom.js';
import { many, moment } from './format.js';

const pretty = (value) => JSON.stringify(value, null, 2);

export function sourcesView(id, signal) {
  const body = el('div', { class: 'sources' }, el('p', { class: 'body muted' }, 'Asking …'));
  let chosen = ''; // the id of an event whose record is to be open
  const look = async () => {
    try {
      const found = await api.sources(id, signal);
      const before = new Set([...body.querySelectorAll('.record[open]')].map((r) => r.dataset.id));
      fill(body, sides(found));
      for (const r of body.querySelectorAll('.record')) r.open = before.has(r.dataset.id) || r.dataset.id === chosen;
    } catch (error) {
      if (error.name !== 'AbortError') fill(body, troubleNote(error));
    }
  };
  const element = el('section', { class: 'panel', 'aria-labelledby': 'sources-title' },
    el('header', {}, el('h2', { id: 'sources-title' }, 'Three sides of the same order')), body);
  // open shows the record of an event, and shuts the one that it showed before.
  const open = (event) => {
    for (const r of body.querySelectorAll('.record')) {
      if (r.dataset.id === event) r.open = true;
      else if (r.dataset.id === chosen) r.open = false;
    }
    chosen = event;
  };
  return { element, look, open };
}

function sides({ events, row, document, notes = {} }) {
  const version = { row: row?.meta?.version, document: document?.order?.version };
  return [
    side('Events', 'store.order', `${many(events.length, 'event')}`,
      'What happened, each fact once and for good. It is the only truth: the other two can be thrown away and made again from it.',
      notes.events, events.map(event)),
    side('Row', 'view.order', version.row === undefined ? 'none' : `version ${version.row}`,
      'What the events come to, folded one by one by a pure function. The table is a topic, too: whoever reads it has a copy.',
      notes.row, row && el('pre', { tabindex: 0 }, pretty(row))),
    side('Document', 'MongoDB', version.document === undefined ? 'none' : `version ${plain(version.document)}`,
      'The row once more, where queries by status or time are quick. It follows milliseconds behind, and an older row never wins.',
      notes.document, document && el('pre', { tabindex: 0 }, pretty(unpacked(document)))),
  ];
}

// unpacked has the row that a document carries, which is JSON in a string, as what it is.
function unpacked(document) {
  if (typeof document.order?.row !== 'string') return document;
  try {
    return { ...document, order: { ...document.order, row: JSON.parse(document.order.row) } };
  } catch {
    return document; // it is shown as it is
  }
}

// plain takes a number out of MongoDB's extended JSON.
const plain = (value) => (typeof value === 'object' ? Object.values(value)[0] : value);

function side(name, where, state, teaches, note, content) {
  return el('section', { class: 'side' },
    el('h3', {}, name, ' ', el('code', { class: 'muted' }, where), el('span', { class: 'muted state' }, state)),
    el('p', {}, teaches),
    note && el('p', { class: 'note warn' }, note),
    content);
}

function event({ partition, offset, time, headers, value }) {
  return el('details', { class: 'record', 'data-id': headers?.ce_id },
    el('summary', {},
      el('span', { class: 'mono' }, breakable(value?.type ?? 'not an event')),
      el('span', { class: 'muted mono' }, ` ${partition}:${offset} `), moment(time)),
    el('dl', { class: 'facts' }, Object.entries(headers ?? {}).map(([name, text]) => [el('dt', { class: 'mono' }, name), el('dd', { class: 'mono' }, text)])),
    el('pre', { tabindex: 0 }, pretty(value)));
}
