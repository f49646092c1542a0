// The form that places an order, or a hundred.

import * as api from './api.js';
import { jsonIn, troubleNote } from './ask.js';
import { el, fill, say } from './dom.js';
import { outputOf } from './events.js';
import { fromLocal } from './format.js';
import { onSteps } from './steps.js';

const hundred = 100;
const atOnce = 3; // a browser has six connections to a server, and streams have some

export function placeForm(signal) {
  const inputs = el('div', { class: 'fields' });
  const trouble = el('div', { role: 'alert' });
  const placed = el('p', { class: 'placed' });
  const one = el('button', { type: 'submit', class: 'primary', id: 'place', 'aria-keyshortcuts': 'n' }, 'Place an order');
  const many = el('button', { type: 'button', id: 'place-many' }, 'Place a hundred');
  const form = el('form', { class: 'stack', 'aria-label': 'Place orders' },
    el('div', { class: 'buttons' }, one, many, placed),
    el('details', {},
      el('summary', {}, 'With inputs, or at a later time'),
      el('div', { class: 'stack' },
        el('p', { class: 'muted' }, 'Each step’s worker is given its input, any JSON. An order with a start time waits in the saga until then.'),
        inputs,
        el('label', {}, 'Begins at (local time)', el('input', { name: 'startAt', type: 'datetime-local', step: 1 })))),
    trouble);

  onSteps((steps) => {
    const before = new FormData(form);
    fill(inputs, steps.map((step) => {
      const name = outputOf(step);
      const field = el('textarea', { name, rows: 2, spellcheck: 'false', placeholder: '{"amount": 12.5}' });
      field.value = before.get(name) ?? '';
      return el('label', {}, `${name}, for the step ${step}`, field);
    }));
  }, signal);

  const body = () => {
    const all = {};
    for (const [name, value] of new FormData(form)) {
      const input = name === 'startAt' ? fromLocal(value) || undefined : jsonIn(value, `The input ${name}`);
      if (input !== undefined) all[name] = input;
    }
    return all;
  };

  const guarded = (button, run) => async (event) => {
    event.preventDefault();
    one.disabled = many.disabled = true;
    fill(trouble);
    try {
      await run();
    } catch (error) {
      fill(trouble, troubleNote(error));
    } finally {
      one.disabled = many.disabled = false;
      button.focus();
    }
  };
  // The same order asked for once more after a failure is the same order.
  let key = api.newKey();
  let sent = '';
  form.addEventListener('submit', guarded(one, async () => {
    const what = body();
    const text = JSON.stringify(what);
    if (text !== sent) key = api.newKey();
    sent = text;
    const { id } = await api.place(what, key);
    key = api.newKey();
    fill(placed, el('a', { href: `#/orders/${id}` }, `Watch ${id}`));
    say(`Order ${id} is placed.`);
  }));
  many.addEventListener('click', guarded(many, async () => {
    const what = body();
    let left = hundred;
    let done = 0;
    const work = async () => {
      while (left-- > 0) {
        await api.place(what);
        fill(placed, `${++done} of ${hundred} placed`);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work)).finally(() => { left = 0; });
    say(`${hundred} orders are placed.`);
  }));
  return form;
}
