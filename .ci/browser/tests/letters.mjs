import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, looks, named, press, shows, visit } from '../visit.mjs';

export function letters(world) {
  const lettersOf = async (key) => (await world.call('GET', `/deadletters?order=${key}`)).letters;
  const come = async (key) => {
    for (;;) {
      const found = await lettersOf(key);
      if (found.length) return found;
    }
  };
  // unread has roles write letters of a record, and waits for them.
  const unread = async (key) => {
    await world.poison(key, 'this is \x01 no JSON');
    return come(key);
  };
  // astray is the letter of an order's first event that only has to be redriven.
  const astray = async (id) => {
    await world.astray(id, JSON.stringify({ id, type: 'ORDER_REQUESTED' }));
    const [letter] = await come(id);
    return letter;
  };
  const row = (page, id) => page.locator(`.letters tr[data-id="${id}"]`);

  test('a record that nobody can read is listed and shown to its last byte', async () => {
    const [letter] = await unread('ORD-AAAA1');
    await visit(world, '#/letters', async (page) => {
      await row(page, letter.id).locator('a').first().click();
      await shows(page, 'h1', letter.id);
      await shows(page, '.text', 'no JSON');
      await shows(page, '.hex', '74 68 69 73 20 69 73 20 01 20 6e 6f 20 4a 53 4f');
      await shows(page, '.hex', 'this is · no JSO');
    });
  });

  test('a letter stays in sight while its role has not answered', async () => {
    const [letter] = await unread('ORD-AAAA5');
    await visit(world, `#/letters/${letter.id}`, async (page) => {
      await page.route('**/deadletters/*/redrive', (route) => route.fulfill({ status: 202, json: { id: letter.id } }));
      await press(page.locator('[data-verb=redrive]'));
      await press(page.locator('dialog button[type=submit]'));
      await shows(page, '#said', 'the role has not answered yet');
      await shows(page, 'h1', letter.id);
    });
  });

  test('a key that is no order’s leads nowhere', async () => {
    const [letter] = await unread('nobody');
    await visit(world, `#/letters/${letter.id}`, async (page) => {
      await shows(page, '.facts', 'nobody');
      assert.equal(await page.locator('.facts a').count(), 0);
    });
    await visit(world, '#/letters', async (page) => {
      await shows(page, '.letters tr', 'nobody');
      assert.equal(await page.locator('.letters a[href="#/orders/nobody"]').count(), 0);
    });
  });

  for (const look of looks) {
    test(`a redrive that fails again says why, and a discard has it go, ${named(look)}`, async () => {
      const [letter] = await unread('ORD-AAAA2');
      await visit(world, `#/letters/${letter.id}`, async (page) => {
        await press(page.locator('[data-verb=redrive]'));
        await press(page.locator('dialog button[type=submit]'));
        await shows(page, 'dialog [role=alert]', '409: the letter stays');
        await page.keyboard.press('Escape');
        await press(page.locator('[data-verb=discard]'));
        await page.locator('dialog [name=reason]').fill('nobody knows what it was');
        await press(page.locator('dialog button[type=submit]'));
        await shows(page, 'h1', 'Dead letters');
        await row(page, letter.id).waitFor({ state: 'detached' });
      }, { ...look, provoked: [409] });
      assert.ok(!(await world.call('GET', '/deadletters?order=ORD-AAAA2')).letters.some((l) => l.id === letter.id));
    });

    test(`a redrive that is handled has the letter go, and its order goes on, ${named(look)}`, async () => {
      const id = look === looks[0] ? 'ORD-AAAB1' : 'ORD-AAAB2';
      const letter = await astray(id);
      await visit(world, '#/letters', async (page) => {
        await press(row(page, letter.id).locator('a').first());
        await shows(page, '.facts', 'in the wrong partition');
        await press(page.locator('[data-verb=redrive]'));
        await press(page.locator('dialog button[type=submit]'));
        await shows(page, 'h1', 'Dead letters');
        await row(page, letter.id).waitFor({ state: 'detached' });
        await page.goto(`${world.base}/#/orders/${id}`);
        await shows(page, '.order-head .status', 'completed');
      }, look);
      assert.deepEqual(await lettersOf(id), []);
    });

    test(`several are redriven at once, and of those that stay it is told why, ${named(look)}`, async () => {
      const id = look === looks[0] ? 'ORD-AAAB3' : 'ORD-AAAB4';
      const [stays, goes] = [(await unread('ORD-AAAA6'))[0], await astray(id)];
      await visit(world, '#/letters', async (page) => {
        for (const { id: letter } of [stays, goes]) await press(row(page, letter).locator('input'));
        await press(page.locator('[data-verb=redrive]'));
        await press(page.locator('dialog button[type=submit]'));
        await shows(page, 'dialog [role=alert]', `1 of 2 redriven. ${stays.id}: the letter stays`);
        await page.keyboard.press('Escape');
        await row(page, goes.id).waitFor({ state: 'detached' });
        await row(page, stays.id).waitFor();
      }, look);
      await world.until(id, (h) => h.status === 'completed');
    });

    test(`several are discarded at once, and filters narrow the list, ${named(look)}`, async () => {
      await unread('ORD-AAAA3');
      await unread('ORD-AAAA4');
      await visit(world, '#/letters', async (page) => {
        await page.locator('input[name=order]').fill('ORD-AAAA3');
        await page.keyboard.press('Enter');
        await eventually(page, () => {
          const rows = [...document.querySelectorAll('.letters tbody tr')];
          return rows.length > 0 && rows.every((r) => r.textContent.includes('ORD-AAAA3'));
        });
        assert.match(page.url(), /#\/letters\?order=ORD-AAAA3$/);
        await press(page.locator('thead input'));
        await press(page.locator('[data-verb=discard]'));
        await press(page.locator('dialog button[type=submit]'));
        await page.locator('dialog').waitFor({ state: 'detached' });
        await shows(page, '.note', 'There is no dead letter.');
      }, look);
      assert.notEqual((await world.call('GET', '/deadletters?order=ORD-AAAA4')).letters.length, 0);
    });
  }
}
