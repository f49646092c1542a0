// The ticker: the log's newest events, as they come.

import { breakable, el, fill } from './dom.js';
import { read } from './events.js';
import { count, moment } from './format.js';
import { onEvents } from './log.js';

const kept = 40;

export function ticker(signal) {
  const list = el('ol', { class: 'ticker', tabindex: 0, 'aria-label': 'The newest events of the log' });
  const rate = el('span', { class: 'muted num' });
  const stop = el('button', { type: 'button', class: 'plain', 'aria-pressed': 'false' }, 'Hold');
  const empty = el('li', { class: 'muted' }, 'No event since you came. Place an order.');
  fill(list, empty);

  let marked = ''; // the id of an order to stand out
  const light = () => { for (const li of list.children) li.classList.toggle('marked', li.dataset.order === marked); };
  let heard = 0;
  let held = false;
  stop.addEventListener('click', () => {
    held = !held;
    stop.setAttribute('aria-pressed', held);
  });
  onEvents((events) => {
    heard += events.length;
    rate.textContent = `${count(heard)} so far`;
    if (held) return;
    empty.remove();
    list.prepend(...events.slice(-kept).reverse().map(line));
    while (list.childElementCount > kept) list.lastElementChild.remove();
    light();
  }, signal);

  const element = el('section', { class: 'panel', 'aria-labelledby': 'ticker-title' },
    el('header', {}, el('h2', { id: 'ticker-title' }, 'Events: store.order'), rate, el('span', { class: 'end' }, stop)),
    list);
  return { element, mark(id) { marked = id; light(); } };
}

function line(e) {
  return el('li', { class: `kind-${read(e.type, e.status).kind}`, 'data-order': e.order },
    moment(e.time),
    el('span', { class: 'type' }, breakable(e.type)),
    el('a', { href: `#/orders/${e.order}`, class: 'mono' }, short(e.order)),
    el('span', { class: 'muted mono place', title: `partition ${e.partition}, offset ${e.offset}` }, `${e.partition}:${e.offset}`));
}

// short is the end of an id, where orders of the same minute differ.
const short = (id) => (id.length > 12 ? `…${id.slice(-8)}` : id);
