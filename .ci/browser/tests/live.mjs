import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, isLive, looks, named, press, shows, visit } from '../visit.mjs';

const rows = (page) => page.locator('.orders tbody tr').evaluateAll((all) => all.map((r) => r.dataset.id));

export function live(world) {
  for (const look of looks) {
    test(`a hundred orders pass over the board, and each comes to its end, ${named(look)}`, () => visit(world, '', async (page) => {
      await isLive(page);
      await press(page.locator('#place-many'));
      await press(page.locator('dialog button[type=submit]'));
      await shows(page, '.placed', '100 of 100 placed');
      await eventually(page, () => parseInt(document.querySelector('.tally .completed').textContent.replace(',', ''), 10) >= 100);
      await eventually(page, () => ['ORDER', 'PAYMENT', 'SHIPPING', 'MAIL'].every((step) =>
        document.querySelector(`[data-place="${step}"] .number`).textContent === '0'));
    }, look));
  }

  test('an order that waits at a step stands there on the board', async () => {
    const id = await world.place({ payment: { do: 'hold' } });
    await world.until(id, (h) => h.history.length === 3);
    await visit(world, '', async (page) => {
      await page.locator(`[data-place="PAYMENT"] .token[title="${id}"]`).waitFor();
      world.shop.release(id);
      await page.locator(`.token[title="${id}"]`).waitFor({ state: 'detached' });
    });
  });

  test('a paused order has a place of its own, after a reload as well', async () => {
    const id = await world.place({ payment: { do: 'hold' } });
    await world.until(id, (h) => h.history.length === 3);
    await visit(world, '', async (page) => {
      const at = (place) => page.locator(`[data-place="${place}"] .token[title="${id}"]`).waitFor();
      await isLive(page);
      await at('PAYMENT');
      await world.call('POST', `/command/${id}/pause`, {});
      await at('paused');
      await page.reload();
      await at('paused');
      await world.call('POST', `/command/${id}/resume`, {});
      await shows(page, '.tally', 'at a step that the last event does not tell');
      world.shop.release(id);
      await shows(page, '.tally', '1 completed');
    });
  });

  test('a token leads to its order', async () => {
    const id = await world.place({ payment: { do: 'hold' } });
    await visit(world, '', async (page) => {
      await page.locator(`.token[title="${id}"]`).click();
      await shows(page, 'h1', id);
    });
    world.shop.release(id);
  });

  test('the board knows nothing before it is told, and not more than that', async () => {
    let go;
    const wait = new Promise((resolve) => { go = resolve; });
    await visit(world, '', async (page) => {
      await shows(page, '.orders ~ p, .panel p', 'Asking …');
      assert.deepEqual([...new Set(await page.locator('.place .number').allTextContents())], ['–']);
      assert.ok(await page.locator('button', { hasText: 'Older' }).isDisabled());
      go();
      await shows(page, '[data-place=scheduled] .number', /^100\+$/);
    }, {
      setUp: (page) => page.route(/\/query\?/, async (route) => {
        await wait;
        if (!route.request().url().includes('status=scheduled')) return route.continue();
        const orders = Array.from({ length: 100 }, (_, i) => ({ id: `ORD-${String(i).padStart(5, '0')}`, status: 'scheduled', type: 'ORDER_SCHEDULED', version: 2 }));
        return route.fulfill({ json: { orders, next: 'more' } });
      }),
    });
  });

  test('new orders do not move the rows under one who reads them', async () => {
    await world.place();
    await visit(world, '', async (page) => {
      await isLive(page);
      await page.locator('.orders tbody a').first().focus();
      const before = await rows(page);
      const id = await world.place();
      const fresh = page.locator('button.fresh');
      await fresh.waitFor();
      assert.deepEqual(await rows(page), before);
      await fresh.click();
      await page.locator(`.orders tr[data-id="${id}"]`).waitFor();
      await eventually(page, (newest) => document.activeElement.closest('tr')?.dataset.id === newest, id);
    });
  });

  test('a row that is seen changes where it is', async () => {
    const id = await world.place({ payment: { do: 'hold' } });
    await visit(world, '', async (page) => {
      await isLive(page);
      await shows(page, `.orders tr[data-id="${id}"]`, 'running');
      world.shop.release(id);
      await shows(page, `.orders tr[data-id="${id}"]`, 'completed');
    });
  });

  // While the server restarts, a page is answered by nobody or by a proxy. From the first
  // a stream goes on where it was; after the second it begins anew.
  const cuts = [
    ['nobody answers', (page) => page.context().setOffline(true), (page) => page.context().setOffline(false)],
    ['a proxy answers', (page) => page.route('**/stream', (route) => route.fulfill({ status: 502, body: 'nobody behind' })), (page) => page.unroute('**/stream')],
  ];
  for (const [how, cut, mend] of cuts) {
    // missing has something happen that the page cannot hear of.
    const missing = async (page, happens) => {
      await isLive(page);
      await cut(page);
      await world.stop();
      await shows(page, '#connection', 'reconnecting');
      await shows(page, '#banner', 'The connection is lost');
      await world.start();
      const missed = await happens();
      await shows(page, '#connection', 'reconnecting');
      await mend(page);
      await isLive(page);
      await page.locator('#banner .note').waitFor({ state: 'detached' });
      return missed;
    };
    const provoked = [0, 502, 503];

    test(`after a restart of the server the page comes back by itself, and knows what it has missed while ${how}`, () => visit(world, '', async (page) => {
      const id = await missing(page, async () => {
        const placed = await world.place();
        await world.until(placed, (h) => h.status === 'completed');
        return placed;
      });
      await shows(page, `.orders tr[data-id="${id}"]`, 'completed');
      if (how === 'nobody answers') await shows(page, `.ticker li[data-order="${id}"]`, 'MAIL_COMPLETED');
    }, { provoked }));

    test(`an order’s view comes back, too, and shows what was done while ${how}`, async () => {
      const id = await world.place({ startAt: '2099-01-01T00:00:00Z' });
      await world.until(id, (h) => h.status === 'scheduled');
      await visit(world, `#/orders/${id}`, async (page) => {
        await shows(page, '.order-head .status', 'scheduled');
        await missing(page, async () => {
          await world.call('POST', `/command/${id}/cancel`, { reason: 'away' });
          await world.until(id, (h) => h.status === 'cancelled');
        });
        await shows(page, '.order-head .status', 'cancelled');
        await shows(page, '.history .why', 'away');
      }, { provoked });
    });
  }
}
