// What the page asks of the server, each a function: the API's other manual is at /docs.

// Problem is a failure, as the server tells of it (RFC 9457).
export class Problem extends Error {
  constructor(status, title, detail) {
    super(detail || title);
    this.status = status;
    this.title = title;
  }

  // explained says what went wrong and, where the detail cannot know it, what to do.
  get explained() {
    switch (this.status) {
      case 0: return `The server cannot be reached: ${this.message}`;
      case 401: return `401: the server does not know who you are. Reload the page and give your token as the password. (${this.message})`;
      case 403: return `403: you may not do this with your token: it needs another scope. (${this.message})`;
      default: return `${this.status}: ${this.message}`;
    }
  }
}

// problemOf reads a failure; a proxy's answer may be no problem, and has its status alone.
export async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  return new Problem(response.status, body.title ?? response.statusText, body.detail);
}

async function ask(method, path, { query = {}, body, headers = {}, signal } = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  const url = given.length ? `${path}?${new URLSearchParams(given)}` : path;
  const request = { method, headers: { ...headers }, signal };
  if (body !== undefined) {
    request.headers['Content-Type'] = 'application/json';
    request.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(url, request);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, 'Unreachable', error.message);
  }
  if (!response.ok) throw await problemOf(response);
  return response.json();
}

const order = (id) => encodeURIComponent(id);

// newKey is a key under which a request acts once, however often it is sent.
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
}

// The command side. A command waits for the saga's verdict, so that a refusal is told.
const verdictWithin = 'wait=10';

export const place = (body, key) =>
  ask('POST', '/command', { body, headers: key ? { 'Idempotency-Key': key } : {} });

export const command = (id, verb, body, key) =>
  ask('POST', `/command/${order(id)}/${verb}`, { body, headers: { Prefer: verdictWithin, 'Idempotency-Key': key } });

export const commandMany = (ids, verb, body, key) =>
  ask('POST', `/command/${verb}`, { body: { ...body, ids }, headers: { Prefer: verdictWithin, 'Idempotency-Key': key } });

// The query side.
export const orders = (query, signal) => ask('GET', '/query', { query, signal });
export const stuck = (query, signal) => ask('GET', '/query/stuck', { query, signal });
export const sources = (id, signal) => ask('GET', `/query/${order(id)}/sources`, { signal });
export const topology = (signal) => ask('GET', '/query/stats/topology', { signal });
export const orderStream = (id) => `/query/${order(id)}/stream`;
export const logStream = '/query/stream';

// Dead letters.
const letterPath = (id) => `/deadletters/${encodeURIComponent(id)}`;

export const letters = (query, signal) => ask('GET', '/deadletters', { query, signal });
export const letter = (id, signal) => ask('GET', letterPath(id), { signal });
export const letterDo = (id, verb, body) => ask('POST', `${letterPath(id)}/${verb}`, { body, headers: { Prefer: verdictWithin } });
export const letterDoMany = (ids, verb, body) => ask('POST', `/deadletters/${verb}`, { body: { ...body, ids }, headers: { Prefer: verdictWithin } });
