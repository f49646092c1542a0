// The service that does the work of the steps PAYMENT and SHIPPING. How a piece of work
// goes is said by the order's input for the step: {"do": "decline"}, "fail", "hold", and
// {"undo": "fail"}. A test may change that later, for an order or for all of them.

import { createServer } from 'node:http';
import { once } from 'node:events';

export async function openShop() {
  const mended = new Set(); // orders whose work goes well from now on
  const held = new Map(); // order → answers that wait
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    const { id, input = {}, undoes } = JSON.parse(body);
    const answer = (status, value) => {
      response.writeHead(status, { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json' });
      response.end(JSON.stringify(value));
    };
    const wish = mended.has(id) ? '' : undoes ? undoing.get(id) : input?.do;
    if (!undoes && input?.undo) undoing.set(id, input.undo);
    switch (wish) {
      case 'decline': return answer(422, { detail: 'the card is expired' });
      case 'fail': return answer(503, { detail: 'the shop is closed' });
      case 'hold': return held.set(id, [...(held.get(id) ?? []), () => answer(200, { held: true })]);
      default: return answer(200, { receipt: `R-${id.slice(-5)}` });
    }
  });
  const undoing = new Map();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    mend: (id) => mended.add(id),
    release(id) {
      mended.add(id);
      for (const go of held.get(id) ?? []) go();
      held.delete(id);
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
