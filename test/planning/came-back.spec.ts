// What an operation keeps of an agent that was out of sight: what it did alone, and before what it stopped.
import { expect } from 'chai';
import { returnText } from '@leafward/controller/planning/came-back.js';
import type { MemberFact, Operation, Outcome, Report } from '@leafward/shared/gen/domain.js';
import { memberFact } from '../unit/metrics-fixture.js';

const operation: Operation = {
  id: 'op-1',
  planId: 'p',
  goal: { kind: 'update', service: 'cortex', image: 'x' },
  state: 'running',
  services: ['cortex'],
  moves: [],
  progress: [],
  createdBy: 'admin',
  createdAt: 0,
  abortRequested: false,
};
const member: MemberFact = {
  ...memberFact('cortex', '01.cortex'),
  container: { state: 'running' },
  engine: { answered: true, version: '2.170.0' },
  storage: {},
  term: 1,
  starts: 1,
  activity: undefined,
  waits: [],
  refusals: [],
};
const outcomeOf = (requestId: string, state: Outcome['state'], message?: string): Outcome => ({
  ...{ requestId, state, startedAt: 1, changes: [] },
  ...(message === undefined ? {} : { message }),
});
const told = (
  changes: Partial<MemberFact>,
  { awayMs, outcomes = [] }: { readonly awayMs?: number; readonly outcomes?: Outcome[] } = {},
): string | undefined => {
  const report: Report = {
    ...{ sequence: 1, sentAt: 1, generation: 1, refusedOrders: 0, outcomes },
    members: [{ ...member, ...changes }],
  };
  return returnText(operation, {
    host: 'bravo',
    awayMs,
    before: { '01.cortex': member },
    report,
  });
};

describe('an agent that is back', () => {
  it('says what it finished alone', () => {
    const engine = { answered: true, version: '2.171.0' };
    expect(told({ starts: 2, engine }, { awayMs: 42_000 })).to.equal(
      'host bravo is back after 42 s; meanwhile: 01.cortex was started, 01.cortex version 2.170.0 → 2.171.0',
    );
  });

  it('says what came of the requests of this operation, and of no other', () => {
    const outcomes = [
      outcomeOf('op-1.m2', 'succeeded'),
      outcomeOf('op-1.m3', 'unknown', 'the agent ended in the middle of promote'),
      outcomeOf('op-1.m4', 'running'),
      outcomeOf('op-2.m1', 'succeeded'),
    ];
    expect(told({}, { awayMs: 1000, outcomes })).to.equal(
      'host bravo is back after 1 s; meanwhile: request op-1.m2 succeeded, request op-1.m3 unknown: the agent ended in the middle of promote, is still at request op-1.m4',
    );
  });

  it('says before which step it stopped', () => {
    const wait = {
      code: 'no-permit',
      subject: '01.cortex',
      message: 'it needs a permit',
      since: 1,
    };
    const waits = [{ ...wait, unblock: 'connect', evidence: [] }];
    expect(told({ container: { state: 'exited' }, waits }, { awayMs: 60_000 })).to.equal(
      'host bravo is back after 1 min; meanwhile: 01.cortex container running → exited; 01.cortex stopped before a step: it needs a permit',
    );
  });

  it('says that it did nothing, unless it was gone for a moment only', () => {
    expect(told({}, { awayMs: 12_000 })).to.equal(
      'host bravo is back after 12 s; it did nothing of this meanwhile',
    );
    expect(told({}, { awayMs: 500 })).to.equal(undefined);
    expect(told({})).to.equal(undefined);
  });
});
