// Streams of server-sent events that stay.
//
// A browser's EventSource comes back by itself, and where it was, after a lost
// connection. What it does not do, and this does: come back after an answer that is no
// stream, such as a proxy's 502; say why if it must not come back; and let go while
// nobody sees the page, as a browser has but six connections to a server for all tabs.

import { Problem, problemOf } from './api.js';

const firstWait = 1000;
const longestWait = 8000;

// The states of a stream.
export const connecting = 'connecting';
export const live = 'live';
export const lost = 'lost'; // and it is tried again
export const refused = 'refused'; // and it is not

// follow keeps a stream open until the signal. It calls:
//   on.message(data, name)    for each event: its parsed data, and its name
//   on.gap()                  if events may have been missed: read anew what is shown
//   on.state(state, problem)  whenever the connection changes
export function follow(url, on, signal) {
  let source = null;
  let timer = 0;
  let wait = firstWait;

  const open = () => {
    const mine = new EventSource(url);
    source = mine;
    let before = false; // it was open once
    const receive = (event) => on.message(JSON.parse(event.data), event.type);
    mine.addEventListener('message', receive);
    mine.addEventListener('order', receive);
    mine.addEventListener('reset', () => on.gap());
    mine.addEventListener('open', () => {
      wait = firstWait;
      on.state(live);
      // A new EventSource knows no place to go on from, and what is shown may be from
      // before it; one that comes back by itself does.
      if (!before) on.gap();
      before = true;
    });
    mine.addEventListener('error', async () => {
      if (mine.readyState !== EventSource.CLOSED) {
        on.state(lost); // it comes back by itself
        return;
      }
      const problem = await whyNot(url, signal);
      if (signal.aborted || source !== mine) return;
      if (problem && problem.status >= 400 && problem.status < 500 && problem.status !== 429) {
        on.state(refused, problem);
        return;
      }
      on.state(lost, problem);
      timer = setTimeout(open, wait);
      wait = Math.min(2 * wait, longestWait);
    });
  };
  const close = () => {
    clearTimeout(timer);
    source?.close();
    source = null;
  };

  document.addEventListener('visibilitychange', () => {
    close();
    if (!document.hidden) open();
  }, { signal });
  signal.addEventListener('abort', close);
  on.state(connecting);
  if (!document.hidden) open();
}

// whyNot asks once more, as EventSource does not tell why it was turned away; null if it
// would not be now.
async function whyNot(url, signal) {
  const enough = new AbortController();
  try {
    const response = await fetch(url, { headers: { Accept: 'text/event-stream' }, signal: AbortSignal.any([signal, enough.signal]) });
    return response.ok ? null : await problemOf(response);
  } catch (error) {
    return new Problem(0, 'Unreachable', error.message);
  } finally {
    enough.abort();
  }
}

// calm gives a function that has run do its work soon, and at most once in so many
// milliseconds, however often it is called; never twice at a time.
export function calm(run, interval) {
  let timer = 0;
  let working = false;
  let again = false;
  let last = -Infinity;
  const go = async () => {
    timer = 0;
    working = true;
    last = performance.now();
    try {
      await run();
    } finally {
      working = false;
      if (again) ask();
    }
  };
  const ask = () => {
    again = working;
    if (!working && !timer) timer = setTimeout(go, Math.max(0, last + interval - performance.now()));
  };
  return ask;
}
