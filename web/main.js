// Where the page begins: it follows the address to a view, and shows the connection.
//
// A view is a module with title and view. view is given where it is, {id, query, signal},
// and gives the elements to show; when the page goes elsewhere the signal aborts, and
// with it all that the view has begun.

import { chip, el, fill, say } from './dom.js';
import * as keys from './keys.js';
import * as letters from './letters.js';
import { connecting, live, lost, refused } from './live.js';
import * as log from './log.js';
import * as order from './order.js';
import * as orders from './orders.js';
import * as steps from './steps.js';
import * as stuck from './stuck.js';
import * as topology from './topology.js';

const main = document.getElementById('main');
const forever = new AbortController().signal;
let leave = new AbortController();

// place reads the address: the view, an id, and what a question mark says.
function place() {
  const [path, query = ''] = (location.hash.slice(1) || '/orders').split('?');
  const [, name, id = ''] = path.split('/');
  return { name, id: decoded(id), query: new URLSearchParams(query) };
}

// decoded takes an address that nobody has encoded as it is.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const viewOf = ({ name, id }) => ({ orders: id ? order : orders, stuck, letters, topology }[name]);

function show(first) {
  leave.abort();
  leave = new AbortController();
  const here = { ...place(), signal: leave.signal };
  const found = viewOf(here);
  document.title = `${found ? found.title(here) : 'Not found'} · simplecqrs`;
  for (const a of document.querySelectorAll('.bar nav a')) {
    if (a.hash === `#/${here.name}`) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
  fill(main, found ? found.view(here) : [el('h1', { tabindex: -1 }, 'Not found'), el('p', {}, 'There is no such view. ', el('a', { href: '#/orders' }, 'Orders'))]);
  if (first) return;
  scrollTo(0, 0);
  main.querySelector('h1').focus({ preventScroll: true });
}

function showConnection() {
  const at = document.getElementById('connection');
  const banner = document.getElementById('banner');
  let before = '';
  log.onState(({ state, problem }) => {
    fill(at, {
      [connecting]: () => chip('warn', 'connecting'),
      [live]: () => chip('good', 'live'),
      [lost]: () => chip('warn', 'reconnecting'),
      [refused]: () => chip('bad', 'not live'),
    }[state]());
    fill(banner, state === lost && el('p', { class: 'note warn' }, 'The connection is lost. What you see is as of then; the page comes back by itself.'),
      state === refused && el('p', { class: 'note bad' }, problem.explained));
    if (state !== before && before) say({ [live]: 'Live again.', [lost]: 'The connection is lost.' }[state] ?? '');
    before = state === connecting ? before : state;
  }, forever);
}

addEventListener('hashchange', () => show(false));
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault(); // the address is the view's
  main.focus();
});
document.getElementById('help').addEventListener('click', keys.help);
keys.start();
showConnection();
log.start(forever);
steps.learn(forever);
log.onGap(() => steps.learn(forever), forever);
show(true);
