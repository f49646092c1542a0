// The log of all events, live: one stream for the page, and who listens to it.
//
// Thousands of events may come in a second. They are handed on in batches, one for each
// frame that the browser draws, so that each listener draws once.

import { logStream } from './api.js';
import { connecting, follow } from './live.js';

const target = new EventTarget();
let batch = [];
let current = { state: connecting, problem: null };

const tell = (type, detail) => target.dispatchEvent(new CustomEvent(type, { detail }));

function flush() {
  const events = batch;
  batch = [];
  tell('events', events);
}

// start opens the stream.
export function start(signal) {
  follow(logStream, {
    message(event) {
      if (batch.push(event) === 1) requestAnimationFrame(flush);
    },
    gap: () => tell('gap'),
    state(state, problem = null) {
      current = { state, problem };
      tell('state', current);
    },
  }, signal);
}

// onEvents calls a function with each batch; onGap when events may have been missed;
// onState with the connection's state, now and at each change.
export const onEvents = (call, signal) => target.addEventListener('events', (e) => call(e.detail), { signal });
export const onGap = (call, signal) => target.addEventListener('gap', () => call(), { signal });
export const onState = (call, signal) => {
  call(current);
  target.addEventListener('state', (e) => call(e.detail), { signal });
};
