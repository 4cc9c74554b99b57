// The low-downtime update: what its plan says, whom it refuses, and that it holds for every tree and order of events.
import { expect } from 'chai';
import fc from 'fast-check';
import { assertPlanSafe } from '@leafward/controller/planning/prove-plan.js';
import { controlOperation } from '@leafward/controller/planning/index.js';
import type { Goal, UpdateOptions } from '@leafward/shared/gen/domain.js';
import { backupOf, deployed, type TreeOptions, type World } from './model.js';
import { golden, shown } from './text.js';

const OLD = 'cortex:2.180.0';
const NEW = 'cortex:2.250.0';
const goal = (options: Partial<UpdateOptions> = {}): Goal => ({
  kind: 'update',
  service: 'cortex',
  image: NEW,
  options: { strategy: 'low-downtime', acknowledged: [], ...options },
});

/** Trees of two to six members; somebody mirrors the leader. */
const trees = fc
  .array(fc.nat(), { minLength: 1, maxLength: 5 })
  .map((draws) => [
    ['00.cortex', 'host0'] as const,
    ...draws.map(
      (draw, index) =>
        [`0${index + 1}.cortex`, `host${index + 1}`, `0${draw % (index + 1)}.cortex`] as const,
    ),
  ]);

function treeWorld(members: NonNullable<TreeOptions['members']>): World {
  const world = deployed({ members, image: OLD });
  world.backups = [backupOf('00.cortex', 'cortex', 'host0', world.now)];
  return world;
}

/** Waits for nothing for ever: what is paused is resumed. */
function toTheEnd(world: World, id: string): string {
  for (let attempt = 0; attempt < 6; attempt += 1) {
    const operation = world.run(id, 300);
    if (operation.state !== 'paused') return operation.state;
    world.replace(controlOperation(operation, 'resume', 'resumed', world.now));
  }
  return world.operation(id)?.reason ?? 'still going';
}

describe('a low-downtime update', function () {
  this.timeout(60_000);

  it('updates the mirrors, hands over to the one with mirrors of its own, and says what is to be known', () => {
    const world = deployed({ image: OLD });
    world.history = { 'cortex/hand-over': 400, 'cortex/recreate': 20_000 };
    expect(shown(world, goal())).to.equal(
      golden(`
      plan ID update cortex to cortex:2.250.0

      moves
        m1  pull cortex:2.250.0 on alpha, bravo, charlie, delta  (before anything is stopped)
        m2  recreate 03.cortex on delta  (depth 2, a leaf)  ~20s
              image: cortex:2.180.0 (302e3038312e) → cortex:2.250.0 (302e3035322e)
        m3  recreate 01.cortex on bravo  (depth 1, its mirrors are done)  ~20s
              image: cortex:2.180.0 (302e3038312e) → cortex:2.250.0 (302e3035322e)
        m4  recreate 02.cortex on charlie  (depth 1, a leaf)  ~20s
              image: cortex:2.180.0 (302e3038312e) → cortex:2.250.0 (302e3035322e)
        m5  hand over from 00.cortex to 01.cortex, term 2  (00.cortex is updated while 01.cortex leads)  ~400ms
        m6  recreate 00.cortex on alpha  (the old leader, as a mirror of 01.cortex)  ~20s
              image: cortex:2.180.0 (302e3038312e) → cortex:2.250.0 (302e3035322e)

      what to expect
        writes to cortex pause while 01.cortex takes over, about 400 ms, instead of about 20 s while its leader restarts
        a mirror of cortex replicates all the while

      warnings
        from the hand-over until its own update 00.cortex is older than 01.cortex, which it mirrors: it is read-only and does not replicate (the one exception to I3)
        02.cortex mirrors 00.cortex and stands still with it
        03.cortex goes on replicating from 01.cortex all the while
        model migrations run on the leader only, so 01.cortex runs them when it takes over, and writes pause for them as well
        01.cortex leads afterwards; to put 00.cortex back: leafward plan promote cortex --to 00.cortex

      expected downtime: 400ms
    `),
    );
    expect(world.apply(goal()).state).to.equal('done');
    expect(world.services['cortex']?.topology).to.include({ leader: '01.cortex', term: 2 });
    expect(world.plan(goal()).moves).to.eql([]);
    expect(world.violations).to.eql([]);
  });

  it('says how long no mirror replicates where the one that takes over has none of its own', () => {
    const world = deployed({
      image: OLD,
      members: [
        ['00.cortex', 'alpha'],
        ['01.cortex', 'charlie', '00.cortex'],
      ],
    });
    world.history = { 'cortex/hand-over': 400, 'cortex/recreate': 20_000 };
    world.backups = [backupOf('01.cortex', 'cortex', 'charlie', world.now)];
    const plan = world.plan(goal());
    expect(plan.outlooks?.services[0]).to.include({
      handOverMs: 400,
      leaderRestartMs: 20_000,
      withoutMirrorMs: 20_000,
    });
    expect(plan.warnings.join('\n')).to.include(
      'no mirror replicates from the hand-over until 00.cortex was updated and has caught up, about 20 s: what 01.cortex acknowledges then is on 01.cortex alone',
    );
  });

  it('is the policy of a service whose manifest says so, and leafs-first can be said against it', () => {
    const world = deployed({ image: OLD, extra: '    update: { strategy: low-downtime }' });
    const kinds = (wanted: Goal): readonly string[] =>
      world.plan(wanted).moves.map(({ kind }) => kind);
    expect(kinds({ kind: 'update', service: 'cortex', image: NEW })).to.include('hand-over');
    expect(kinds(goal({ strategy: 'leafs-first' }))).not.to.include('hand-over');
  });

  it('is refused without a direct mirror, without a guard in the version, and with nobody near', () => {
    const alone = deployed({ image: OLD, members: [['00.cortex', 'alpha']] });
    const old = deployed({ image: 'cortex:2.150.0' });
    const lame = deployed({ image: OLD });
    for (const [name, host] of [
      ['01.cortex', 'bravo'],
      ['02.cortex', 'charlie'],
    ] as const) {
      const fact = lame.facts[host]![name]!;
      const engine = { ...fact.value.engine, uplink: false };
      lame.facts[host]![name] = { ...fact, value: { ...fact.value, engine } };
    }
    const codes = (world: World): readonly string[] => {
      world.backups = [backupOf('00.cortex', 'cortex', 'alpha', world.now)];
      return world.plan(goal()).refusals.map(({ code }) => code);
    };
    expect(codes(alone)).to.eql(['no-direct-mirror']);
    expect(codes(old)).to.eql(['no-version-guard']);
    expect(codes(lame)).to.include('mirror-unhealthy');
    const [refusal] = alone.plan(goal()).refusals;
    expect(refusal?.unblock).to.equal(
      'update it leafs first: leafward plan update cortex --image cortex:2.250.0 --strategy leafs-first',
    );
  });

  it('holds I3 at every prefix but for the old leader right before its own update', () => {
    fc.assert(
      fc.property(trees, (members) => {
        const world = treeWorld(members);
        const plan = world.plan(goal());
        expect(plan.refusals).to.eql([]);
        const at = plan.moves.findIndex(({ kind }) => kind === 'hand-over');
        const restarted = (moves: typeof plan.moves): readonly string[] =>
          moves.flatMap((move) => (move.kind === 'recreate' ? [move.member] : []));
        expect([...restarted(plan.moves.slice(0, at))].sort()).to.eql(
          members
            .slice(1)
            .map(([name]) => name)
            .sort(),
        );
        expect(restarted(plan.moves.slice(at))).to.eql(['00.cortex']);
        // The proof would not take it without the exception, nor with anything in between.
        const moves = plan.moves.map((move) =>
          move.kind === 'hand-over' ? { ...move, leavesOlder: undefined } : move,
        );
        expect(() => assertPlanSafe(world.snapshot(), { ...plan, moves })).to.throw('I3');
        expect(() =>
          assertPlanSafe(world.snapshot(), { ...plan, moves: plan.moves.slice(0, -1) }),
        ).to.throw('I3');
      }),
      { numRuns: 40 },
    );
  });

  it('through any order of crashes, cuts and delays loses no write, breaks nothing and ends', () => {
    const happenings = fc.array(fc.tuple(fc.nat(9), fc.nat()), { maxLength: 120 });
    fc.assert(
      fc.property(trees, happenings, (members, events) => {
        const world = treeWorld(members);
        const { id } = world.begin(world.plan(goal()));
        for (const [kind, where] of events) {
          const host = `host${where % members.length}`;
          world.now += 100;
          if (kind === 0) world.machine(host).connected = !world.machine(host).connected;
          else if (kind === 1) world.carryOut(host, where % 2 === 0 ? 'after' : 'before');
          else if (kind === 2) world.advance(id);
          else if (kind === 3) world.report(host);
          else if (kind < 6) world.write('cortex');
          else world.round(200);
        }
        for (const machine of world.machines.values()) machine.connected = true;
        expect(toTheEnd(world, id)).to.equal('done');
        world.settle();
        for (let count = 0; count < 8; count += 1) world.round();
        expect(world.violations).to.eql([]);
        const leader = world.services['cortex']?.topology.leader ?? '';
        expect(world.cell(leader).log).to.include.members(world.acknowledged);
        for (const [name] of members) {
          expect(world.cell(name).intent.spec.image.version).to.equal('2.250.0');
          expect(world.cell(name).log).to.eql(world.cell(leader).log);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('given up after the hand-over leaves a tree that runs, and the next plan updates the old leader alone', () => {
    const world = deployed({ image: OLD });
    const { id } = world.begin(world.plan(goal()));
    const handOver = world.operation(id)?.moves.findIndex(({ kind }) => kind === 'hand-over') ?? 0;
    for (let count = 0; count < 200; count += 1) {
      if (world.operation(id)?.progress[handOver]?.state === 'begun') break;
      world.round();
    }
    world.replace(controlOperation(world.operation(id)!, 'abort', 'enough', world.now));
    expect(world.run(id).state).to.equal('aborted');
    world.settle();
    expect(world.services['cortex']?.topology.leader).to.equal('01.cortex');
    for (let count = 0; count < 3000; count += 1) world.write('cortex');
    for (let count = 0; count < 4; count += 1) world.round();
    const again = world.plan(goal());
    expect(again.warnings).to.include('02.cortex stands still until 00.cortex above it is updated');
    expect(again.refusals).to.eql([]);
    expect(again.moves.map((move) => ('member' in move ? move.member : move.kind))).to.eql([
      'pull',
      '00.cortex',
    ]);
    expect(world.apply(goal()).state).to.equal('done');
    const excepted = '00.cortex is older than 01.cortex (I3)';
    expect(world.violations.filter((one) => !one.startsWith(excepted))).to.eql([]);
  });
});
