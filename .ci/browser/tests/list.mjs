import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, isLive, looks, named, press, shows, visit } from '../visit.mjs';

const ids = (page) => page.locator('.orders tbody tr').evaluateAll((rows) => rows.map((r) => r.dataset.id));
const filled = (page) => page.locator('.orders tbody tr').first().waitFor();

// only waits until all that is in the list's column says the same.
const only = (page, column, text) => eventually(page, ([c, t]) => {
  const cells = [...document.querySelectorAll(c)];
  return cells.length > 0 && cells.every((cell) => cell.textContent === t);
}, [column, text]);

export function list(world) {
  for (const look of looks) {
    test(`an order that is placed by the button comes up in the list and is followed, ${named(look)}`, () => visit(world, '', async (page) => {
      await isLive(page);
      await press(page.locator('#place'));
      const link = page.locator('.placed a');
      await link.waitFor();
      const id = (await link.getAttribute('href')).replace('#/orders/', '');
      await shows(page, `.orders tr[data-id="${id}"]`, 'completed');
      await shows(page, '.ticker li', 'MAIL_COMPLETED');
      await shows(page, '.ticker li.marked', 'MAIL_COMPLETED');
      await page.locator(`.orders tr.marked[data-id="${id}"]`).waitFor();
      for (const side of ['Command: POST /command', 'Events: store.order', 'Query: GET /query']) await shows(page, 'h2', side);
      await press(link);
      await shows(page, 'h1', id);
    }, look));

    test(`inputs and a start time of the form reach the order, ${named(look)}`, () => visit(world, '', async (page) => {
      await press(page.locator('summary', { hasText: 'With inputs' }));
      await page.locator('textarea[name=payment]').fill('{"do": ');
      await press(page.locator('#place'));
      await shows(page, 'form [role=alert]', 'The input payment is no JSON');
      await eventually(page, () => document.activeElement.name === 'payment');
      await page.locator('textarea[name=payment]').fill('{"do": "decline"}');
      await press(page.locator('#place'));
      const id = (await page.locator('.placed a').getAttribute('href')).replace('#/orders/', '');
      await shows(page, `.orders tr[data-id="${id}"]`, 'failed');

      await page.locator('textarea[name=payment]').fill('');
      await page.locator('input[name=startAt]').fill('2099-01-31T09:00:00');
      await press(page.locator('#place'));
      await eventually(page, (before) => document.querySelector('.placed a')?.hash.slice(9) !== before, id);
      const later = (await page.locator('.placed a').getAttribute('href')).replace('#/orders/', '');
      await shows(page, `.orders tr[data-id="${later}"]`, 'scheduled');
      const { orders } = await world.call('GET', '/query?status=scheduled');
      const local = await page.evaluate(() => new Date('2099-01-31T09:00:00').toISOString());
      assert.equal(new Date(orders.find((o) => o.id === later).startAt).toISOString(), local);
    }, look));
  }

  test('filters narrow the list, and the address says so', async () => {
    const [good, bad] = [await world.place(), await world.place({ payment: { do: 'decline' } })];
    await world.until(good, (h) => h.status === 'completed');
    await world.until(bad, (h) => h.status === 'failed');
    await visit(world, '', async (page) => {
      await filled(page);
      await page.locator('select[name=status]').selectOption('failed');
      await only(page, '.orders tbody .chip', 'failed');
      assert.ok((await ids(page)).includes(bad));
      assert.match(page.url(), /#\/orders\?status=failed$/);
      await page.locator('select[name=status]').selectOption('');
      await page.locator('input[name=type]').fill('mail_completed');
      await page.keyboard.press('Enter');
      await only(page, '.orders tbody .type', 'MAIL_COMPLETED');
      assert.ok((await ids(page)).includes(good));
      assert.equal(await page.locator('#types option[value=PAYMENT_FAILED]').count(), 1);
      await page.locator('input[name=until]').fill('2020-01-01T00:00:00');
      await page.keyboard.press('Enter');
      await shows(page, '.panel p', 'No order is like that.');
      await page.locator('button[type=reset]').click();
      await filled(page);
      assert.match(page.url(), /#\/orders$/);
    });
    // The address is enough to see the same.
    await visit(world, '#/orders?status=failed&since=2020-01-01T00:00:00.000Z', async (page) => {
      await filled(page);
      assert.equal(await page.locator('select[name=status]').inputValue(), 'failed');
      assert.notEqual(await page.locator('input[name=since]').inputValue(), '');
      assert.ok(!(await ids(page)).includes(good));
    });
  });

  test('pages lead to older orders and back', async () => {
    const placed = await Promise.all(Array.from({ length: 45 }, () => world.place()));
    await Promise.all(placed.map((id) => world.until(id, (h) => h.status === 'completed')));
    await visit(world, '', async (page) => {
      await filled(page);
      const first = await ids(page);
      assert.equal(first.length, 20);
      // Those of one millisecond have ids in any order.
      const { orders } = await world.call('GET', '/query?limit=100');
      const created = first.map((id) => Date.parse(orders.find((o) => o.id === id).createdAt));
      assert.deepEqual(created, created.toSorted((a, b) => b - a), 'the newest comes first');
      await page.locator('button', { hasText: 'Older' }).click();
      await eventually(page, (seen) => !seen.includes(document.querySelector('.orders tbody tr').dataset.id), first);
      const second = await ids(page);
      assert.ok(second.every((id) => !first.includes(id)));
      await page.locator('button', { hasText: 'Newer' }).click();
      await eventually(page, (id) => document.querySelector('.orders tbody tr').dataset.id === id, first[0]);
      assert.deepEqual(await ids(page), first);
    });
  });
}
