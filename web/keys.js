// Shortcuts: each does what can be done without, and all can be switched off, as those
// who speak to their computer may set them off unawares.

import { el, kept, say } from './dom.js';

const shortcuts = [
  ['g o', 'go to the orders', () => { location.hash = '#/orders'; }],
  ['g s', 'go to the stuck orders', () => { location.hash = '#/stuck'; }],
  ['g l', 'go to the dead letters', () => { location.hash = '#/letters'; }],
  ['g t', 'go to the topology', () => { location.hash = '#/topology'; }],
  ['n', 'go to the button that places an order', () => document.getElementById('place')?.focus()],
  ['/', 'go to the filter', () => document.getElementById('filter')?.focus()],
  ['?', 'show this', () => help()],
];
const walking = [
  ['Tab', 'to the next control; the first on a page leads past the bar'],
  ['↑ ↓ Home End', 'along the events of an order'],
  ['Escape', 'closes a dialog, and does nothing'],
];
const pairTime = 1200; // milliseconds between the two keys of a pair

const setting = kept('shortcuts', 'on');

const types = (target) => target.closest('input, textarea, select, [contenteditable]') !== null;

export function start() {
  let first = '';
  let at = 0;
  addEventListener('keydown', (event) => {
    if (setting.get() !== 'on' || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (types(event.target) || document.querySelector('dialog[open]')) return;
    const pair = event.timeStamp - at < pairTime ? `${first} ${event.key}` : event.key;
    const found = shortcuts.find(([keys]) => keys === pair) ?? shortcuts.find(([keys]) => keys === event.key);
    [first, at] = [event.key, event.timeStamp];
    if (!found) return;
    event.preventDefault();
    first = '';
    found[2]();
  });
}

export function help() {
  const box = el('input', { type: 'checkbox', checked: setting.get() === 'on' });
  box.addEventListener('change', () => {
    setting.set(box.checked ? 'on' : 'off');
    say(`Shortcuts are ${setting.get()}.`);
  });
  const keys = (text) => text.split(' ').map((k, i) => [i > 0 && ' ', el('kbd', {}, k)]);
  const list = (rows) => el('dl', { class: 'facts' }, rows.map(([k, does]) => [el('dt', {}, keys(k)), el('dd', {}, does)]));
  const before = document.activeElement;
  const dialog = el('dialog', { class: 'ask', 'aria-labelledby': 'help-title', on: { close: () => { dialog.remove(); before?.focus(); } } },
    el('div', { class: 'panel' }, el('header', {}, el('h2', { id: 'help-title' }, 'Keys'))),
    el('div', { class: 'body stack' },
      list(shortcuts), el('label', { class: 'inline' }, box, 'Shortcuts are on'), list(walking),
      el('div', { class: 'buttons' }, el('button', { type: 'button', on: { click: () => dialog.close() } }, 'Close'))));
  document.body.append(dialog);
  dialog.showModal();
}
