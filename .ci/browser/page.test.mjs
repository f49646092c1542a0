// The page as a browser has it, against the whole system. PROGRAM is the built cmd/dev,
// SIMPLECQRS the command, POISON the one beside this, SCREENSHOTS a folder for pictures;
// .ci/browser/run has all of them.

import { after, before, describe } from 'node:test';
import { openWorld } from './world.mjs';
import { access } from './tests/access.mjs';
import { actions } from './tests/actions.mjs';
import { everyone } from './tests/everyone.mjs';
import { letters } from './tests/letters.mjs';
import { list } from './tests/list.mjs';
import { live } from './tests/live.mjs';
import { order } from './tests/order.mjs';
import { pictures } from './tests/pictures.mjs';
import { stuck } from './tests/stuck.mjs';
import { topology } from './tests/topology.mjs';

describe('the page', { timeout: 900_000 }, () => {
  const world = {};
  before(async () => Object.assign(world, await openWorld({
    program: process.env.PROGRAM, simplecqrs: process.env.SIMPLECQRS, poison: process.env.POISON,
  })));
  after(() => world.close?.());
  for (const rules of [list, live, order, actions, stuck, letters, topology, everyone, access, pictures]) rules(world);
});
