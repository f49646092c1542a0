// The form that places an order, or a hundred.

import * as api from './api.js';
import { askFor, jsonIn, troubleNote } from './ask.js';
import { el, fill, say } from './dom.js';
import { outputOf } from './events.js';
import { fromLocal } from './format.js';
import { onSteps } from './steps.js';

const hundred = 100;
const atOnce = 3; // a browser has six connections to a server, and streams have some

// placeForm calls placedOne with the id of each order that was placed alone.
export function placeForm(signal, placedOne) {
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

  const inputIn = (name, value) => {
    try {
      return jsonIn(value, `The input ${name}`);
    } catch (error) {
      error.field = name;
      throw error;
    }
  };
  const body = () => {
    const all = {};
    for (const [name, value] of new FormData(form)) {
      const input = name === 'startAt' ? fromLocal(value) || undefined : inputIn(name, value);
      if (input !== undefined) all[name] = input;
    }
    return all;
  };

  // failed shows why not, and leads to where it can be mended.
  const failed = (error) => {
    fill(trouble, troubleNote(error));
    if (error.field) form.querySelector('details').open = true;
    (form.elements[error.field] ?? one).focus();
  };
  const busy = (now) => {
    one.disabled = many.disabled = now;
    one.textContent = now ? 'Placing …' : 'Place an order';
  };
  // The same order asked for once more after a failure is the same order.
  let key = api.newKey();
  let sent = '';
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    fill(trouble);
    try {
      const what = body();
      const text = JSON.stringify(what);
      if (text !== sent) key = api.newKey();
      sent = text;
      busy(true);
      const { id } = await api.place(what, key);
      busy(false);
      key = api.newKey();
      fill(placed, el('a', { href: `#/orders/${id}` }, `Watch ${id}`));
      placedOne(id);
      say(`Order ${id} is placed.`);
      one.focus();
    } catch (error) {
      busy(false);
      failed(error);
    }
  });
  many.addEventListener('click', () => {
    let what;
    fill(trouble);
    try {
      what = body();
    } catch (error) {
      failed(error);
      return;
    }
    let done = 0;
    askFor({
      title: `Place ${hundred} orders`, text: 'All with the same inputs. Each is worked on as any other is.', verb: `Place ${hundred}`,
      async run(_, tell) {
        let left = hundred - done; // tried again, it goes on
        const work = async () => {
          while (left-- > 0) {
            await api.place(what);
            tell(`${++done} of ${hundred} placed`);
            fill(placed, `${done} of ${hundred} placed`);
          }
        };
        await Promise.all(Array.from({ length: atOnce }, work)).finally(() => { left = 0; });
        return `${hundred} orders are placed.`;
      },
    });
  });
  return form;
}
