import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, shows, visit } from '../visit.mjs';

export function topology(world) {
  test('the topology shows each role with its state, and how much it gets through', () => visit(world, '#/topology', async (page) => {
    for (const role of ['order', 'payment', 'shipping', 'mail', 'saga', 'aggregate']) {
      await shows(page, '.role .name', new RegExp(`^${role}$`));
      await shows(page, `tr[data-id=${role}]`, 'Stable');
    }
    await shows(page, '.topic', 'store.order');
    // Records go through while orders are placed.
    const placing = new AbortController();
    const place = (async () => { while (!placing.signal.aborted) await world.place(); })();
    await eventually(page, () => Number(document.querySelector('tr[data-id=saga] td:nth-child(5)').textContent) > 0);
    placing.abort();
    await place;
    for (const href of ['/monitor', '/docs']) assert.ok(await page.locator(`main a[href="${href}"]`).count(), href);
  }));

  for (const width of [1280, 360]) {
    test(`a role that runs elsewhere is not said to be gone, ${width} pixels wide`, () => visit(world, '#/topology', async (page) => {
      await shows(page, '.role', /^sink.*in another process/);
      await shows(page, '.role', /^edge.*running/);
    }, {
      width,
      setUp: (page) => page.route('**/query/stats/topology', async (route) => {
        const topology = await (await route.fetch()).json();
        const here = ({ role }) => role !== 'sink';
        await route.fulfill({ json: { ...topology, roles: topology.roles.filter(here), local: topology.local.filter(here) } });
      }),
    }));
  }
}
