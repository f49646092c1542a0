// A page under watch: what it says on the console, throws, or asks of another server
// fails the test that opened it.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const patience = 30_000; // for any state

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// visit opens the page at a view and calls use with it. Of wide, scheme and motion the
// defaults are a desk's. The answers that a test provokes are told by their status.
export async function visit(world, hash, use, { width = 1280, height = 900, scheme = 'light', motion = 'no-preference', credentials, provoked = [], setUp } = {}) {
  const context = await world.browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: motion, httpCredentials: credentials });
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    const text = message.text();
    if (!['error', 'warning'].includes(message.type())) return;
    if (provoked.some((p) => text.includes(`status of ${p}`) || (p === 0 && /ERR_|Failed to fetch/.test(text)))) return;
    complaints.push(`console: ${text}`);
  });
  page.on('pageerror', (error) => complaints.push(`thrown: ${error.stack}`));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${world.base}/`) && !url.startsWith('data:')) complaints.push(`asked elsewhere: ${url}`);
  });
  try {
    await setUp?.(page);
    await page.goto(`${world.base}/${hash}`);
    await use(page);
    assert.deepEqual(complaints, []);
  } catch (error) {
    const told = [...complaints, await page.evaluate(() => document.body.innerText.slice(0, 2000)).catch(() => '')].join('\n');
    for (const part of ['message', 'stack']) error[part] += `\n${told}`; // one report shows the one, another the other
    throw error;
  } finally {
    await context.close();
  }
}

// looks are a desk's and a phone's: what can be done is to be done in both.
export const looks = [{ scheme: 'light', width: 1280, height: 900 }, { scheme: 'dark', width: 360, height: 740 }];

export const named = ({ scheme, width }) => `${scheme}, ${width} pixels wide`;

// press clicks where a person could: on what the window's width holds, as a script may
// scroll aside what nobody else can, and what nothing else covers, for which click waits.
export async function press(target) {
  await target.scrollIntoViewIfNeeded();
  const [{ x, width }, window] = [await target.boundingBox(), target.page().viewportSize()];
  assert.ok(x >= 0 && x + width <= window.width, `${target} lies at ${x} to ${x + width} of ${window.width} pixels`);
  await target.click();
}

// isLive waits until the page follows the log.
export const isLive = (page) => page.locator('#connection .good').waitFor();

// shows waits for a text in a part of the page.
export const shows = (page, selector, text) => page.locator(selector).filter({ hasText: text }).first().waitFor();

// eventually waits until a function in the page gives something true.
export const eventually = (page, fits, argument) => page.waitForFunction(fits, argument, { timeout: patience });

// wantAccessible holds the page as it is now to axe's rules.
export async function wantAccessible(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
    return violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 200)} (${n.failureSummary})`).join(' | ')}`);
  });
  assert.deepEqual(found, [], what);
}
