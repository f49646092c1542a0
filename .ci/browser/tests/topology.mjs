import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, shows, visit, wantAccessible } from '../visit.mjs';

export function topology(world) {
  test('the topology shows each role with its state, and how much it gets through', () => visit(world, '#/topology', async (page) => {
    for (const role of ['order', 'payment', 'shipping', 'mail', 'saga', 'aggregate']) {
      await shows(page, '.role .name', new RegExp(`^${role}$`));
      await shows(page, `tr[data-id=${role}]`, 'Stable');
    }
    await shows(page, '.topic', 'store.order');
    await shows(page, 'tr[data-id=sink]', 'running');
    await shows(page, '.role', /^sinkrunning[\d,]+ behind[\d,]+ records\/s$/);
    await shows(page, '.chips span', /^sink running [\d,]+ behind, [\d,]+ records\/s$/);
    // Records go through while orders are placed.
    const placing = new AbortController();
    const place = (async () => { while (!placing.signal.aborted) await world.place(); })();
    for (const role of ['saga', 'sink']) {
      await eventually(page, (role) => Number(document.querySelector(`tr[data-id=${role}] td:nth-child(5)`).textContent.replaceAll(',', '')) > 0, role);
    }
    placing.abort();
    await place;
    for (const href of ['/monitor', '/docs']) assert.ok(await page.locator(`main a[href="${href}"]`).count(), href);
  }));

  for (const width of [1280, 360]) {
    for (const [told, group, box] of [
      ['which tells how far it is', {}, /^sinkin another process7 behind[\d,]+ records\/s$/],
      ['which has never told how far it is', { state: 'Dead' }, /^sinkin another process$/],
    ]) {
      test(`a sink elsewhere, ${told}, is not said to be gone, ${width} pixels wide`, () => visit(world, '#/topology', async (page) => {
        await shows(page, '.role', box);
        await shows(page, '.role', /^edge.*running/);
        assert.equal(await page.locator('.role.bad').count(), 0);
        assert.equal(await page.locator('tr[data-id=sink]').count(), group.state ? 0 : 1);
        await wantAccessible(page, told);
        await page.unrouteAll({ behavior: 'ignoreErrors' }); // lest one is under way when the page is gone
      }, {
        width,
        setUp: (page) => page.route('**/query/stats/topology', async (route) => {
          const topology = await (await route.fetch()).json();
          const sink = { ...topology.roles.find((r) => r.view), lag: 7, ...group };
          sink.partitions[0].lag = 7;
          await route.fulfill({ json: {
            ...topology,
            roles: [...topology.roles.filter((r) => !r.view), sink],
            local: topology.local.filter(({ role }) => role !== 'sink'),
          } });
        }),
      }));
    }
  }
}
