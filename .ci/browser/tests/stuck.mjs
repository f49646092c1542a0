import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isLive, looks, named, press, shows, visit } from '../visit.mjs';

const sooner = 12_000; // than the page would look again by itself

export function stuck(world) {
  for (const look of looks) describe(`stuck orders, ${named(look)}`, () => rules(world, look));
}

function rules(world, look) {
  const some = async (n) => {
    const ids = await Promise.all(Array.from({ length: n }, () => world.place({ shipping: { do: 'fail' } })));
    await Promise.all(ids.map((id) => world.until(id, (h) => h.status === 'stuck')));
    return ids;
  };
  const row = (page, id) => page.locator(`.stalled tr[data-id="${id}"]`);

  test('orders that are stuck come up by themselves, with the reason', () => visit(world, '#/stuck', async (page) => {
    await isLive(page);
    const [id] = await some(1);
    await row(page, id).filter({ hasText: 'the shop is closed' }).waitFor({ timeout: sooner });
  }, look));

  test('several are retried at once, and leave', async () => {
    const ids = await some(3);
    await visit(world, '#/stuck', async (page) => {
      for (const id of ids.slice(0, 2)) await press(row(page, id).locator('input'));
      await shows(page, '.panel > header', '2 orders chosen');
      ids.forEach(world.shop.mend);
      await press(page.locator('[data-verb=retry]'));
      await page.locator('dialog [name=reason]').fill('the shop is open');
      await press(page.locator('dialog button[type=submit]'));
      await shows(page, '#said', '2 of 2 retried.');
      for (const id of ids.slice(0, 2)) await row(page, id).waitFor({ state: 'detached' });
      await row(page, ids[2]).waitFor();
    }, look);
  });

  test('of several, those that refuse are told of one by one', async () => {
    const [left, gone] = await some(2);
    await visit(world, '#/stuck', async (page) => {
      for (const id of [left, gone]) await press(row(page, id).locator('input'));
      await press(page.locator('[data-verb=cancel]'));
      await world.call('POST', `/command/${gone}/cancel`, {});
      await world.until(gone, (h) => h.status === 'cancelled');
      await press(page.locator('dialog button[type=submit]'));
      await shows(page, 'dialog [role=alert]', `1 of 2 cancelled. ${gone}: the order is cancelled`);
      await world.until(left, (h) => h.status === 'cancelled');
    }, look);
  });

  test('what is accepted is not said to be done', async () => {
    const ids = await some(2);
    await visit(world, '#/stuck', async (page) => {
      for (const id of ids) await press(row(page, id).locator('input'));
      await page.route('**/command/retry', (route) => route.fulfill({ json: { results: ids.map((id, i) => ({ id, status: i ? 202 : 200 })) } }));
      await press(page.locator('[data-verb=retry]'));
      await press(page.locator('dialog button[type=submit]'));
      await shows(page, '#said', '1 of 2 retried. 1 accepted, and not answered yet.');
    }, look);
  });

  test('a wait that the address asks for is offered, too', () => visit(world, '#/stuck?for=42m', async (page) => {
    await page.locator('.stalled, .note').first().waitFor();
    assert.equal(await page.locator('#filter').inputValue(), '42m');
  }, look));

  test('all can be chosen, and cancelled', async () => {
    await some(2);
    await visit(world, '#/stuck', async (page) => {
      await page.locator('.stalled tbody tr').first().waitFor();
      await press(page.locator('thead input'));
      await press(page.locator('[data-verb=cancel]'));
      await press(page.locator('dialog button[type=submit]'));
      await page.locator('dialog').waitFor({ state: 'detached' });
      await shows(page, '.note', 'Nothing is stuck.');
    }, look);
  });
}
