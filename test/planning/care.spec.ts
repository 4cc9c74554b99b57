// What keeps a service healthy: who is optimized after whom, when a log may be cut, who is stopped for a cold backup, and
// that nobody is left stopped.
import { expect } from 'chai';
import fc from 'fast-check';
import { controlOperation } from '@leafward/controller/planning/index.js';
import type { Goal, MemberFact } from '@leafward/shared/gen/domain.js';
import '../property-seed.js';
import { deployedCare, withSnapshots, type CareWorld } from './care-world.js';
import { golden, shown } from './text.js';

const optimize: Goal = { kind: 'optimize', service: 'cortex' };
const trim: Goal = { kind: 'trim', service: 'cortex' };
const cold: Goal = { kind: 'backup', service: 'cortex', name: 'b2', cold: true };
const snapshot: Goal = { kind: 'backup', service: 'cortex', name: 'b2', snapshot: true };
const ALONE = { members: [['00.cortex', 'alpha']] } as const;

function tell(world: CareWorld, name: string, change: (fact: MemberFact) => MemberFact): void {
  const facts = world.facts[world.hostOf(name)];
  const before = facts?.[name];
  if (facts === undefined || before === undefined) throw new Error(`nothing of ${name}`);
  facts[name] = { ...before, value: change(before.value) };
}
const codesOf = (world: CareWorld, goal: Goal): readonly string[] =>
  world.plan(goal).refusals.map(({ code }) => code);
const running = (world: CareWorld): readonly string[] =>
  [...world.machines.values()].flatMap(({ cells }) =>
    [...cells].flatMap(([name, cell]) => (cell.running ? [name] : [])),
  );

describe('optimize', () => {
  it('goes from the deepest mirror, hands over, and ends with the old leader', () => {
    expect(shown(deployedCare(), optimize)).to.equal(
      golden(`
      plan ID optimize cortex

      moves
        m1  optimize 03.cortex on delta by cold copies  (depth 2, a leaf)
        m2  optimize 01.cortex on bravo by cold copies  (depth 1, its mirrors are done)
        m3  optimize 02.cortex on charlie by cold copies  (depth 1, a leaf)
        m4  hand over from 00.cortex to 01.cortex, term 2  (01.cortex is optimized; 00.cortex follows it and is next)
        m5  optimize 00.cortex on alpha by cold copies  (the old leader, a mirror by now)

      unchanged
        01.cortex leads afterwards; to hand leadership back: leafward plan promote cortex --to 00.cortex
    `),
    );
  });

  it('says what a leader without mirrors costs', () => {
    const world = deployedCare(ALONE);
    world.history = { 'cortex/optimize': 90_000 };
    expect(shown(world, optimize)).to.equal(
      golden(`
      plan ID optimize cortex

      moves
        m1  optimize 00.cortex on alpha by cold copies  (the only member)  ~1m30s

      warnings
        00.cortex leads and is down while it is optimized: it has no mirror; about 1 min 30 s

      expected downtime: 1m30s
    `),
    );
  });

  it('stops one after another, each caught up before the next, and takes back what it told them', () => {
    const world = deployedCare({ image: 'cortex:2.180.1' });
    world.onAct = () => expect(running(world)).to.have.length.of.at.least(3);
    expect(world.plan(optimize).moves.flatMap((m) => ('way' in m ? [m.way] : []))).to.eql(
      Array.from({ length: 4 }, () => 'on-boot'),
    );
    expect(world.apply(optimize).state).to.equal('done');
    expect(world.acts.filter((act) => /^(on-boot|clear|promote)/.test(act))).to.eql([
      'on-boot 03.cortex',
      'clear 03.cortex',
      'on-boot 01.cortex',
      'clear 01.cortex',
      'on-boot 02.cortex',
      'clear 02.cortex',
      'promote 01.cortex 2',
      'on-boot 00.cortex',
      'clear 00.cortex',
    ]);
    expect(world.violations).to.eql([]);
  });

  it('is refused without the room for what it writes anew (I7)', () => {
    const world = deployedCare({ image: 'cortex:2.180.1' });
    const storage = { dataBytes: 90, largestDatabaseBytes: 40, totalBytes: 200, freeBytes: 49 };
    tell(world, '02.cortex', (fact) => ({ ...fact, storage: { ...fact.storage, ...storage } }));
    expect(codesOf(world, optimize)).to.eql(['no-space']);
    tell(world, '02.cortex', (fact) => ({ ...fact, storage: { ...fact.storage, freeBytes: 50 } }));
    expect(codesOf(world, optimize)).to.eql([]);
  });

  it('starts a member again when the act fails, and only then pauses', () => {
    const world = deployedCare();
    world.failures = ['failed'];
    const operation = world.apply(optimize);
    expect(operation.state).to.equal('paused');
    expect(operation.reason).to.match(/the disk broke; its own storage is whole.*runs again/);
    expect(running(world)).to.have.length(4);
  });

  it('leaves nobody stopped, whatever fails and whenever it is aborted', () => {
    const state = fc.constantFrom('failed', 'unknown', 'refused') as fc.Arbitrary<'failed'>;
    fc.assert(
      fc.property(fc.array(state, { maxLength: 3 }), fc.nat(80), (failures, rounds) => {
        const world = deployedCare();
        world.failures = [...failures];
        const { id } = world.begin(world.plan(optimize));
        for (let round = 0; round < rounds; round += 1) world.round();
        const before = world.operation(id);
        if (before !== undefined)
          world.replace(controlOperation(before, 'abort', 'enough', world.now));
        for (let round = 0; round < 60; round += 1) world.round();
        expect(running(world)).to.have.length(4);
        expect(world.violations).to.eql([]);
      }),
      { numRuns: 40 },
    );
  });
});

describe('trim', () => {
  it('names every mirror of the tree', () => {
    const world = deployedCare();
    let named: readonly string[] = [];
    world.onAct = (request) => {
      if (request.kind === 'trim-log') named = request.consumers;
    };
    expect(shown(world, trim)).to.equal(
      golden(`
      plan ID trim the log of cortex

      moves
        m1  trim the log by 00.cortex on alpha, read by 03.cortex, 01.cortex, 02.cortex  (every mirror has what is cut)

      warnings
        a mirror that comes back later from a backup older than this cut can only be begun again: leafward plan reseed

      expected downtime: 0ms
    `),
    );
    expect(world.apply(trim).state).to.equal('done');
    const { declaration } = world.services['cortex']!;
    const urls = declaration.members.filter(({ upstream }) => upstream !== undefined);
    expect([...named].sort()).to.eql(urls.map(({ url }) => url).sort());
  });

  it('is refused with a mirror that is gone, behind or stopped, without any, and beside other work (I8)', () => {
    const gone = deployedCare();
    gone.powerOff('delta');
    gone.now += 1000;
    expect(codesOf(gone, trim)).to.eql(['host-silent']);
    const behind = deployedCare();
    tell(behind, '02.cortex', (fact) => ({ ...fact, engine: { ...fact.engine, uplink: false } }));
    expect(codesOf(behind, trim)).to.eql(['reader-unfit']);
    expect(codesOf(deployedCare(ALONE), trim)).to.eql(['no-mirrors']);
    const busy = deployedCare();
    tell(busy, '02.cortex', (fact) => ({ ...fact, activity: 'run-backup: hashing' }));
    expect(codesOf(busy, trim)).to.eql(['member-busy']);
  });

  it('waits at its begin for a mirror that went meanwhile, and cuts nothing', () => {
    const world = deployedCare();
    const { id } = world.begin(world.plan(trim));
    world.powerOff('charlie');
    world.now += 1000;
    for (let round = 0; round < 10; round += 1) world.round();
    expect(world.operation(id)?.progress[0]?.wait?.code).to.equal('host-silent');
    expect(world.acts.filter((act) => act.startsWith('trim'))).to.eql([]);
  });
});

describe('a cold backup', () => {
  it('stops a mirror rather than the leader, with what it said of itself', () => {
    const world = deployedCare();
    expect(shown(world, cold)).to.equal(
      golden(`
      plan ID back up, stopped, cortex

      moves
        m1  back up 03.cortex on delta, stopped, as b2  (a mirror, so that the service goes on)

      expected downtime: 0ms
    `),
    );
    expect(world.apply(cold).state).to.equal('done');
    expect(world.acts.filter((act) => act.startsWith('cold'))).to.eql(['cold-backup 03.cortex']);
    expect(running(world)).to.have.length(4);
  });

  it('says that the service is down for its leader, and does not stop a second one (I4)', () => {
    const world = deployedCare(ALONE);
    expect(world.plan(cold).warnings).to.eql([
      'cortex is down while its leader 00.cortex is stopped: how long is not known yet',
    ]);
    const other = deployedCare();
    other.powerOff('charlie');
    other.now += 1000;
    expect(codesOf(other, cold)).to.eql(['member-unhealthy']);
  });

  it('gives up without leaving the member stopped when its end is not known', () => {
    const world = deployedCare();
    world.failures = ['unknown'];
    expect(world.apply(cold).state).to.equal('paused');
    expect(running(world)).to.have.length(4);
  });
});

describe('a snapshot', () => {
  it('freezes the member, and says that it is no backup', () => {
    const world = withSnapshots(deployedCare({ image: 'cortex:2.250.0' }), true);
    expect(shown(world, snapshot)).to.equal(
      golden(`
      plan ID take a snapshot of cortex

      moves
        m1  run the snapshot command for 03.cortex on delta, frozen  (a mirror near its leader, so that no write pauses)

      warnings
        a snapshot is no backup that Leafward can verify, drill or restore: it is not in the catalogue
        every write to 03.cortex waits while the command runs: it falls behind its upstream for that long

      expected downtime: 0ms
    `),
    );
    const [move] = world.plan(snapshot).moves;
    expect(move?.kind === 'snapshot' && move.command).to.eql(['snap', '03.cortex']);
    const operation = world.apply(snapshot);
    expect(operation.progress[0]?.note).to.equal(
      'the command took 1 s; writes stood for 1200 ms; it printed: snap-1',
    );
  });

  it('is refused where nothing can be frozen, without a command, and where somebody froze it', () => {
    expect(codesOf(deployedCare(), snapshot)).to.eql(['no-snapshot-command']);
    const old = withSnapshots(deployedCare(), true);
    expect(codesOf(old, snapshot)).to.eql(['cannot-freeze']);
    expect(codesOf(withSnapshots(deployedCare(), false), snapshot)).to.eql([]);
    const frozen = withSnapshots(deployedCare({ image: 'cortex:2.250.0' }), true);
    tell(frozen, '03.cortex', (fact) => ({ ...fact, engine: { ...fact.engine, paused: true } }));
    expect(codesOf(frozen, { ...snapshot, member: '03.cortex' })).to.eql(['frozen']);
    expect(codesOf(frozen, { ...snapshot, cold: true })).to.eql(['two-ways']);
  });
});
