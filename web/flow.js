// The drawing of the topology: the log, the roles that hear and speak, the table and
// what reads it. Two layouts, for a wide and for a narrow place.

import { svg } from './dom.js';
import { count } from './format.js';

const notWorkers = ['edge', 'saga', 'aggregate', 'sink', 'table'];

export function drawTopology(topology, narrow) {
  // Of what has no group, as the edge, only what this process knows of itself.
  const roles = new Map([...topology.local, ...topology.roles].map((r) => [r.role, r]));
  const topics = new Map(topology.topics.map((t) => [t.topic, t.records]));
  const workers = topology.roles.map((r) => r.role).filter((r) => !notWorkers.includes(r));
  const world = { roles, topics, workers, partitions: topology.partitions };
  const { width, height, parts } = narrow ? tall(world) : wide(world);
  const words = topology.roles.map((r) => `${r.role}: ${r.state ?? elsewhere}, ${count(r.lag)} behind`).join('; ');
  return svg('svg', { class: 'flow', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `Topics and roles. ${words}. The tables below say more.` },
    svg('defs', {}, svg('marker', { id: 'tip', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: 'auto' },
      svg('path', { class: 'head', d: 'M0 0.5L7.5 4L0 7.5Z' }))),
    parts);
}

function wide({ roles, topics, workers, partitions }) {
  const width = 1040;
  const left = 190;
  const right = width - 12;
  const columns = [...workers, 'saga', 'aggregate'];
  const step = (right - left) / columns.length;
  const box = Math.min(150, step - 24);
  const middle = (name) => left + (columns.indexOf(name) + 0.5) * step;
  const sagaAt = middle('saga');
  const aggregateAt = middle('aggregate');
  const parts = [
    topic(left, 26, right - left, 52, 'store.order', `${count(topics.get('store.order') ?? 0)} events · ${partitions} partitions · the log`, partitions),
    role(12, 26, 112, 408, 'edge', roles.get('edge'), ['commands in,', 'answers out']),
    arrow(124, 52, left, 52), label(157, 44, 'command'),
  ];
  for (const name of columns) {
    const x = middle(name);
    parts.push(role(x - box / 2, 138, box, 104, name, roles.get(name)));
    parts.push(arrow(x - 18, 78, x - 18, 138, roles.get(name)?.rate));
    if (name !== 'aggregate') parts.push(arrow(x + 18, 138, x + 18, 78, roles.get(name)?.rate));
  }
  const sinkAt = sagaAt;
  const mongoAt = middle(columns[Math.max(0, columns.length - 4)]);
  parts.push(
    topic(sagaAt - box / 2, 276, box, 40, 'saga.order', `${count(topics.get('saga.order') ?? 0)} records`), arrow(sagaAt - 12, 242, sagaAt - 12, 276), arrow(sagaAt + 12, 276, sagaAt + 12, 242),
    topic(aggregateAt - box / 2, 276, box, 40, 'view.order', `${count(topics.get('view.order') ?? 0)} records`), arrow(aggregateAt, 242, aggregateAt, 276, roles.get('aggregate')?.rate),
    topic(left + 8, 276, 150, 40, 'deadletter.order', `${count(topics.get('deadletter.order') ?? 0)} records`),
    ...columns.map((name) => way(`M${middle(name) - 36} 242V258H${left + 83}V276`)), label(left + 166, 300, 'what failed', 'start'),
    way(`M${left + 8} 296H124`), label(157, 290, 'letters'),
    role(sinkAt - box / 2, 346, box, 88, 'sink', roles.get('sink')),
    elbow(aggregateAt, 316, sinkAt + box / 2, 390, roles.get('sink')?.rate),
    cylinder(mongoAt - box / 2, 358, box, 64, 'MongoDB', 'or the local table'),
    arrow(sinkAt - box / 2, 390, mongoAt + box / 2, 390, roles.get('sink')?.rate),
    arrow(mongoAt - box / 2, 390, 124, 390), label(157, 382, 'query'),
  );
  return { width, height: 446, parts };
}

// tall has the log on the left, and on the right two ways: down go the letters, and up
// to the edge what it reads.
function tall({ roles, topics, workers, partitions }) {
  const [left, right, down, up] = [104, 284, 298, 316];
  const width = up + 12;
  const box = right - left;
  const middle = (left + right) / 2;
  const log = 102;
  const records = (name) => `${count(topics.get(name) ?? 0)} records`;
  const parts = [
    role(8, 8, width - 16, 72, 'edge', roles.get('edge'), ['commands in, answers out']),
    arrow(34, 80, 34, log), label(42, 95, 'command', 'start'), label(up - 6, 95, 'query, letters', 'end'),
  ];
  const failing = [];
  let y = log + 14;
  for (const name of [...workers, 'saga', 'aggregate']) {
    const rate = roles.get(name)?.rate;
    parts.push(role(left, y, box, 102, name, roles.get(name)), arrow(60, y + 26, left, y + 26, rate));
    failing.push(y + 74);
    if (name !== 'aggregate') parts.push(arrow(left, y + 52, 60, y + 52, rate));
    if (name === 'saga') {
      parts.push(arrow(middle - 12, y + 102, middle - 12, y + 124), arrow(middle + 12, y + 124, middle + 12, y + 102),
        topic(left, y + 124, box, 42, 'saga.order', records('saga.order')));
      y += 64;
    }
    y += 116;
  }
  const bottom = y - 24;
  const [view, sink, store, letters] = [y + 8, y + 72, y + 180, y + 250];
  parts.push(
    svg('g', { class: 'topic' }, svg('rect', { x: 8, y: log, width: 52, height: bottom - log }),
      svg('text', { class: 'name', transform: `translate(30 ${(bottom + log) / 2}) rotate(-90)`, 'text-anchor': 'middle' }, 'store.order'),
      svg('text', { class: 'small', transform: `translate(48 ${(bottom + log) / 2}) rotate(-90)`, 'text-anchor': 'middle' }, `${count(topics.get('store.order') ?? 0)} events · ${partitions} partitions`)),
    arrow(middle, y - 14, middle, view), topic(left, view, box, 42, 'view.order', records('view.order')),
    arrow(middle, view + 42, middle, sink), role(left, sink, box, 84, 'sink', roles.get('sink')),
    arrow(middle, sink + 84, middle, store), cylinder(left, store, box, 54, 'MongoDB', 'or the local table'),
    topic(left, letters, box, 42, 'deadletter.order', records('deadletter.order')),
    ...failing.map((at) => way(`M${right} ${at}H${down}V${letters + 14}H${right}`)), label(left - 8, letters + 25, 'what failed', 'end'),
    way(`M${right} ${store + 27}H${up}V80`), way(`M${right} ${letters + 32}H${up}V80`),
  );
  return { width, height: letters + 54, parts };
}

const signs = { good: 'M-4.5 0A4.5 4.5 0 1 0 4.5 0A4.5 4.5 0 1 0-4.5 0', warn: 'M0-5L5.5 4.5H-5.5Z', bad: 'M0-5.5L5.5 0L0 5.5L-5.5 0Z' };

// elsewhere stands for the state of a role that only its own process knows.
export const elsewhere = 'in another process';

// figuresOf is what is told of a role in its box, besides its state.
function figuresOf(now) {
  const words = now?.state ? [] : [elsewhere];
  if (now?.lag !== undefined) words.push(`${count(now.lag)} behind`, `${now.rate === undefined ? '…' : count(Math.round(now.rate))} records/s`);
  if (now?.members !== undefined) words.push(`${now.members} ${now.members === 1 ? 'member' : 'members'}`);
  return words;
}

function role(x, y, w, h, name, now, words = figuresOf(now)) {
  const first = now?.state ? 61 : 39;
  return svg('g', { class: `role ${now?.health ?? ''}` },
    svg('rect', { x, y, width: w, height: h, rx: 3 }),
    svg('text', { class: 'name', x: x + 12, y: y + 22 }, name),
    now?.state && svg('path', { class: 'sign', d: signs[now.health], transform: `translate(${x + 17} ${y + 39})` }),
    now?.state && svg('text', { class: 'state', x: x + 28, y: y + 43 }, now.state),
    words.map((line, i) => svg('text', { class: 'small', x: x + 12, y: y + first + 16 * i }, line)));
}

// topic is a bar; with ticks, one for each partition.
const topic = (x, y, w, h, name, words, ticks = 0) => svg('g', { class: 'topic' },
  svg('rect', { x, y, width: w, height: h }),
  Array.from({ length: Math.max(0, ticks - 1) }, (_, i) => svg('line', { x1: x + w * (i + 1) / ticks, x2: x + w * (i + 1) / ticks, y1: y, y2: y + 8 })),
  svg('text', { class: 'name', x: x + 12, y: y + (h > 46 ? 29 : 18) }, name),
  svg('text', { class: 'small', x: x + 12, y: y + (h > 46 ? 44 : 33) }, words));

const cylinder = (x, y, w, h, name, words) => svg('g', { class: 'store' },
  svg('path', { d: `M${x} ${y + 8}A${w / 2} 8 0 0 1 ${x + w} ${y + 8}V${y + h - 8}A${w / 2} 8 0 0 1 ${x} ${y + h - 8}ZM${x} ${y + 8}A${w / 2} 8 0 0 0 ${x + w} ${y + 8}` }),
  svg('text', { class: 'name', x: x + w / 2, y: y + h / 2 + 6, 'text-anchor': 'middle' }, name),
  svg('text', { class: 'small', x: x + w / 2, y: y + h / 2 + 21, 'text-anchor': 'middle' }, words));

const way = (d, rate) => svg('path', { class: `way ${rate > 0 ? 'flows' : ''}`, d, 'marker-end': 'url(#tip)' });
const arrow = (x1, y1, x2, y2, rate) => way(`M${x1} ${y1}L${x2} ${y2}`, rate);
const elbow = (x1, y1, x2, y2, rate) => way(`M${x1} ${y1}V${y2}H${x2}`, rate);
const label = (x, y, text, anchor = 'middle') => svg('text', { class: 'small', x, y, 'text-anchor': anchor }, text);
