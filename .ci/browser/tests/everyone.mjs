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

  describe('without colour', () => {
    // sharing gives the names that share a look.
    const sharing = (looks) => [...new Set(looks.map(([look]) => look))]
      .map((shared) => [...new Set(looks.filter(([look]) => look === shared).map(([, name]) => name))])
      .filter((names) => names.length > 1);

    test('each status has a word and a shape of its own, and a message its shape', () => visit(world, '', async (page) => {
      await page.emulateMedia({ forcedColors: 'active' });
      const looks = await page.evaluate(async () => {
        const [{ chip, el }, { statuses }] = await Promise.all(['dom', 'events'].map((m) => import(`/assets/${m}.js`)));
        const paper = getComputedStyle(document.body).backgroundColor;
        const look = (element) => {
          document.getElementById('main').append(element);
          const { maskImage, backgroundColor, width } = getComputedStyle(element, '::before');
          return { word: element.innerText, shape: maskImage, seen: maskImage !== 'none' && parseFloat(width) > 8 && backgroundColor !== paper };
        };
        const parts = ['good', 'warn', 'bad'];
        return {
          statuses, chips: [...statuses, ...parts].map((s) => ({ status: s, ...look(chip(s)) })),
          notes: parts.map((p) => ({ status: p, ...look(el('p', { class: `note ${p}` }, 'told')) })),
        };
      });
      assert.deepEqual(looks.chips.map((c) => c.word), [...looks.statuses, 'good', 'warn', 'bad']);
      for (const of of [looks.chips, looks.notes]) {
        assert.deepEqual(of.filter((l) => !l.seen).map((l) => l.status), [], 'have no shape to be seen');
        assert.deepEqual(sharing(of.map((l) => [l.shape, l.status])), [], 'have one shape');
      }
    }));

    test('each kind of event has a mark of its own', () => visit(world, '', async (page) => {
      const marks = await page.evaluate(async () => {
        const [{ draw }, { read, typesOf }] = await Promise.all(['drawing', 'events'].map((m) => import(`/assets/${m}.js`)));
        const rows = typesOf(['PAYMENT']).map((type) => ({ ...read(type, type === 'ORDER_FAILED' ? 'failed' : ''), lane: 'saga' }));
        const picture = draw({ lanes: ['saga'], rows, bars: [], arrows: [], pauses: [] },
          { middles: rows.map((_, i) => 40 * i), head: 0, height: 40 * rows.length, lane: 60, label: 'marks' });
        document.getElementById('main').append(picture);
        return rows.map((row, i) => {
          const [body, glyph] = ['.body', '.glyph'].map((part) => picture.querySelector(`[data-row="${i}"] ${part}`));
          const { fill, stroke } = getComputedStyle(body);
          return [[body.tagName, body.getAttribute('d'), fill === stroke, glyph?.getAttribute('d')].join(),
            row.kind === 'command' ? 'command' : row.word ?? row.kind];
        });
      });
      const alike = [['done', 'finished'], ['timedout', 'expired']]; // of a step, and of the order
      assert.deepEqual(sharing(marks).filter((names) => !alike.some((a) => names.every((n) => a.includes(n)))), [], 'have one mark');
    }));

    test('the view that one is in, the chosen event and the order just placed stand out', async () => {
      const id = await world.place();
      await world.until(id, (h) => h.status === 'completed');
      const apart = (page, one, others) => page.evaluate((selectors) => {
        const [a, b] = selectors.map((s) => getComputedStyle(document.querySelector(s)));
        return a.outlineStyle !== b.outlineStyle || a.borderBottomColor !== b.borderBottomColor; // a wash and a shadow are not drawn
      }, [one, others]);
      await visit(world, `#/orders/${id}`, async (page) => {
        await page.emulateMedia({ forcedColors: 'active' });
        await page.locator('.mark[data-row="3"]').click();
        await page.locator('h1').hover();
        assert.ok(await apart(page, '.history tr.now', '.history tbody tr:first-child'), 'the chosen event');
        assert.ok(await apart(page, 'nav a[aria-current]', 'nav a:not([aria-current])'), 'the view');
        await page.goto(`${world.base}/#/orders`);
        await isLive(page);
        const other = await world.place();
        await page.locator(`.ticker li[data-order="${other}"]`).first().waitFor();
        await page.locator('#place').click();
        for (const of of ['.orders tbody tr', '.ticker li']) {
          await page.locator(`${of}.marked`).first().waitFor();
          assert.ok(await apart(page, `${of}.marked`, `${of}:not(.marked)`), of);
        }
      });
    });
  });

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
