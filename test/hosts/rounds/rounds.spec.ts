// The loop of `npm run rounds`, short: one fault of each sort on booted hosts, with a service that fails over by itself.
import { expect } from 'chai';
import { requireOrSkip } from '../../rig/requirements.js';
import { faults } from './faults.js';
import { openRounds, type Rounds } from './rounds.js';

/** What a fault does is known by its place in the list, so that one that is renamed is missed here. */
const PLAYED = ['leader killed', 'leader paused', 'leader’s host cut off'];

describe('a service that fails over by itself, on booted hosts', function () {
  this.timeout(240_000);
  let rounds: Rounds;
  before(async function () {
    requireOrSkip(this, 'hosts');
    rounds = await openRounds(1);
  });
  after(() => rounds?.close());

  for (const name of PLAYED)
    it(name, async () => {
      const fault = faults.find((one) => one.name === name);
      if (fault === undefined) throw new Error(`there is no fault ${name}`);
      const result = await rounds.play(fault);
      expect(result.twoLeadersMs, 'ms in which two led').to.equal(0);
      expect(result.lostBefore, 'writes lost that had a later one after them').to.equal(0);
      expect(result.newLeader !== undefined, 'somebody else leads').to.equal(fault.failsOver);
      if (!fault.failsOver) expect(result.lostAtTheEnd).to.equal(0);
    });
});
