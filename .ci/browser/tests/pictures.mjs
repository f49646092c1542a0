import assert from 'node:assert/strict';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isLive, shows, visit } from '../visit.mjs';

const smallest = 20 * 1024; // bytes of a picture; an empty page has fewer
const largest = 250 * 1024;

// Pictures for people to look at go where SCREENSHOTS says.
export function pictures(world) {
  const folder = process.env.SCREENSHOTS;
  test('pictures of the views are taken', async () => {
    await mkdir(folder, { recursive: true });
    const waiting = await Promise.all(Array.from({ length: 5 }, (_, i) => world.place(i < 3 ? { payment: { do: 'hold' } } : { shipping: { do: 'hold' } })));
    const undone = await world.place({ payment: { do: 'fail' } });
    await world.until(undone, (h) => h.status === 'failed');
    const stuck = await Promise.all(Array.from({ length: 3 }, () => world.place({ shipping: { do: 'fail' } })));
    await Promise.all(stuck.map((id) => world.until(id, (h) => h.status === 'stuck')));

    const views = {
      orders: ['#/orders', async (page) => {
        await page.locator('#place-many').click();
        await page.locator('dialog button[type=submit]').click();
        await shows(page, '.placed', '100 of 100');
        await page.locator('.token').first().waitFor();
      }],
      order: [`#/orders/${undone}`, async (page) => {
        await page.locator('.side > pre').first().waitFor();
        await page.locator('.mark[data-row="4"]').click();
      }],
      stuck: ['#/stuck', (page) => page.locator('.stalled tbody tr').first().waitFor()],
      topology: ['#/topology', async (page) => {
        await shows(page, '.role', 'records/s');
        await page.locator('.role', { hasText: '… records/s' }).first().waitFor({ state: 'detached' }); // the second look
      }],
    };
    for (const scheme of ['light', 'dark']) {
      for (const [size, width, height] of [['desktop', 1280, 860], ['phone', 360, 740]]) {
        for (const [name, [hash, ready]] of Object.entries(views)) {
          await visit(world, hash, async (page) => {
            await isLive(page);
            await ready(page);
            const path = join(folder, `${name}-${size}-${scheme}.png`);
            await page.screenshot({ path });
            const { size: bytes } = await stat(path);
            assert.ok(bytes > smallest && bytes < largest, `${path} has ${bytes} bytes`);
          }, { width, height, scheme });
        }
      }
    }
    waiting.forEach(world.shop.release);
  });
}
