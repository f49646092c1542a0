// What the tests run in: the program with its embedded parts, a shop that does two of
// the steps, and a browser.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import { openShop } from './shop.mjs';

// The shop may take longer than any test waits for anything: what is held comes on only
// when it is let go.
const plan = (shop) => `version: 2
steps:
  - {name: ORDER, participant: echo}
  - name: PAYMENT
    participant: {http: {url: "${shop}/charge", undo: "${shop}/refund", timeout: 60s}}
    retry: {attempts: 2, first: 1s, factor: 1, cap: 1s}
    compensation: {timeout: 60s, retry: {attempts: 2, first: 100ms, factor: 1, cap: 100ms}}
  - name: SHIPPING
    participant: {http: {url: "${shop}/ship", undo: "${shop}/recall", timeout: 60s}}
    retry: {attempts: 2, first: 100ms, factor: 1, cap: 100ms}
    onFailure: stick
  - {name: MAIL, participant: echo}
`;

// freePort is one that nobody has now; the program is started on it again and again.
async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

// run starts a program, and returns once it has said that it is ready; end has it end.
async function run(program, args, ready) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text) => {
        said += text;
        if (said.includes(ready)) resolve();
      });
    }
    child.once('exit', (code) => reject(new Error(`the program ended with ${code}:\n${said}`)));
  });
  return {
    said,
    async end() {
      if (child.exitCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGINT');
      await ended;
    },
  };
}

// openWorld starts everything. program is the built cmd/dev, simplecqrs the command, and
// poison what is beside this.
export async function openWorld({ program, simplecqrs, poison }) {
  const shop = await openShop();
  const folder = await mkdtemp(join(tmpdir(), 'browser-'));
  await writeFile(join(folder, 'plan.yaml'), plan(shop.url));
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  let running = null;
  let broker = '';
  let store = '';

  const start = async () => {
    running = await run(program, ['-listen', `127.0.0.1:${port}`, '-data', join(folder, 'data'), '-plan', join(folder, 'plan.yaml')], 'serving;');
    [, broker] = running.said.match(/broker +(\S+)/);
    [, store] = running.said.match(/read store +(\S+)/);
  };
  const stop = () => running.end();

  await start();
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  return {
    base, shop, browser, start, stop,
    // poison writes what nobody can read to the log; astray what can be read, where nobody looks.
    poison: (key, value) => promisify(execFile)(poison, [broker, key, value]),
    astray: (key, value) => promisify(execFile)(poison, [broker, key, value, 'astray']),
    // guarded starts an edge beside, for those who have one of the tokens, given as in a
    // file of them; admit gives it others.
    async guarded(tokens) {
      const file = join(folder, 'tokens');
      const admit = async (text) => {
        await writeFile(`${file}.new`, text, { mode: 0o600 });
        await rename(`${file}.new`, file);
      };
      await admit(tokens);
      const edge = await run(simplecqrs, ['serve', '-roles', 'edge', '-listen', '127.0.0.1:0', '-tokens', file,
        '-plan', join(folder, 'plan.yaml'), '-brokers', broker, '-mongo', store], 'msg=ready');
      return { base: `http://${edge.said.match(/listen=(\S+)/)[1]}`, browser, admit, close: edge.end };
    },
    async close() {
      await browser.close();
      await stop();
      shop.close();
      await rm(folder, { recursive: true, force: true });
    },
    async call(method, path, body) {
      const response = await fetch(base + path, {
        method, body: body && JSON.stringify(body), headers: body && { 'Content-Type': 'application/json' },
      });
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
      return response.json();
    },
    // place gives the id of a new order; until waits for its row to be so.
    async place(body) {
      return (await this.call('POST', '/command', body ?? {})).id;
    },
    async until(id, fits) {
      const abort = new AbortController();
      const response = await fetch(`${base}/query/${id}/stream`, { signal: abort.signal });
      let text = '';
      for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
        text += part;
        const lines = text.split('\n');
        text = lines.pop();
        for (const line of lines) {
          if (!line.startsWith('data:')) continue;
          const history = JSON.parse(line.slice(5));
          if (fits(history)) {
            abort.abort();
            return history;
          }
        }
      }
      throw new Error(`the stream of ${id} ended`);
    },
  };
}
