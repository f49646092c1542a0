// The view #/orders: place orders, see them go, find one.

import { board } from './board.js';
import { el } from './dom.js';
import { list } from './list.js';
import { placeForm } from './place.js';
import { ticker } from './ticker.js';

export const title = () => 'Orders';

export function view({ query, signal }) {
  // The three are three sides of the same: the order that was placed stands out in each.
  const sides = [board(signal), ticker(signal), list(query, signal)];
  const [flight, log, table] = sides.map((side) => side.element);
  const placing = placeForm(signal, (id) => sides.forEach((side) => side.mark(id)));
  return [
    el('div', { class: 'head' },
      el('h1', { tabindex: -1 }, 'Orders'),
      el('p', { class: 'muted' }, 'A command becomes an event in a log; workers and a saga answer with more events; a table folds them to one row an order, which is what this list reads.')),
    el('div', { class: 'split' },
      el('section', { class: 'panel', 'aria-labelledby': 'board-title' },
        el('header', {}, el('h2', { id: 'board-title' }, 'Command: POST /command'), el('span', { class: 'muted' }, 'and the orders in flight, drawn slower than they are')),
        el('div', { class: 'body stack' }, placing, flight)),
      log),
    table,
  ];
}
