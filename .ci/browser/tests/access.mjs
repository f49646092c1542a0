import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shows, visit } from '../visit.mjs';

export function access(world) {
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
