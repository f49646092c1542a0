// The monitor: what goka's processors and views of this process are doing, from
// /monitor/stats, asked every few seconds while the page is seen.

import { el, fill } from './dom.js';
import { count, span } from './format.js';

const every = 2000; // ms between two questions

const byId = (id) => document.getElementById(id);

const number = (n) => (n === undefined ? '–' : count(n));
const tenths = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const rate = (n) => (n === undefined ? '–' : tenths.format(n));

function bytes(n) {
  if (n === undefined) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let i = 0;
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
  return `${tenths.format(n)} ${units[i]}`;
}

const chips = { running: 'good', starting: 'warn', rebuilding: 'bad', disconnected: 'bad' };
const chip = (state) => el('span', { class: `chip ${chips[state] ?? 'warn'}` }, state);

// Sums of a role's partitions, and what they were in the answer before.
let previous = null;

function sums(role) {
  const s = { lag: 0, handled: 0, bytes: 0, out: 0, delay: undefined, inputs: 0 };
  for (const p of role.partitions) {
    for (const i of p.inputs) {
      s.inputs++;
      s.lag += i.lag;
      s.handled += i.handled;
      s.bytes += i.bytes;
      if (i.records > 0) s.delay = Math.max(s.delay ?? 0, i.delayMillis);
    }
    for (const o of p.outputs) s.out += o.records;
  }
  return s;
}

// perSecond is a rate between two answers; none after a rebalance, when other
// partitions are counted, from the beginning.
function perSecond(now, before, seconds) {
  if (before === undefined || seconds <= 0 || now < before) return undefined;
  return (now - before) / seconds;
}

const numCell = (text, attributes = {}) => el('td', { ...attributes, class: `num ${attributes.class ?? ''}`.trim() }, text);
const lagCell = (lag) => numCell(number(lag), lag > 0 ? { class: 'lagging' } : {});

function overviewRow(role, before, seconds) {
  const s = sums(role);
  const same = before && before.partitions === role.partitions.map((p) => p.partition).join() ? before : {};
  const per = (name) => perSecond(s[name], same[name], seconds);
  const known = s.inputs > 0;
  return el('tr', {},
    el('th', { scope: 'row' }, el('a', { href: `#role-${role.role}` }, role.role)),
    el('td', {}, chip(role.state)),
    known ? lagCell(s.lag) : numCell('–'),
    numCell(number(role.partitions.length)),
    numCell(rate(per('handled'))),
    numCell(bytes(per('bytes'))),
    numCell(role.kind !== 'processor' ? '–' : rate(per('out'))),
    numCell(s.delay === undefined ? '–' : span(s.delay)),
    el('td', { class: 'muted' }, role.kind));
}

function tableState(t) {
  const r = t.recovery;
  const caught = r && r.ended;
  const parts = [chip(t.state)];
  if (r && !caught && r.end > 0) {
    const share = Math.min(r.offset / r.end, 1);
    parts.push(' ', el('progress', { max: 1, value: share, 'aria-label': `${t.topic} catches up` }),
      `${Math.floor(share * 100)} %: ${number(r.offset)} of ${number(r.end)}`);
  } else if (caught) {
    const took = new Date(r.ended) - new Date(r.began);
    parts.push(el('span', { class: 'muted' }, `, caught up in ${span(Math.max(took, 0))}`));
  }
  if (t.stalled) parts.push(' ', el('span', { class: 'muted', title: 'goka has seen no record for a while' }, 'idle'));
  return parts;
}

function partitionRows(role) {
  const rows = [];
  for (const p of role.partitions) {
    const table = p.tables.length ? p.tables.flatMap(tableState) : [el('span', { class: 'muted' }, 'none')];
    const out = p.outputs.reduce((n, o) => n + o.records, 0);
    const inputs = p.inputs.length ? p.inputs : [null];
    inputs.forEach((i, at) => rows.push(el('tr', {},
      at === 0 ? el('th', { scope: 'rowgroup', rowspan: inputs.length }, String(p.partition)) : null,
      el('td', { class: 'mono' }, i ? i.topic : '–'),
      numCell(number(i?.handled)),
      numCell(number(i?.end)),
      i ? lagCell(i.lag) : numCell('–'),
      numCell(number(i?.records)),
      numCell(bytes(i?.bytes)),
      at === 0 && role.kind === 'processor' ? numCell(number(out), { rowspan: inputs.length }) : null,
      at === 0 ? el('td', { rowspan: inputs.length, class: 'state' }, table) : null)));
  }
  return rows;
}

const columns = (kind) => [
  ['Partition'], ['Topic'], [kind === 'processor' ? 'Handled' : 'Stored', true], ['End', true], ['Lag', true],
  ['Records', true], ['Bytes', true], ...(kind === 'processor' ? [['Written', true]] : []), ['Table'],
];

function hotKeys(role) {
  if (!role.hot.length) return null;
  return el('div', { class: 'hot' },
    el('h3', {}, 'Hot keys of the last 5 minutes'),
    el('ol', {}, role.hot.map((k) => el('li', {},
      el('button', { type: 'button', class: 'plain', 'data-key': k.key, 'data-role': role.role, title: 'Look it up' }, k.key),
      el('span', { class: 'num' }, number(k.records))))));
}

// closed are the panels that a reader has shut. On a narrow screen all are at first.
const closed = new Map();
const narrow = matchMedia('(max-width: 64rem)');

function rolePanel(role) {
  const id = `role-${role.role}`;
  const many = role.partitions.length;
  const panel = el('details', { class: 'panel role', id, open: !(closed.get(id) ?? narrow.matches) },
    el('summary', { id: `${id}-title` },
      el('h2', {}, role.role), chip(role.state),
      el('span', { class: 'muted' }, role.kind === 'replay' ? role.kind : `${role.kind}, ${many === 1 ? '1 partition' : `${many} partitions`}`)),
    role.detail && el('p', { class: `note ${chips[role.state] ?? 'warn'}` }, role.detail),
    many === 0
      ? el('p', { class: 'body muted' }, role.kind === 'replay'
        ? 'This process reads all of a topic for itself, from the beginning: it shares no partitions and has no table.'
        : 'No partition is here: other processes of this role have them, or it is yet to begin.')
      : el('div', { class: 'parts' },
        el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `Partitions of ${role.role}` },
          el('table', {},
            el('thead', {}, el('tr', {}, columns(role.kind).map(([name, num]) => el('th', { scope: 'col', class: num && 'num' }, name)))),
            el('tbody', {}, partitionRows(role)))),
        hotKeys(role)));
  panel.addEventListener('toggle', () => closed.set(id, !panel.open));
  return panel;
}

// replace puts new content in the place of old and keeps what a reader would miss: the
// focus, and how far a table was scrolled.
function replace(parent, children) {
  const name = (e) => (e.dataset.key && `${e.dataset.role} ${e.dataset.key}`) || e.getAttribute('aria-label') || e.getAttribute('href') || e.id;
  const focused = parent.contains(document.activeElement) ? name(document.activeElement) : null;
  const scrolled = new Map([...parent.querySelectorAll('.scroll')].map((e) => [name(e), e.scrollLeft]));
  fill(parent, children);
  for (const e of parent.querySelectorAll('.scroll')) e.scrollLeft = scrolled.get(name(e)) ?? 0;
  if (focused) {
    [...parent.querySelectorAll('a, button, summary, [tabindex]')].find((e) => name(e) === focused)?.focus({ preventScroll: true });
  }
}

let tabled = '';
let drawn = ''; // the roles as they are shown below, as JSON

// offerTables lists the roles whose tables can be looked into.
function offerTables(roles) {
  const names = roles.filter((r) => r.table).map((r) => r.role);
  byId('tables').hidden = names.length === 0;
  if (names.join() === tabled) return;
  tabled = names.join();
  const select = byId('lookup-role');
  const chosen = select.value;
  fill(select, names.map((n) => el('option', { value: n, selected: n === chosen }, n)));
}

function show(stats) {
  const seconds = previous ? (new Date(stats.time) - previous.time) / 1000 : 0;
  replace(byId('overview'), stats.roles.map((r) => overviewRow(r, previous?.roles.get(r.role), seconds)));
  const now = JSON.stringify(stats.roles);
  if (now !== drawn) replace(byId('roles'), stats.roles.map(rolePanel)); // else a selection of text may stay
  drawn = now;
  offerTables(stats.roles);
  if (stats.roles.length === 0) {
    replace(byId('overview'), [el('tr', {}, el('td', { colspan: 9, class: 'muted' }, 'This process runs no processor and no view.'))]);
  }
  // A process that is no edge has this page alone.
  for (const a of document.querySelectorAll('.bar nav a:not([aria-current])')) a.hidden = !stats.edge;
  previous = {
    time: new Date(stats.time),
    roles: new Map(stats.roles.map((r) => [r.role, { ...sums(r), partitions: r.partitions.map((p) => p.partition).join() }])),
  };
  byId('when').replaceChildren('as of ', el('time', { datetime: stats.time }, new Date(stats.time).toLocaleTimeString('en-GB')));
}

// Failed is a request that came to nothing; any other error is a bug of the page.
class Failed extends Error {}

// ask gets JSON, or throws what the problem says.
async function ask(path) {
  let response;
  let body;
  try {
    response = await fetch(path, { headers: { Accept: 'application/json' } });
    body = await response.json();
  } catch (e) {
    throw new Failed(e.message);
  }
  if (!response.ok) throw new Failed(body.detail || body.title || response.statusText);
  return body;
}

function trouble(text) {
  const note = byId('trouble');
  if (note.textContent !== text) note.textContent = text; // and is read out once
  note.hidden = !text;
}

let timer;

async function refresh() {
  clearTimeout(timer);
  try {
    show(await ask('/monitor/stats'));
    trouble('');
  } catch (e) {
    if (!(e instanceof Failed)) throw e;
    trouble(`The process does not answer: ${e.message}. What is shown is from before; it is asked again.`);
  } finally {
    clearTimeout(timer);
    if (!document.hidden && byId('pause').getAttribute('aria-pressed') === 'false') timer = setTimeout(refresh, every);
  }
}

byId('pause').addEventListener('click', (e) => {
  const held = e.currentTarget.getAttribute('aria-pressed') === 'false';
  e.currentTarget.setAttribute('aria-pressed', String(held));
  if (held) clearTimeout(timer);
  else refresh();
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && byId('pause').getAttribute('aria-pressed') === 'false') refresh();
});

async function lookup(role, key) {
  const found = byId('found');
  try {
    const e = await ask(`/monitor/table/${encodeURIComponent(role)}/${encodeURIComponent(key)}`);
    const text = 'value' in e ? JSON.stringify(e.value, null, 2) : e.valueBase64;
    fill(found,
      el('p', { class: 'muted' }, `Partition ${e.partition} of ${e.topic}, in this process's copy`),
      !e.recovered && el('p', { class: 'note warn' }, 'The copy is still catching up: the value may be one of before.'),
      !('value' in e) && el('p', { class: 'note' }, 'The value is no JSON; these are its bytes in base64.'),
      el('pre', { tabindex: '0', 'aria-label': `Value of ${key}` }, text));
  } catch (e) {
    if (!(e instanceof Failed)) throw e;
    fill(found, el('p', { class: 'note warn' }, e.message));
  }
}

byId('lookup').addEventListener('submit', (e) => {
  e.preventDefault();
  lookup(byId('lookup-role').value, byId('lookup-key').value.trim());
});

byId('overview').addEventListener('click', (e) => {
  const link = e.target.closest('a');
  if (link) byId(link.hash.slice(1)).open = true;
});

// A hot key is looked up in its role's own table, or else in the one that is chosen.
byId('roles').addEventListener('click', (e) => {
  const button = e.target.closest('button[data-key]');
  if (!button) return;
  const select = byId('lookup-role');
  if ([...select.options].some((o) => o.value === button.dataset.role)) select.value = button.dataset.role;
  byId('lookup-key').value = button.dataset.key;
  byId('lookup-key').focus();
  byId('lookup').requestSubmit();
});

refresh();
