import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isLive, press, shows, visit } from '../visit.mjs';

export function access(world) {
  describe('with tokens', () => guarded(world));

  for (const [status, title, said] of [[401, 'Unauthorized', 'does not know who you are'], [403, 'Forbidden', 'needs another scope']]) {
    test(`a ${status} is told with what to do about it`, () => visit(world, '#/stuck', async (page) => {
      await shows(page, '#banner', said);
      await shows(page, '#connection', 'not live');
      await shows(page, 'main [role=alert]', said);
    }, {
      provoked: [status],
      setUp: (page) => page.route('**/query/**', (route) => route.fulfill({
        status, contentType: 'application/problem+json',
        body: JSON.stringify({ type: 'about:blank', title, status, detail: 'no token' }),
      })),
    }));
  }

  test('the page is served under a policy, and kept by what is in it', async () => {
    const first = await fetch(`${world.base}/`);
    assert.match(first.headers.get('content-security-policy'), /^default-src 'self'; img-src 'self' data:;/);
    assert.equal(first.headers.get('content-security-policy').includes('unsafe'), false);
    const tag = first.headers.get('etag');
    const again = await fetch(`${world.base}/`, { headers: { 'If-None-Match': tag } });
    assert.equal(again.status, 304);
  });
}

function guarded(world) {
  const [all, reader] = ['ann-may-do-all-of-it', 'ben-may-only-look-at'];
  const [annMay, benMay] = [`${all} ann command,query,admin\n`, `${reader} ben query\n`];
  const as = (password) => ({ credentials: { username: 'whoever', password } });
  const edge = {};
  before(async () => Object.assign(edge, await world.guarded(annMay + benMay)));
  after(() => edge.close?.());

  test('who gave a token as the password sees all live, and is known by what was done', async () => {
    await visit(edge, '', async (page) => {
      await isLive(page);
      await press(page.locator('#place'));
      const link = page.locator('.placed a');
      const id = (await link.getAttribute('href')).replace('#/orders/', '');
      await shows(page, `.ticker li[data-order="${id}"]`, 'MAIL_COMPLETED');
      await shows(page, `.orders tr[data-id="${id}"]`, 'completed');
      await press(link);
      await shows(page, '.order-head .status', 'completed');
      await press(page.locator('nav a', { hasText: 'Letters' }));
      await page.locator('.letters tbody tr, .note.good').first().waitFor();
    }, as(all));

    const id = await world.place({ startAt: '2099-01-01T00:00:00Z' });
    await world.until(id, (h) => h.status === 'scheduled');
    await visit(edge, `#/orders/${id}`, async (page) => {
      await press(page.locator('[data-verb=cancel]'));
      await page.locator('dialog [name=reason]').fill('enough');
      await press(page.locator('dialog button[type=submit]'));
      await shows(page, '.order-head .status', 'cancelled');
      await shows(page, '.history .why', 'by ann: enough');
    }, as(all));
  });

  test('who may only query is told what is refused, and goes on looking', async () => {
    const id = await world.place({ startAt: '2099-01-01T00:00:00Z' });
    await world.until(id, (h) => h.status === 'scheduled');
    const refused = (scope) => `403: you may not do this with your token: it needs another scope. (this needs the scope ${scope}`;
    await visit(edge, '', async (page) => {
      await isLive(page);
      await press(page.locator('#place'));
      await shows(page, 'form [role=alert]', refused('command'));
      await press(page.locator('#place-many'));
      await press(page.locator('dialog button[type=submit]'));
      await shows(page, 'dialog [role=alert]', refused('command'));
      await page.keyboard.press('Escape');
      const other = await world.place();
      await shows(page, `.ticker li[data-order="${other}"]`, 'MAIL_COMPLETED');
      await shows(page, `.orders tr[data-id="${other}"]`, 'completed');

      await page.goto(`${edge.base}/#/orders/${id}`);
      await press(page.locator('[data-verb=cancel]'));
      await press(page.locator('dialog button[type=submit]'));
      await shows(page, 'dialog [role=alert]', refused('command'));
      await page.keyboard.press('Escape');
      await world.call('POST', `/command/${id}/cancel`, {});
      await shows(page, '.order-head .status', 'cancelled');

      await press(page.locator('nav a', { hasText: 'Letters' }));
      await shows(page, 'main [role=alert]', refused('admin'));
      await isLive(page);
    }, { ...as(reader), provoked: [403] });
  });

  test('a page whose token is taken out says that it is not live, and what to do', () => visit(edge, '', async (page) => {
    await isLive(page);
    await edge.admit(annMay);
    await shows(page, '#connection', 'not live');
    await shows(page, '#banner', '401: the server does not know who you are');
  }, { ...as(reader), provoked: [401] }));
}
