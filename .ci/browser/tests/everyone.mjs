import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { eventually, isLive, shows, visit, wantAccessible } from '../visit.mjs';

export function everyone(world) {
  describe('for everyone', () => rules(world));
}

function rules(world) {
  const views = {}; // name → [address, what is to be seen before it counts]
  before(async () => {
    const rich = await world.place({ payment: { do: 'fail' } });
    await world.until(rich, (h) => h.status === 'failed');
    const stuck = await world.place({ shipping: { do: 'fail' } });
    await world.until(stuck, (h) => h.status === 'stuck');
    await world.poison('ORD-BBBB1', '{]');
    let letter;
    while (!letter) [letter] = (await world.call('GET', '/deadletters?order=ORD-BBBB1')).letters;
    Object.assign(views, {
      orders: ['#/orders', '.orders tbody tr'],
      order: [`#/orders/${rich}`, '.side > pre'],
      'a stuck order': [`#/orders/${stuck}`, '[data-verb=retry]'],
      stuck: ['#/stuck', '.stalled tbody tr'],
      letters: ['#/letters', '.letters tbody tr'],
      letter: [`#/letters/${letter.id}`, '.hex'],
      topology: ['#/topology', '.flow .role'],
      'no view': ['#/nowhere', 'h1'],
    });
  });

  for (const scheme of ['light', 'dark']) {
    for (const width of [1280, 360]) {
      test(`every view is accessible, ${scheme}, ${width} pixels wide`, async () => {
        for (const [name, [hash, seen]] of Object.entries(views)) {
          await visit(world, hash, async (page) => {
            await page.locator(seen).first().waitFor();
            await isLive(page);
            await wantAccessible(page, `${name}, ${scheme}, ${width}`);
            const beyond = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
            assert.equal(beyond, 0, `${name} is ${beyond} pixels wider than the window`);
          }, { scheme, width, height: 740 });
        }
      });
    }
  }

  test('dialogs are accessible', () => visit(world, views['a stuck order'][0], async (page) => {
    await page.locator('[data-verb=skip]').click();
    await wantAccessible(page, 'the dialog of an action');
    await page.keyboard.press('Escape');
    await page.locator('#help').click();
    await wantAccessible(page, 'the help');
  }, { width: 360 }));

  test('everything is done with the keyboard alone', () => visit(world, '', async (page) => {
    await isLive(page);
    const focused = () => page.evaluate(() => {
      const e = document.activeElement;
      return { id: e.id, text: e.textContent, verb: e.dataset?.verb, outline: getComputedStyle(e).outlineStyle };
    });
    await page.keyboard.press('Tab');
    assert.equal((await focused()).text, 'To the content');
    await page.keyboard.press('Enter');
    assert.equal((await focused()).id, 'main');
    await page.keyboard.press('Tab');
    const place = await focused();
    assert.equal(place.id, 'place');
    assert.notEqual(place.outline, 'none', 'the focus is to be seen');
    await page.keyboard.press('Enter');
    await page.locator('.placed a').waitFor();
    await eventually(page, () => document.activeElement.id === 'place');

    await page.keyboard.press('/');
    assert.equal((await focused()).id, 'filter');
    await page.keyboard.press('s'); // chooses in the field, as a shortcut it would do nothing
    await eventually(page, () => location.hash.startsWith('#/orders?status=s'));

    await page.locator('h1').press('g'); // off the field
    await page.keyboard.press('s');
    await shows(page, 'h1', 'Stuck orders');
    await page.locator('.stalled tbody tr').first().waitFor();
    for (let i = 0; (await focused()).text !== views['a stuck order'][0].slice(9); i++) {
      assert.ok(i < 100, 'Tab never came to the stuck order');
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.locator('[data-verb=pause]').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1', 'a new view begins at its title');
    for (let i = 0; (await focused()).verb !== 'pause'; i++) {
      assert.ok(i < 100, 'Tab never came to the action');
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.locator('dialog').waitFor();
    await page.keyboard.type('with the keyboard');
    await page.keyboard.press('Enter');
    await shows(page, '.order-head .status', 'paused');
    for (let i = 0; !(await focused()).text.startsWith('ORDER_REQUESTED'); i++) {
      assert.ok(i < 100, 'Tab never came to the events');
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('ArrowDown');
    await shows(page, '.about', 'ORDER_COMPLETED');

    await page.keyboard.press('?');
    await shows(page, 'dialog', 'Shortcuts are on');
    await page.keyboard.press('Escape');
    await page.locator('dialog').waitFor({ state: 'detached' });
    await world.call('POST', `/command/${views['a stuck order'][0].slice(9)}/resume`, {});
  }));

  test('shortcuts can be switched off, and stay so', () => visit(world, '', async (page) => {
    await page.locator('#help').click();
    await page.locator('dialog input').uncheck();
    await page.keyboard.press('Escape');
    await page.reload();
    await page.locator('h1').press('?');
    await page.keyboard.press('Tab');
    assert.equal(await page.locator('dialog').count(), 0);
  }));

  test('the theme is the system’s, or the one that was chosen', () => visit(world, '', async (page) => {
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await paper();
    await page.locator('[data-theme-switch]').click();
    assert.notEqual(await paper(), dark);
    await page.reload();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
    assert.notEqual(await paper(), dark);
  }, { scheme: 'dark' }));

  test('nothing moves for those who want no motion', async () => {
    const id = await world.place({ payment: { do: 'hold' } });
    for (const hash of ['#/orders', '#/topology']) {
      await visit(world, hash, async (page) => {
        await page.locator(hash === '#/orders' ? `.token[title="${id}"]` : '.flow .role').first().waitFor();
        const moving = await page.evaluate(() => document.getAnimations().filter((a) => a.effect.getComputedTiming().duration > 0).length);
        assert.equal(moving, 0);
      }, { motion: 'reduce' });
    }
    world.shop.release(id);
  });
}
