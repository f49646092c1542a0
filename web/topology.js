// The view #/topology: the topics, the roles around them, and how far each has come.

import * as api from './api.js';
import { troubleNote } from './ask.js';
import { keyed } from './choice.js';
import { chip, el, fill } from './dom.js';
import { count } from './format.js';
import { drawTopology, elsewhere } from './flow.js';
import { calm } from './live.js';
import { onGap } from './log.js';

export const title = () => 'Topology';

const lookEvery = 2000; // milliseconds
const narrow = 640; // pixels

// healthOf says of a consumer group's state what it means.
const healthOf = (state) => ({ Stable: 'good', Empty: 'bad', Dead: 'bad' }[state] ?? 'warn');

// seen is an answer as it is shown: with a rate beside each figure, which takes the answer
// before, and with a health. The group of a view has no members, and tells how far it is:
// whether it runs is known of this process alone. One that there is not, nobody may want.
function seen(now, last) {
  const rated = (list) => now[list].map((r) => ({ ...r, rate: rateOf(r, last?.[list], new Date(now.time) - new Date(last?.time)) }));
  const local = rated('local').map((c) => ({ ...c, health: c.ready ? 'good' : 'bad' }));
  const roles = rated('roles').filter((r) => !r.view || r.state !== 'Dead').map((r) => {
    if (!r.view) return { ...r, members: r.members.length, health: healthOf(r.state) };
    const here = local.find((c) => c.role === r.role);
    return { ...r, members: undefined, state: here?.state, health: here?.health };
  });
  return { ...now, local, roles };
}

export function view({ signal }) {
  const picture = el('div', { class: 'picture' }, el('p', { class: 'muted' }, 'Asking …'));
  const roles = el('tbody');
  const topics = el('tbody');
  const local = el('div', { class: 'body chips' });
  const trouble = el('div', { role: 'alert' });
  let last = null;
  let shown = null;

  const draw = () => {
    if (shown && picture.isConnected) fill(picture, drawTopology(shown, picture.clientWidth < narrow));
  };
  const look = async () => {
    try {
      const now = await api.topology(signal);
      fill(trouble);
      shown = seen(now, last);
      last = now;
      draw();
      keyed(roles, shown.roles, (r) => r.role, (r) => JSON.stringify(r), roleRow);
      keyed(topics, shown.topics, (t) => t.topic, (t) => t.records, topicRow);
      fill(local, shown.local.map((c) => el('span', { title: c.detail }, el('b', {}, c.role), ' ',
        chip(c.health, c.state), c.lag === undefined ? '' : ` ${count(c.lag)} behind, ${rate(c.rate)} records/s`)));
    } catch (error) {
      if (!shown) fill(picture);
      if (error.name !== 'AbortError') fill(trouble, troubleNote(error));
    }
  };
  const soon = calm(look, lookEvery);
  const timer = setInterval(() => { if (!document.hidden) soon(); }, lookEvery);
  signal.addEventListener('abort', () => clearInterval(timer));
  onGap(soon, signal);
  const sizes = new ResizeObserver(draw);
  sizes.observe(picture);
  signal.addEventListener('abort', () => sizes.disconnect());
  soon();

  const headed = (name, columns, body) => el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `${name}, figures` },
    el('table', {}, el('thead', {}, el('tr', {}, columns.map(([h, isNumber]) => el('th', { scope: 'col', class: isNumber && 'num' }, h)))), body));
  return [
    el('div', { class: 'head' }, el('h1', { tabindex: -1 }, 'Topology'),
      el('p', { class: 'muted' }, 'A plain box is a role, in one process or in many, and those around the log are each a consumer group of their own. A coloured box is a topic. No role calls another: each reads what the others wrote. ',
        el('a', { href: '/monitor' }, 'What each processor of this process does'), ' · ', el('a', { href: '/docs' }, 'The API'))),
    trouble,
    el('section', { class: 'panel', 'aria-label': 'Picture of the topology' }, picture),
    el('section', { class: 'panel', 'aria-labelledby': 'roles-title' },
      el('header', {}, el('h2', { id: 'roles-title' }, 'Roles'), el('span', { class: 'muted' }, 'every two seconds, from the brokers')),
      headed('Roles', [['Role'], ['Group'], ['State'], ['Members', true], ['Records/s', true], ['Lag', true], ['Read', true], ['Of', true], ['Lag by partition']], roles)),
    el('div', { class: 'halves' }, el('section', { class: 'panel', 'aria-labelledby': 'topics-title' },
      el('header', {}, el('h2', { id: 'topics-title' }, 'Topics')),
      headed('Topics', [['Topic'], ['Records', true]], topics)),
    el('section', { class: 'panel', 'aria-labelledby': 'local-title' },
      el('header', {}, el('h2', { id: 'local-title' }, 'This process')), local)),
  ];
}

// rateOf is how many records a second a role has got through since the look before, so
// many milliseconds ago; undefined for the first, and for what has no place in a topic.
function rateOf(role, last, milliseconds) {
  const before = last?.find((r) => r.role === role.role)?.committed;
  return before !== undefined && milliseconds > 0 ? Math.max(0, (role.committed - before) / milliseconds * 1000) : undefined;
}

const rate = (r) => (r === undefined ? '…' : count(Math.round(r)));

function roleRow(r) {
  const partitions = r.partitions ?? [];
  const most = Math.max(1, ...partitions.map((p) => p.lag));
  const strip = el('span', { class: 'strip', role: 'img', 'aria-label': r.lag ? partitions.filter((p) => p.lag).map((p) => `partition ${p.partition}: ${p.lag}`).join(', ') : 'none' },
    partitions.map((p) => {
      const bar = el('i', { title: `partition ${p.partition}: ${count(p.lag)} behind` });
      bar.style.setProperty('--share', p.lag / most);
      return bar;
    }));
  return el('tr', {},
    el('th', { scope: 'row', class: 'mono' }, r.role), el('td', { class: 'mono muted' }, r.group),
    el('td', {}, r.state ? chip(r.health, r.state) : elsewhere), el('td', { class: 'num' }, r.members ?? '–'),
    el('td', { class: 'num' }, rate(r.rate)), el('td', { class: 'num' }, count(r.lag)),
    el('td', { class: 'num' }, count(r.committed)), el('td', { class: 'num' }, count(r.end)), el('td', {}, strip));
}

const topicRow = (t) => el('tr', {}, el('th', { scope: 'row', class: 'mono' }, t.topic), el('td', { class: 'num' }, count(t.records)));
