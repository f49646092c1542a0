// The dialog that asks before something is done, and shows why it was not.

import { el, fill, say } from './dom.js';
import { Problem } from './api.js';

// askFor opens a dialog and does what is asked for once it is confirmed:
//   title, text   what is to be done, and to what
//   verb          the word on the button
//   danger        whether it cannot be undone
//   fields        elements for the form, labels with their inputs
//   run           does it with the form's data; what it throws is shown, and may be tried again;
//                 it may tell how far it is by its second argument
//   done          what is told afterwards; run may give another text
export function askFor({ title, text, verb, danger = false, fields = [], run, done }) {
  const trouble = el('div', { role: 'alert' });
  const go = el('button', { type: 'submit', class: danger ? 'danger' : 'primary' }, verb);
  const leave = el('button', { type: 'button', on: { click: () => dialog.close() } }, 'Leave it');
  const form = el('form', { class: 'body stack' },
    text && el('p', {}, text), ...fields, trouble,
    el('div', { class: 'buttons' }, go, leave));
  // While it is being done the dialog stays: what comes of it is told here.
  let busy = false;
  const setBusy = (now) => {
    busy = now;
    go.disabled = leave.disabled = now;
    go.setAttribute('aria-busy', now);
    go.textContent = now ? 'Waiting for the answer …' : verb;
  };
  const dialog = el('dialog', { class: 'ask', 'aria-labelledby': 'ask-title' },
    el('div', { class: 'panel' }, el('header', {}, el('h2', { id: 'ask-title' }, title)), form));

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    fill(trouble);
    try {
      const told = await run(new FormData(form), (text) => { go.textContent = text; });
      dialog.close();
      say(told ?? done);
    } catch (error) {
      const note = troubleNote(error);
      if (dialog.open) fill(trouble, note);
      else say(note.textContent); // a browser may close it all the same, as a phone's does for Back
    } finally {
      setBusy(false);
    }
    if (!dialog.open) return;
    (form.querySelector('input, textarea') ?? go).focus(); // to try again, or Escape
  });
  dialog.addEventListener('cancel', (event) => { if (busy) event.preventDefault(); });
  // A browser lets the second Escape by, whatever cancel says.
  const closed = new AbortController();
  document.addEventListener('keydown', (event) => { if (busy && event.key === 'Escape') event.preventDefault(); }, { signal: closed.signal });
  const before = document.activeElement;
  dialog.addEventListener('close', () => {
    dialog.remove();
    closed.abort();
    (before?.isConnected ? before : document.getElementById('main')).focus(); // the button may no longer fit
  });
  document.body.append(dialog);
  dialog.showModal();
}

// troubleNote shows a failure.
export function troubleNote(error) {
  if (!(error instanceof Problem) && !(error instanceof Mistake)) throw error; // a bug of the page
  return el('p', { class: 'note bad' }, error instanceof Problem ? error.explained : error.message);
}

// Mistake is what a form says that cannot be meant.
export class Mistake extends Error {}

// jsonIn reads a field as JSON; undefined if it is empty.
export function jsonIn(text, what) {
  if (!text.trim()) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Mistake(`${what} is no JSON: ${error.message}`);
  }
}
