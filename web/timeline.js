// What an order's history looks like as a picture, without drawing it: pure, a history
// in, and lanes, marks, bars and arrows out, each by the number of its row.

import { read } from './events.js';

export const client = 'client';
export const saga = 'saga';

// picture gives:
//   lanes   who speaks: client, saga, and the steps in the order in which they come up
//   rows    for each event: {entry, kind, word, step, lane, after: ms since the one before}
//   bars    an attempt, from its request to its answer: {lane, from, to, late, outcome,
//           undoing}; to is null while nobody has answered, late is the row of an answer
//           that came after it had been given up
//   arrows  from a cause to its effect: {from, to, timer}; with timer, time passed between
//   pauses  {from, to}; to is null while it lasts
export function picture(history) {
  const entries = history.history;
  const at = new Map(entries.map((e, i) => [e.id, i]));
  const rows = entries.map((entry, i) => {
    const event = read(entry.type, isEnd(entry) ? entry.after : '');
    const before = entries[i - 1];
    return { entry, ...event, lane: laneOf(entry, event), after: before ? new Date(entry.time) - new Date(before.time) : 0 };
  });
  const bars = barsOf(rows);
  const answeredBy = new Map(bars.flatMap((b) => [b.to, b.late].filter((r) => r !== null).map((r) => [r, b.from])));

  const arrows = [];
  rows.forEach((row, i) => {
    const cause = at.get(row.entry.causation) ?? -1;
    if (row.entry.cause?.kind === 'timer') {
      const from = answeredBy.get(i) ?? earlier(rows, i, (r) => r.step === row.step && r.kind !== row.kind);
      if (from >= 0 && !answeredBy.has(i)) arrows.push({ from, to: i, timer: true });
    } else if (cause >= 0 && cause < i && answeredBy.get(i) !== cause) {
      arrows.push({ from: cause, to: i, timer: false });
    }
  });
  const steps = rows.filter((r) => r.step).map((r) => r.step);
  return { lanes: [client, saga, ...new Set(steps)], rows, bars, arrows, pauses: pausesOf(rows) };
}

// isEnd tells the order's ORDER_FAILED from that of its step ORDER: it is the saga's.
const isEnd = (entry) => entry.after === 'failed' && entry.before !== 'failed';

function laneOf(entry, event) {
  switch (event.kind) {
    case 'command': return client;
    case 'done': case 'undone': case 'failed': return event.step ?? saga;
    default: return entry.cause?.kind === 'client' ? client : saga;
  }
}

function earlier(rows, before, fits) {
  for (let i = before - 1; i >= 0; i--) if (fits(rows[i])) return i;
  return -1;
}

const answersDo = ['done', 'failed', 'timedout', 'skipped'];
const answersUndo = ['undone', 'failed', 'timedout', 'skipped'];

function barsOf(rows) {
  const bars = [];
  rows.forEach((row, i) => {
    if (row.kind === 'ask' || row.kind === 'undo') {
      bars.push({ lane: row.step, from: i, to: null, late: null, outcome: 'open', undoing: row.undoing, attempt: row.entry.attempt });
      return;
    }
    if (!row.step) return;
    const mine = bars.filter((b) => b.lane === row.step && b.undoing === row.undoing &&
      (b.undoing ? answersUndo : answersDo).includes(row.kind));
    const bar = mine.find((b) => rows[b.from].entry.id === row.entry.causation) ??
      mine.find((b) => b.attempt === row.entry.attempt && b.to === null) ?? mine.findLast((b) => b.to === null);
    if (!bar) return;
    if (bar.to === null) [bar.to, bar.outcome] = [i, row.kind];
    else if (row.kind !== 'timedout') bar.late = i;
  });
  return bars;
}

function pausesOf(rows) {
  const pauses = [];
  rows.forEach(({ entry: { before, after } }, i) => {
    if (after === 'paused' && before !== 'paused') pauses.push({ from: i, to: null });
    const last = pauses.at(-1);
    if (after !== 'paused' && last?.to === null) last.to = i;
  });
  return pauses;
}

// kin are the rows of an event's causes, back to the first, and of its direct effects.
export function kin({ arrows, bars }, row) {
  const links = [...arrows, ...bars.flatMap((b) => [b.to, b.late].filter((to) => to !== null).map((to) => ({ from: b.from, to })))];
  const found = new Set([row]);
  for (let to = row; to !== undefined;) {
    const link = links.find((l) => l.to === to && !found.has(l.from));
    if (link) found.add(link.from);
    to = link?.from;
  }
  for (const l of links) if (l.from === row) found.add(l.to);
  return found;
}
