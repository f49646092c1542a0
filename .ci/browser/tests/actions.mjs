import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually, looks, named, press, shows, visit } from '../visit.mjs';

const offered = (page) => page.locator('.order-head [data-verb]').evaluateAll((all) => all.map((b) => b.dataset.verb));

// give presses an action's button and confirms it.
async function give(page, verb, fields = {}) {
  await press(page.locator(`.order-head [data-verb=${verb}]`));
  for (const [name, value] of Object.entries({ reason: `so it is: ${verb}`, ...fields })) await page.locator(`dialog [name=${name}]`).fill(value);
  await press(page.locator('dialog button[type=submit]'));
  await page.locator('dialog').waitFor({ state: 'detached' });
}

const isNow = (page, status) => page.locator(`.order-head .status .chip.${status}`).waitFor();

async function stuckOrder(world) {
  const id = await world.place({ shipping: { do: 'fail' } });
  await world.until(id, (h) => h.status === 'stuck');
  return id;
}

export function actions(world) {
  for (const look of looks) describe(`the actions, ${named(look)}`, () => rules(world, look));
}

function rules(world, look) {
  test('a running order is paused, resumed and cancelled, and is offered what fits', async () => {
    const id = await world.place({ payment: { do: 'hold' } });
    await world.until(id, (h) => h.history.length === 3);
    await visit(world, `#/orders/${id}`, async (page) => {
      await isNow(page, 'running');
      assert.deepEqual(await offered(page), ['pause', 'cancel']);
      await give(page, 'pause');
      await isNow(page, 'paused');
      assert.deepEqual(await offered(page), ['resume', 'cancel']);
      await page.locator('.pause').waitFor();
      await give(page, 'resume');
      await isNow(page, 'running');
      await give(page, 'cancel');
      await isNow(page, 'compensating');
      assert.deepEqual(await offered(page), ['pause']);
      world.shop.release(id);
      await isNow(page, 'cancelled');
      assert.deepEqual(await offered(page), []);
      await shows(page, '.history .why', 'so it is: cancel');
    }, look);
  });

  test('a stuck order is retried once the cause is gone', async () => {
    const id = await stuckOrder(world);
    await visit(world, `#/orders/${id}`, async (page) => {
      await isNow(page, 'stuck');
      assert.deepEqual(await offered(page), ['retry', 'skip', 'pause', 'cancel']);
      world.shop.mend(id);
      await give(page, 'retry');
      await isNow(page, 'completed');
    }, look);
  });

  test('a stuck step is skipped with an output, which must be JSON', async () => {
    const id = await stuckOrder(world);
    await visit(world, `#/orders/${id}`, async (page) => {
      await press(page.locator('[data-verb=skip]'));
      await page.locator('dialog [name=output]').fill('by hand');
      await press(page.locator('dialog button[type=submit]'));
      await shows(page, 'dialog [role=alert]', 'The output is no JSON');
      await page.keyboard.press('Escape');
      assert.equal(await page.evaluate(() => document.activeElement.dataset.verb), 'skip', 'the focus is where it was');
      await give(page, 'skip', { output: '{"body": "by hand"}' });
      await isNow(page, 'completed');
    }, look);
    assert.deepEqual((await world.call('GET', `/query/${id}`)).shipping, { body: 'by hand' });
  });

  test('a scheduled order is given another time', async () => {
    const startAt = '2099-01-01T00:00:00Z';
    const id = await world.place({ startAt });
    await world.until(id, (h) => h.status === 'scheduled');
    await visit(world, `#/orders/${id}`, async (page) => {
      await isNow(page, 'scheduled');
      assert.deepEqual(await offered(page), ['pause', 'schedule', 'cancel']);
      await page.locator('.facts-line', { hasText: 'begins' }).locator(`time[datetime="${startAt}"]`).waitFor();
      await page.locator('[data-verb=schedule]').click();
      const field = await page.locator('dialog [name=startAt]').inputValue();
      assert.equal(await page.evaluate((local) => new Date(local).getTime(), field), Date.parse(startAt));
      await page.keyboard.press('Escape');
      await page.locator('dialog').waitFor({ state: 'detached' });
      await give(page, 'schedule', { startAt: '2020-01-01T00:00:00' });
      await isNow(page, 'completed');
    }, look);
  });

  test('the dialog stays until it is known what has come of it, and that can be seen', async () => {
    const id = await stuckOrder(world);
    await visit(world, `#/orders/${id}`, async (page) => {
      let answer;
      const answered = new Promise((resolve) => { answer = resolve; });
      await page.route('**/command/*/retry', async (route) => {
        await answered;
        await route.fulfill({ status: 202, json: { id, command: `${id}/retry` } });
      });
      await press(page.locator('[data-verb=retry]'));
      await press(page.locator('dialog button[type=submit]'));
      await shows(page, 'dialog', 'Waiting for the answer');
      for (let i = 0; i < 3; i++) await page.keyboard.press('Escape');
      assert.ok(await page.locator('dialog button', { hasText: 'Leave it' }).isDisabled());
      assert.ok(await page.locator('dialog').isVisible());
      answer();
      await page.locator('dialog').waitFor({ state: 'detached' });
      await shows(page, '#said', 'accepted, and in the log; the saga has not answered yet');
      assert.ok((await page.locator('#said').boundingBox()).height > 20);
    }, look);
  });

  test('a refusal is told in the server’s words', async () => {
    const id = await stuckOrder(world);
    await visit(world, `#/orders/${id}`, async (page) => {
      await press(page.locator('[data-verb=retry]'));
      await world.call('POST', `/command/${id}/cancel`, {});
      await world.until(id, (h) => h.status === 'cancelled');
      await press(page.locator('dialog button[type=submit]'));
      await shows(page, 'dialog [role=alert]', '409: the order is cancelled');
      await eventually(page, () => document.activeElement.name === 'reason');
    }, { ...look, provoked: [409] });
  });
}
