// What an agent does to a member that migrates its data: it is asked to stop where that is wanted, and never killed.
import { expect } from 'chai';
import { planSteps } from '@leafward/agent/plan.js';
import type { EngineFact, MemberIntent } from '@leafward/shared/gen/domain.js';
import { intentOf, observedOf, runningOf } from './agent-world.js';

const MIGRATING = { answered: false, migrating: 'Applying schema deltas for v60' };
const HOUR_MS = 3_600_000;

function graceOf(changes: Partial<MemberIntent>, engine: EngineFact): number | undefined {
  const intent = intentOf({ mirrored: false, ...changes });
  const [plan] = planSteps(observedOf(runningOf(intent, { engine })));
  const stop = plan?.steps.find((step) => step.kind === 'stop');
  return stop?.kind === 'stop' ? stop.graceMs : undefined;
}

describe('a member that migrates', () => {
  it('is given all the time that it needs to stop', () => {
    for (const run of ['stopped', 'removed'] as const)
      expect(graceOf({ run }, MIGRATING)).to.be.at.least(6 * HOUR_MS);
  });

  it('has the grace of its spec when that is over', () => {
    expect(graceOf({ run: 'stopped' }, { answered: true, active: true })).to.equal(1000);
  });

  it('is fenced in seconds all the same (I2)', () => {
    expect(graceOf({ run: 'retired' }, MIGRATING)).to.be.at.most(60_000);
  });
});
