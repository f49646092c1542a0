// /monitor and /docs as a browser has them, against the whole system. PROGRAM is the
// built cmd/dev, CHROMIUM the browser.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const looks = ['light', 'dark'].flatMap((theme) => [1280, 360].map((width) => ({ theme, width })));

describe('the pages about the process and the API', { timeout: 300_000 }, () => {
  let program;
  let browser;
  let base;
  let first;

  before(async () => {
    program = spawn(process.env.PROGRAM, ['-listen', '127.0.0.1:0', '-query', 'local', '-partitions', '4'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [program.stdout, program.stderr]) stream.on('data', (text) => { said += text; });
    await new Promise((resolve, reject) => {
      program.stdout.on('data', () => { if (said.includes('serving;')) resolve(); });
      program.once('exit', (code) => reject(new Error(`the program ended with ${code}:\n${said}`)));
    });
    [, base] = said.match(/(http:\/\/\S+)\/command/);
    [first] = said.match(/ORD-[0-9A-Z]+/);
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  });
  after(async () => {
    await browser?.close();
    if (program && program.exitCode === null) {
      program.kill('SIGINT');
      await once(program, 'exit');
    }
  });

  const place = () => fetch(`${base}/command`, { method: 'POST' }).then((r) => r.json()).then((o) => o.id);

  // visit opens a page on which nothing may go wrong, a refusal by its policy included.
  async function visit(path, { theme = 'light', width = 1280 } = {}) {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: theme });
    page.setDefaultTimeout(30_000);
    const wrong = [];
    page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) wrong.push(m.text()); });
    page.on('pageerror', (e) => wrong.push(e.message));
    page.on('request', (r) => { if (!r.url().startsWith(base)) wrong.push(`asked ${r.url()}`); });
    await page.goto(base + path);
    return { page, wrong };
  }

  async function holdToRules(page, wrong, what) {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${what} is wider than the window by ${wide} px`);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(', ')}`), [], what);
    assert.deepEqual(wrong, [], what);
  }

  for (const look of looks) {
    test(`the monitor is fit for all in ${look.theme} at ${look.width} px`, async () => {
      await place();
      const { page, wrong } = await visit('/monitor', look);
      await page.locator('#overview tr').nth(6).waitFor();
      await page.evaluate(() => document.querySelectorAll('details').forEach((d) => { d.open = true; }));
      await page.locator('.hot button').first().click();
      await page.locator('#found pre').waitFor();
      await holdToRules(page, wrong, 'the monitor');
      await page.close();
    });

    test(`the API is fit for all in ${look.theme} at ${look.width} px`, async () => {
      const { page, wrong } = await visit('/docs', look);
      await page.locator('.operation').first().waitFor();
      // One operation of each kind, as looking at all takes minutes; what is inside is
      // made once it is opened.
      for (const open of ['.operation:first-of-type', '.operation[open] .schema', '.schema[open] .schema']) {
        await page.evaluate((which) => new Promise((resolve) => {
          document.querySelectorAll(which).forEach((d) => { d.open = true; });
          requestAnimationFrame(() => requestAnimationFrame(resolve));
        }), open);
      }
      await page.locator('.operation .response').first().waitFor();
      await holdToRules(page, wrong, 'the API');
      await page.close();
    });
  }

  test('the monitor shows what each role is doing, and goes on by itself', async () => {
    const { page, wrong } = await visit('/monitor');
    for (const role of ['aggregate', 'saga', 'order', 'payment', 'mail', 'table', 'sink']) {
      await page.locator('#overview tr', { hasText: role }).filter({ hasText: 'running' }).waitFor();
    }
    const id = await place();
    await page.locator('#role-saga .hot', { hasText: id }).waitFor(); // without a reload
    await page.locator('#role-saga td', { hasText: 'saga.timers' }).first().waitFor();
    await page.locator('#role-aggregate .state', { hasText: 'running' }).first().waitFor();
    await page.getByRole('button', { name: 'Hold' }).click();
    const when = await page.locator('#when').textContent();
    await place();
    await page.getByRole('button', { name: 'Hold' }).click();
    await page.waitForFunction((before) => document.querySelector('#when').textContent !== before, when);
    assert.deepEqual(wrong, []);
    await page.close();
  });

  test('a table is looked into with the keyboard alone', async () => {
    const { page, wrong } = await visit('/monitor');
    await page.locator('#lookup-role option').first().waitFor({ state: 'attached' });
    await page.locator('#lookup-role').focus();
    await page.keyboard.type('saga');
    await page.keyboard.press('Tab');
    await page.keyboard.type(first);
    await page.keyboard.press('Enter');
    await page.locator('#found pre', { hasText: '"revision"' }).waitFor();
    assert.match(await page.locator('#found').textContent(), /of saga\.order, in this process/);
    assert.deepEqual(wrong, []);
    await page.locator('#lookup-key').fill('ORD-00000');
    await page.keyboard.press('Enter');
    await page.locator('#found .note', { hasText: 'has no value of ORD-00000' }).waitFor();
    await page.close();
  });

  test('what is looked at keeps the focus while the page goes on', async () => {
    const { page } = await visit('/monitor');
    await page.locator('#role-saga summary').focus();
    const id = await place();
    await page.locator('#role-saga .hot', { hasText: id }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), 'role-saga-title');
    await page.keyboard.press('Enter');
    const other = await place();
    await page.locator('#role-aggregate .hot', { hasText: other }).waitFor();
    assert.equal(await page.locator('#role-saga').getAttribute('open'), null, 'a panel that was shut has opened');
    await page.close();
  });

  test('a process that does not answer is told of, and so is its return', async () => {
    const { page } = await visit('/monitor');
    await page.locator('#overview tr').first().waitFor();
    await page.route('**/monitor/stats', (route) => route.abort());
    await page.locator('#trouble', { hasText: 'does not answer' }).waitFor();
    await page.unroute('**/monitor/stats');
    await page.locator('#trouble').waitFor({ state: 'hidden' });
    await page.close();
  });

  // answered has the page draw what the process would say at another time.
  async function answered(page, change) {
    await page.route('**/monitor/stats', async (route) => {
      const stats = await (await route.fetch()).json();
      await route.fulfill({ json: change(stats) ?? stats });
    });
  }

  test('tables that are idle or catch up are shown as such', async () => {
    const { page, wrong } = await visit('/monitor');
    await answered(page, (stats) => {
      const [idle, late] = stats.roles.find((r) => r.role === 'aggregate').partitions.map((p) => p.tables[0]);
      idle.stalled = true;
      late.recovery = { began: new Date().toISOString(), offset: 25, end: 100 };
    });
    await page.locator('#role-aggregate .state', { hasText: 'idle' }).waitFor();
    await page.locator('#role-aggregate .state', { hasText: '25 %: 25 of 100' }).waitFor();
    await page.locator('#trouble').waitFor({ state: 'hidden' });
    assert.deepEqual(wrong, []);
    await page.close();
  });

  test('a process without tables offers none to look into', async () => {
    const { page, wrong } = await visit('/monitor');
    await page.locator('#tables').waitFor();
    await answered(page, (stats) => ({ ...stats, edge: false, roles: [{ role: 'deadletters', kind: 'replay', state: 'running', partitions: [], hot: [] }] }));
    await page.locator('#tables').waitFor({ state: 'hidden' });
    await page.locator('#role-deadletters', { hasText: 'reads all of a topic for itself' }).waitFor();
    assert.deepEqual(wrong, []);
    await page.close();
  });

  test('an operation is found by its address, and its curl line works', async () => {
    const { page, wrong } = await visit('/docs#getOrder');
    await page.locator('#getOrder .code pre').first().waitFor();
    const line = await page.locator('#getOrder .code pre').first().textContent();
    assert.match(line, /^curl '?http/);
    const { stdout } = await promisify(execFile)('sh', ['-c', `${line.replace(/ORD-[0-9A-Z]+|\{id\}/, first)} -s`]);
    assert.equal(JSON.parse(stdout).id, first);
    await page.locator('#placeOrder summary').first().focus();
    await page.keyboard.press('Enter');
    const post = await page.locator('#placeOrder .code pre').first().textContent();
    assert.ok(JSON.parse((await promisify(execFile)('sh', ['-c', `${post} -s`])).stdout).id, post);
    assert.deepEqual(wrong, []);
    await page.close();
  });
});
