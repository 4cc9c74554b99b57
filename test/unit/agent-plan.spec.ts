// What the agent plans from what it sees: one golden for each rule, and the properties that no host may break.
import { expect } from 'chai';
import * as fc from 'fast-check';
import type { ContainerState } from '@leafward/shared/gen/domain.js';
import { emptyState, type JournalState } from '@leafward/agent/journal/records.js';
import { planSteps, type MemberPlan, type ObservedMember } from '@leafward/agent/plan.js';
import {
  ALIAS,
  applyStep,
  intentOf,
  memberOf,
  mirrorIntent,
  observedOf,
  runningOf,
  UPSTREAM,
} from './agent-world.js';

const permit = { leftMs: 4000, ageMs: 1000 };

function planOf(member: ObservedMember, journal: Partial<JournalState> = {}): MemberPlan {
  const [plan] = planSteps(observedOf(member, journal));
  if (plan === undefined) throw new Error('no plan');
  return plan;
}

/** One line: the steps, then what is waited for and refused. */
function lineOf(member: ObservedMember, journal: Partial<JournalState> = {}): string {
  const { steps, waits, refusals } = planOf(member, journal);
  return [
    steps.map((step) => step.kind).join(' ') || '-',
    ...waits.map(({ code }) => `wait:${code}`),
    ...refusals.map(({ code }) => `refuse:${code}`),
  ].join(' | ');
}

const retirement = {
  member: '00.cortex',
  service: 'cortex',
  storage: '/srv/00.cortex',
  term: 4,
  reason: 'failover',
  at: 5,
};
const retiredMarker = {
  kind: 'found' as const,
  marker: {
    format: 1 as const,
    service: 'cortex',
    member: '00.cortex',
    term: 3,
    retired: { term: 4, at: 5, reason: 'failover' },
  },
};

describe('the agent’s plan: starting', () => {
  it('makes and starts a mirror at once', () => {
    expect(lineOf(memberOf(mirrorIntent()))).to.equal('create write-marker write-role start');
  });
  it('makes and starts the leader of a mirrored service only with a permit (I1)', () => {
    expect(lineOf(memberOf(intentOf()))).to.equal('- | wait:no-permit');
    expect(lineOf(memberOf(intentOf(), { permit }))).to.equal(
      'create write-marker write-role start',
    );
  });
  it('starts a leader without mirrors, or one that boots autonomously, without a permit', () => {
    const storedRole = { upstreamUrl: null };
    for (const intent of [intentOf({ mirrored: false }), intentOf({ boot: 'autonomous' })])
      expect(lineOf(memberOf(intent, { storedRole }))).to.equal('create write-marker start');
  });
  it('asks for a permit all the same when its isolation would stop it again', () => {
    const isolation = { onIsolation: 'stop' as const, leaseMs: 5000 };
    expect(lineOf(memberOf(intentOf({ boot: 'autonomous', isolation })))).to.equal(
      '- | wait:no-permit',
    );
  });
  it('fetches a missing image before anything else, and stops nothing for it', () => {
    const changed = runningOf(mirrorIntent(), { specDigest: 'other', imagePresent: false });
    expect(lineOf(changed)).to.equal('pull | wait:image-missing');
  });
  it('starts an exited one again, and leaves it alone while its backoff lasts', () => {
    const container = { ...runningOf(mirrorIntent()).container, state: 'exited' as const };
    const exited = runningOf(mirrorIntent(), { container, engine: { answered: false } });
    expect(lineOf(exited)).to.equal('start');
    const backoff = { cause: 'exit' as const, failures: 3, leftMs: 4000 };
    const { waits } = planOf({ ...exited, backoff, lastLines: ['boom'] });
    expect(waits[0]?.code).to.equal('crash-loop');
    expect(waits[0]?.deadlineAt).to.equal(1_004_000);
    expect(waits[0]?.evidence.map(({ value }) => value)).to.deep.equal(['unknown', 'boom']);
  });
  it('does not try failed steps again at once', () => {
    const backoff = { cause: 'step' as const, failures: 1, leftMs: 900, lastError: 'disk full' };
    expect(lineOf(memberOf(mirrorIntent(), { backoff }))).to.equal('- | wait:step-failed');
  });
  it('goes on when the step that failed is not needed any more', () => {
    const backoff = { cause: 'step' as const, failures: 4, leftMs: 9000, failedStep: 'pull' };
    expect(lineOf(memberOf(mirrorIntent(), { backoff, imagePresent: false }))).to.equal(
      '- | wait:image-missing | wait:step-failed',
    );
    expect(lineOf(memberOf(mirrorIntent(), { backoff }))).to.equal(
      'create write-marker write-role start',
    );
  });
  it('never makes a leader of a storage that mirrors, unless it promoted it in this term', () => {
    const storedRole = { upstreamUrl: UPSTREAM };
    const mirror = memberOf(intentOf(), { permit, storedRole });
    // It runs as the mirror that it is: only a running member can be promoted.
    const asMirror = 'create write-marker start | wait:stored-role-differs';
    expect(lineOf(mirror)).to.equal(asMirror);
    expect(lineOf(mirror, { promotions: { '00.cortex': 2 } })).to.equal(asMirror);
    expect(lineOf(mirror, { promotions: { '00.cortex': 3 } })).to.equal(
      'create write-marker write-role start',
    );
  });
  it('leaves a leader that has handed leadership over in its own term the mirror that it became (I1)', () => {
    const handedOver = memberOf(intentOf(), { permit, storedRole: { upstreamUrl: UPSTREAM } });
    const journal = { promotions: { '00.cortex': 3 }, led: { '00.cortex': 3 } };
    const asMirror = 'create write-marker start | wait:stored-role-differs';
    expect(lineOf(handedOver, journal)).to.equal(asMirror);
    // Of an earlier term it says nothing about this one.
    expect(lineOf(handedOver, { ...journal, led: { '00.cortex': 2 } })).to.equal(
      'create write-marker write-role start',
    );
  });
  it('does not undo a promotion that its order does not know yet', () => {
    const container = { ...runningOf(mirrorIntent()).container, state: 'exited' as const };
    const died = runningOf(mirrorIntent(), { container, storedRole: { upstreamUrl: null } });
    expect(lineOf(died, { promotions: { '00.cortex': 4 } })).to.equal('- | wait:promoted');
  });
});

describe('the agent’s plan: a running member', () => {
  it('does nothing when all is as wanted', () => {
    expect(lineOf(runningOf(intentOf(), { permit }))).to.equal('-');
    expect(lineOf(runningOf(mirrorIntent()))).to.equal('-');
    expect(lineOf(runningOf(mirrorIntent(), { storedRole: { upstreamUrl: ALIAS } }))).to.equal('-');
  });
  it('makes it anew when its spec differs, a leader with the permit in hand', () => {
    const changed = { specDigest: 'other' };
    expect(lineOf(runningOf(mirrorIntent(), changed))).to.equal('stop remove create start');
    expect(lineOf(runningOf(intentOf(), changed))).to.equal('- | wait:no-permit');
    expect(lineOf(runningOf(intentOf(), { ...changed, permit }))).to.equal(
      'stop remove create start',
    );
  });
  it('points a mirror at its new upstream, but not while it is promoted', () => {
    const storedRole = { upstreamUrl: 'tcp://10.0.0.9:1' };
    expect(lineOf(runningOf(mirrorIntent(), { storedRole }))).to.equal('stop write-role start');
    expect(lineOf(runningOf(mirrorIntent(), { storedRole, promoting: true }))).to.equal('-');
  });
  it('stops a mirror that leads, but not one that it promoted itself (I1)', () => {
    const leads = runningOf(mirrorIntent(), {
      engine: { answered: true, active: true },
      storedRole: { upstreamUrl: null },
    });
    expect(lineOf(leads)).to.equal('stop | wait:active-mirror');
    expect(lineOf(leads, { promotions: { '00.cortex': 4 } })).to.equal('-');
  });
  it('stops an isolated leader when its lease is over (I1)', () => {
    const isolation = { onIsolation: 'stop' as const, leaseMs: 5000 };
    const isolated = { permit: { leftMs: 0, ageMs: 5000 } };
    expect(lineOf(runningOf(intentOf({ isolation }), isolated))).to.equal('stop | wait:no-permit');
    expect(lineOf(runningOf(intentOf(), isolated))).to.equal('-');
    const fresh = { permit: { leftMs: 1, ageMs: 4999 } };
    expect(lineOf(runningOf(intentOf({ isolation }), fresh))).to.equal('-');
  });
  it('takes a restart policy away, and notes a new term in the storage', () => {
    const { container } = runningOf(mirrorIntent());
    const always = { container: { ...container, restartPolicy: 'always' } };
    expect(lineOf(runningOf(mirrorIntent(), always))).to.equal('set-restart-policy');
    const earlier = runningOf(mirrorIntent()).marker;
    expect(lineOf(runningOf(mirrorIntent({ term: 4 }), { marker: earlier }))).to.equal(
      'write-marker',
    );
  });
  it('touches nothing when the runtime does not answer', () => {
    const container = { state: 'unknown' as const, error: 'no answer' };
    expect(lineOf(runningOf(mirrorIntent(), { container }))).to.equal(
      '- | wait:runtime-unavailable',
    );
  });
});

describe('the agent’s plan: what must not be', () => {
  it('refuses a storage that another one uses (I9)', () => {
    const storageUsers = [{ name: 'old-cortex', running: true }];
    expect(lineOf(memberOf(mirrorIntent(), { storageUsers }))).to.equal(
      '- | refuse:storage-in-use',
    );
    const [first, second] = planSteps({
      ...observedOf(memberOf(mirrorIntent())),
      members: [memberOf(mirrorIntent()), memberOf(mirrorIntent({ member: '01.cortex' }))],
    });
    expect(first?.refusals[0]?.code).to.equal('storage-in-use');
    expect(second?.steps).to.deep.equal([]);
  });
  it('refuses a storage of a newer term, of another service, or with a damaged marker', () => {
    const { marker } = runningOf(mirrorIntent({ term: 9 }));
    expect(lineOf(memberOf(mirrorIntent(), { marker }))).to.equal('- | refuse:older-term');
    const foreign = runningOf(mirrorIntent({ service: 'axon' })).marker;
    expect(lineOf(memberOf(mirrorIntent(), { marker: foreign }))).to.equal(
      '- | refuse:foreign-storage',
    );
    const damaged = { kind: 'unreadable' as const, error: 'garbage' };
    expect(lineOf(memberOf(mirrorIntent(), { marker: damaged }))).to.equal(
      '- | refuse:marker-unreadable',
    );
  });
  it('fences: stops first, then writes it down everywhere (I2)', () => {
    expect(lineOf(runningOf(intentOf({ run: 'retired' }), { permit }))).to.equal(
      'stop journal-retirement write-marker write-retired-role journal-retired-stop | refuse:retired',
    );
  });
  it('writes a retirement down even when the runtime does not answer', () => {
    const container = { state: 'unknown' as const };
    expect(lineOf(runningOf(intentOf({ run: 'retired' }), { container }))).to.equal(
      'journal-retirement write-marker | wait:runtime-unavailable | refuse:retired',
    );
  });
  it('starts nothing on a retired storage, by marker alone or by memory alone (I2)', () => {
    const byMarker = memberOf(mirrorIntent({ member: '07.cortex' }), { marker: retiredMarker });
    expect(lineOf(byMarker)).to.equal(
      'journal-retirement write-retired-role journal-retired-stop | refuse:retired',
    );
    const retirements = { [retirement.storage]: { ...retirement, proven: true } };
    expect(lineOf(memberOf(mirrorIntent()), { retirements })).to.equal(
      'write-marker | refuse:retired',
    );
  });
  it('stops and counts a retired one that somebody started (I2)', () => {
    const retirements = { [retirement.storage]: { ...retirement, proven: true } };
    const marker = retiredMarker;
    const storedRole = { upstreamUrl: 'tcp://nobody' };
    const started = runningOf(intentOf({ run: 'retired' }), { marker, storedRole });
    expect(lineOf(started, { retirements })).to.equal(
      'stop journal-retired-start journal-retired-stop | refuse:retired',
    );
  });
  it('gives a retired one that somebody started seconds to stop, whatever its grace (I2)', () => {
    const spec = { ...intentOf().spec, stopGraceMs: 120_000 };
    const seen = runningOf(intentOf({ run: 'retired', spec }), { marker: retiredMarker });
    const graceOf = (proven: boolean): number | undefined => {
      const retirements = { [retirement.storage]: { ...retirement, proven } };
      const stop = planOf(seen, { retirements }).steps.find((step) => step.kind === 'stop');
      return stop?.kind === 'stop' ? stop.graceMs : undefined;
    };
    expect(graceOf(true)).to.equal(5000);
    expect(graceOf(false)).to.equal(120_000); // when it is fenced it may take its time
  });
  it('stops and removes what shall be stopped and removed', () => {
    expect(lineOf(runningOf(intentOf({ run: 'stopped' })))).to.equal('stop');
    expect(lineOf(runningOf(intentOf({ run: 'removed' })))).to.equal('stop remove');
    expect(lineOf(memberOf(intentOf({ run: 'removed' })))).to.equal('-');
  });
});

const states: readonly ContainerState[] = [
  'absent',
  'created',
  'running',
  'paused',
  'restarting',
  'exited',
  'unknown',
];
const anyIntent = fc
  .record({
    run: fc.constantFrom(
      'running' as const,
      'stopped' as const,
      'retired' as const,
      'removed' as const,
    ),
    role: fc.constantFrom('leader' as const, 'mirror' as const),
    mirrored: fc.boolean(),
    boot: fc.constantFrom('wait' as const, 'autonomous' as const),
    isolation: fc.record({
      onIsolation: fc.constantFrom('keep' as const, 'stop' as const),
      leaseMs: fc.constant(5000),
    }),
  })
  .map((changes) => (changes.role === 'mirror' ? mirrorIntent(changes) : intentOf(changes)));
const anyMember = anyIntent.chain((intent) =>
  fc
    .record({
      state: fc.constantFrom(...states),
      specDigest: fc.constantFrom('same', 'other'),
      restartPolicy: fc.constantFrom('no', 'always'),
      stored: fc.constantFrom(undefined, null, UPSTREAM, ALIAS, 'tcp://10.0.0.9:1'),
      storedKnown: fc.boolean(),
      active: fc.boolean(),
      answered: fc.boolean(),
      imagePresent: fc.boolean(),
      markerTerm: fc.constantFrom(undefined, 2, 3, 4),
      retired: fc.boolean(),
      permitMs: fc.constantFrom(0, 3000),
      ageMs: fc.constantFrom(0, 6000),
      inUse: fc.boolean(),
      promoting: fc.boolean(),
    })
    .map((seen): ObservedMember => {
      const base = memberOf(intent);
      const marker = { ...retiredMarker.marker, term: seen.markerTerm ?? 0 };
      const { retired: _, ...living } = marker;
      return {
        ...base,
        container:
          seen.state === 'absent'
            ? { state: 'absent' }
            : {
                state: seen.state,
                specDigest: seen.specDigest === 'same' ? base.specDigest : 'other',
                restartPolicy: seen.restartPolicy,
              },
        engine: { answered: seen.answered && seen.state === 'running', active: seen.active },
        marker:
          seen.markerTerm === undefined
            ? { kind: 'none' }
            : { kind: 'found', marker: seen.retired ? marker : living },
        storedRole: seen.storedKnown ? { upstreamUrl: seen.stored } : undefined,
        imagePresent: seen.imagePresent,
        permit: { leftMs: seen.permitMs, ageMs: seen.ageMs },
        storageUsers: seen.inUse ? [{ name: 'other', running: true }] : [],
        promoting: seen.promoting,
      };
    }),
);
const anyJournal = fc
  .record({
    retired: fc.boolean(),
    proven: fc.boolean(),
    promotedAt: fc.constantFrom(undefined, 2, 3, 4),
  })
  .map(({ retired, proven, promotedAt }): JournalState => ({
    ...emptyState,
    retirements: retired ? { [retirement.storage]: { ...retirement, proven } } : {},
    promotions: promotedAt === undefined ? {} : { '00.cortex': promotedAt },
  }));

describe('the agent’s plan: properties', () => {
  it('is the same for the same host', () => {
    fc.assert(
      fc.property(anyMember, anyJournal, (member, journal) => {
        const observed = observedOf(member, journal);
        expect(planSteps(observed)).to.deep.equal(planSteps(structuredClone(observed)));
      }),
    );
  });

  it('never starts without what a start needs, at any step of any plan (I1, I2, I9)', () => {
    fc.assert(
      fc.property(anyMember, anyJournal, (member, journal) => {
        let observed = observedOf(member, journal);
        for (let round = 0; round < 4; round += 1)
          for (const step of planOf(observed.members[0] ?? member, observed.journal).steps) {
            const now = observed.members[0] ?? member;
            if (step.kind === 'start' || step.kind === 'create') {
              const { intent, marker } = now;
              expect(intent.run).to.equal('running');
              expect(marker.kind === 'found' && marker.marker.retired !== undefined).to.equal(
                false,
              );
              expect(observed.journal.retirements).to.deep.equal({});
              expect(now.storageUsers).to.deep.equal([]);
              if (intent.role === 'leader' && intent.mirrored && intent.boot === 'wait')
                expect(now.permit.leftMs).to.be.greaterThan(0);
            }
            if (step.kind === 'start') {
              // A mirror never starts as a leader; a leader that its storage calls a mirror starts as one.
              if (now.intent.role === 'mirror')
                expect(now.storedRole?.upstreamUrl).to.be.a('string');
              expect(now.container.state).to.be.oneOf(['created', 'exited']);
            }
            if (step.kind === 'write-role' && step.wanted.role === 'leader') {
              const { member: name, term } = now.intent;
              const isPromoted = observed.journal.promotions[name] === term;
              expect(typeof now.storedRole?.upstreamUrl !== 'string' || isPromoted).to.equal(true);
            }
            if (step.kind === 'remove')
              expect(now.container.state).to.not.be.oneOf(['running', 'unknown', 'absent']);
            observed = applyStep(observed, step);
          }
      }),
      { numRuns: 2000 },
    );
  });

  it('comes to rest: planned again after a few rounds there is nothing left to do', () => {
    fc.assert(
      fc.property(anyMember, anyJournal, (member, journal) => {
        let observed = observedOf(member, journal);
        for (let round = 0; round < 4; round += 1)
          for (const step of planSteps(observed)[0]?.steps ?? [])
            observed = applyStep(observed, step);
        const [plan] = planSteps(observed);
        expect(plan?.steps.map((step) => step.kind)).to.deep.equal([]);
        const [after] = observed.members;
        const isDone =
          after?.intent.run !== 'running' ||
          after.container.state === 'running' ||
          [...(plan?.waits ?? []), ...(plan?.refusals ?? [])].length > 0;
        expect(isDone, 'no plan is empty without a reason').to.equal(true);
      }),
      { numRuns: 2000 },
    );
  });
});
