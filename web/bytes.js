// A record as it is: its headers, its value as text if it is text, and its bytes.

import { el } from './dom.js';
import { count } from './format.js';

const atALine = 16;
const linesAtMost = 4096; // 64 KiB; the rest is said to be there

export function bytesView({ headers = {}, value, valueBase64 }) {
  const bytes = valueBase64 === undefined
    ? new TextEncoder().encode(value ?? '')
    : Uint8Array.from(atob(valueBase64), (c) => c.charCodeAt(0));
  return el('section', { class: 'panel', 'aria-labelledby': 'bytes-title' },
    el('header', {}, el('h2', { id: 'bytes-title' }, 'The record'), el('span', { class: 'muted' }, `${count(bytes.length)} bytes`)),
    el('div', { class: 'body stack' },
      el('h3', {}, 'Headers'),
      Object.keys(headers).length
        ? el('dl', { class: 'facts' }, Object.entries(headers).map(([name, text]) => [el('dt', { class: 'mono' }, name), el('dd', { class: 'mono' }, text)]))
        : el('p', { class: 'muted' }, 'none'),
      el('h3', {}, 'Value'),
      valueBase64 === undefined ? el('pre', { tabindex: 0, class: 'text' }, indented(value ?? '')) : el('p', { class: 'muted' }, 'It is not text.'),
      el('h3', {}, 'Bytes'),
      el('pre', { tabindex: 0, class: 'hex' }, dump(bytes))));
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

// dump shows bytes as hex, and beside that as ASCII.
function dump(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length && lines.length < linesAtMost; at += atALine) {
    const part = [...bytes.subarray(at, at + atALine)];
    const hex = part.map((b) => b.toString(16).padStart(2, '0')).join(' ');
    const text = part.map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : '·')).join('');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${hex.padEnd(3 * atALine)} ${text}`);
  }
  const rest = bytes.length - lines.length * atALine;
  if (rest > 0) lines.push(`… and ${count(rest)} more bytes`);
  return lines.join('\n') || 'none';
}
