import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, shows, visit } from '../visit.mjs';

export function order(world) {
  test('each event of an order is a mark in the picture and a row in the table', async () => {
    const id = await world.place({ payment: { do: 'decline' } });
    const { history } = await world.until(id, (h) => h.status === 'failed');
    await visit(world, `#/orders/${id}`, async (page) => {
      await page.locator('.mark').nth(history.length - 1).waitFor();
      assert.equal(await page.locator('.mark').count(), history.length);
      assert.deepEqual(await page.locator('button.event').allTextContents(), history.map((e) => e.type));
      assert.deepEqual(await page.locator('.lane text').allTextContents(), ['client', 'saga', 'ORDER', 'PAYMENT']);
      // A mark lies in the middle of its row.
      const apart = await page.evaluate(() => [...document.querySelectorAll('.history tbody tr')].map((tr, i) => {
        const [row, mark] = [tr, document.querySelector(`.mark[data-row="${i}"] .body`)].map((e) => e.getBoundingClientRect());
        return Math.abs((row.top + row.bottom) / 2 - (mark.top + mark.bottom) / 2) - parseFloat(tr.style.getPropertyValue('--before')) / 2;
      }));
      assert.ok(apart.every((d) => d < 3), `pixels between marks and rows: ${apart}`);
    });
  });

  test('pointing at a mark, or choosing its row, shows all of the event', async () => {
    const id = await world.place();
    await world.until(id, (h) => h.status === 'completed');
    await visit(world, `#/orders/${id}`, async (page) => {
      await page.locator('.mark[data-row="1"]').hover();
      await shows(page, '.about', `${id}/ORDER_COMPLETED/1`);
      await page.locator('h1').hover();
      await shows(page, '.about', 'Point at an event');
      await page.locator('.mark[data-row="3"]').click();
      await page.locator('h1').hover();
      await shows(page, '.about', `${id}/PAYMENT_COMPLETED/1`);
      await page.keyboard.press('ArrowUp');
      await shows(page, '.about', `${id}/PAYMENT_REQUESTED/1`);
      await page.keyboard.press('End');
      await shows(page, '.about', `${id}/MAIL_COMPLETED/1`);
    });
  });

  test('attempts, waits and undoing are drawn', async () => {
    const id = await world.place({ payment: { do: 'fail' } });
    await world.until(id, (h) => h.status === 'failed');
    await visit(world, `#/orders/${id}`, async (page) => {
      await shows(page, '.attempt', 'attempt 2');
      assert.equal(await page.locator('.work.is-failed').count(), 2);
      assert.ok(await page.locator('.arrow.timer').count() >= 1, 'the wait before the second attempt');
      assert.equal(await page.locator('.work.undoing.is-undone').count(), 2);
    });
  });

  test('an order is drawn as it goes on, and what is chosen stays so', async () => {
    const id = await world.place({ payment: { do: 'hold' } });
    await world.until(id, (h) => h.history.length === 3);
    await visit(world, `#/orders/${id}`, async (page) => {
      await page.locator('.work.is-open').waitFor();
      await page.locator('button.event').nth(2).focus();
      world.shop.release(id);
      await shows(page, '.order-head .status', 'completed');
      await shows(page, '.about', `${id}/PAYMENT_REQUESTED/1`);
      assert.equal(await page.evaluate(() => document.activeElement.textContent), 'PAYMENT_REQUESTED');
      await shows(page, '#said', 'The order is now completed.');
    });
  });

  test('events, row and document of an order are side by side, and agree', async () => {
    const id = await world.place({ payment: { amount: 12.5 } });
    const { version, history } = await world.until(id, (h) => h.status === 'completed');
    await visit(world, `#/orders/${id}`, async (page) => {
      await eventually(page, (v) => [...document.querySelectorAll('.side .state')].filter((s) => s.textContent === `version ${v}`).length === 2, version);
      assert.equal(await page.locator('.record').count(), history.length);
      await page.locator('.record summary').first().click();
      await shows(page, '.record[open]', 'ce_id');
      await shows(page, '.record[open]', '12.5');
      await page.locator('button.event').nth(3).click();
      await page.locator('.record[open]', { hasText: `${id}/PAYMENT_COMPLETED/1` }).first().waitFor();
    });
    // What the document carries of the row is read, and not shown as a string; of a row that is not here it is told why.
    await visit(world, `#/orders/${id}`, async (page) => {
      await shows(page, '.side > pre', '"amount": 12.5');
      await shows(page, '.side .note', 'is in no table of this process');
    }, {
      setUp: (page) => page.route('**/sources', (route) => route.fulfill({
        json: {
          events: [], row: null, document: { _id: id, order: { version, row: '{"payment":{"amount":12.5}}' } },
          notes: { row: 'partition 3 of view.order is in no table of this process' },
        },
      })),
    });
  });

  test('an order that is not there is told of in the server’s words', () => visit(world, '#/orders/ORD-B384F', async (page) => {
    await shows(page, '[role=alert]', 'no order found for ORD-B384F');
  }, { provoked: [404] }));
}
