// A table of which several rows can be chosen, to do something with all of them.

import { el } from './dom.js';
import { many } from './format.js';

// choice gives the box of a row, and one for all of them, and calls changed with the
// chosen ids. What is no longer there is no longer chosen.
export function choice(what, changed) {
  const chosen = new Set();
  let there = [];
  const all = el('input', { type: 'checkbox', 'aria-label': `Choose all ${what}s` });
  const boxes = new Map();
  const tell = () => {
    all.checked = there.length > 0 && chosen.size === there.length;
    all.indeterminate = chosen.size > 0 && !all.checked;
    for (const [id, box] of boxes) box.checked = chosen.has(id);
    changed(there.filter((id) => chosen.has(id))); // in the order in which they stand
  };
  all.addEventListener('change', () => {
    chosen.clear();
    if (all.checked) for (const id of there) chosen.add(id);
    tell();
  });
  return {
    all: el('label', { class: 'all' }, all, el('span', {}, 'All')), // the word is seen on a phone alone
    box(id, name) {
      const box = el('input', { type: 'checkbox', 'aria-label': `Choose ${what} ${name}` });
      box.addEventListener('change', () => {
        if (box.checked) chosen.add(id);
        else chosen.delete(id);
        tell();
      });
      boxes.set(id, box);
      return box;
    },
    keep(ids) {
      there = ids;
      for (const id of [...chosen]) if (!ids.includes(id)) chosen.delete(id);
      for (const id of [...boxes.keys()]) if (!ids.includes(id)) boxes.delete(id);
      tell();
    },
  };
}

// doWith says how many are chosen.
export const doWith = (n, what) => (n ? `${many(n, what)} chosen` : `Choose ${what}s to do something with them.`);

// keyed puts rows into a table's body, and leaves alone those that are the same as
// before: the focus and the boxes in them stay.
export function keyed(body, items, keyOf, markOf, row) {
  const known = new Map([...body.children].map((tr) => [tr.dataset.id, tr]));
  items.forEach((item, i) => {
    const key = keyOf(item);
    const mark = String(markOf(item));
    let tr = known.get(key);
    if (!tr || tr.dataset.mark !== mark) {
      const renewed = row(item);
      renewed.dataset.id = key;
      renewed.dataset.mark = mark;
      const focused = tr?.contains(document.activeElement) ? [...tr.querySelectorAll('a, button, input')].indexOf(document.activeElement) : -1;
      tr?.replaceWith(renewed);
      tr = renewed;
      if (focused >= 0) renewed.querySelectorAll('a, button, input')[focused]?.focus();
    }
    if (body.children[i] !== tr) body.insertBefore(tr, body.children[i] ?? null);
  });
  while (body.childElementCount > items.length) body.lastElementChild.remove();
}
