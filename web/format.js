// Times, spans and numbers as people read them.

import { el } from './dom.js';

const number = new Intl.NumberFormat('en');
const two = (n) => String(n).padStart(2, '0');

export const count = (n) => number.format(n);

// many is "1 order", "2 orders".
export const many = (n, one, more = `${one}s`) => `${count(n)} ${n === 1 ? one : more}`;

// span is a duration in milliseconds, as exact as it matters.
export function span(ms) {
  if (ms < 0) return `−${span(-ms)}`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const s = Math.round(ms / 1000);
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor(s / 3600) % 24} h`;
}

// day and clock are the two halves of a local time.
const day = (d) => `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
const clock = (d) => `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;

// moment shows a time: the clock's if it was today, with the day if not. What the
// server said stands in the title, to the last digit.
export function moment(text) {
  const d = new Date(text);
  if (Number.isNaN(d.getTime()) || d.getFullYear() < 1970) return el('span', { class: 'muted' }, '—');
  const today = day(d) === day(new Date());
  return el('time', { datetime: text, title: text }, today ? clock(d) : `${day(d)} ${clock(d)}`);
}

// fromLocal reads what a field for a local time has, as the server wants it; empty if
// there is nothing.
export const fromLocal = (text) => (text ? new Date(text).toISOString() : '');

// toLocal is the inverse.
export function toLocal(text) {
  const d = new Date(text);
  return text && !Number.isNaN(d.getTime()) ? `${day(d)}T${clock(d)}` : '';
}
