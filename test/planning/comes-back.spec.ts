// Members that come back when nobody counts on them any more, and operations that are given up half-way: nobody of
// another history may lead, be copied from or be backed up, and whoever was stopped for nothing starts again.
import { expect } from 'chai';
import { buildStatus, controlOperation } from '@leafward/controller/planning/index.js';
import type { Goal, Operation, Outcome } from '@leafward/shared/gen/domain.js';
import { deployed, described, manifestOf, stacked, type World } from './model.js';

const restore: Goal = {
  kind: 'restore',
  service: 'cortex',
  backup: 'b1',
  wipe: false,
  id: 'r1',
};
const failover: Goal = { kind: 'failover', service: 'cortex', leaderIsOff: 'unplugged' };
const MEMBERS = ['00.cortex', '01.cortex', '02.cortex', '03.cortex'];

const begin = (world: World, goal: Goal): string => {
  const plan = world.plan(goal);
  expect(plan.refusals).to.eql([]);
  return world.begin(plan).id;
};

const abort = (world: World, id: string): Operation => {
  world.replace(controlOperation(world.operation(id)!, 'abort', 'not today', world.now));
  const ended = world.run(id);
  world.settle();
  for (let round = 0; round < 5; round += 1) world.round();
  return ended;
};

/** Rounds until the move of this kind is begun. */
function until(world: World, id: string, kind: string, phase = 1): void {
  for (let round = 0; round < 200; round += 1) {
    const operation = world.operation(id);
    const index = operation?.moves.findIndex((move) => move.kind === kind) ?? -1;
    const progress = operation?.progress[index];
    if (progress?.state === 'begun' && progress.phase === phase) return;
    world.round();
  }
  throw new Error(`${kind} never began: ${JSON.stringify(world.operation(id)?.progress)}`);
}

/** Restored while delta was silent: its mirror is back, runs on and was not reached by its order to stop yet. */
function withStranger(): World {
  const world = deployed();
  world.machine('delta').connected = false;
  world.round();
  world.now += 61_000;
  for (const host of ['alpha', 'bravo', 'charlie']) world.report(host);
  const ended = world.apply(restore);
  expect(ended.state, ended.reason).to.equal('done');
  // What it has is of the line that was given up, and there is more of it.
  world.cell('03.cortex').log = [1000, 1001, 1002, 1003, 1004, 1005, 1006];
  world.machine('delta').connected = true;
  world.report('delta');
  expect(world.cell('03.cortex').running).to.equal(true);
  return world;
}

describe('a mirror that comes back after a restore', () => {
  it('takes over from nobody, although it has more than all others', () => {
    const world = withStranger();
    world.powerOff('charlie');
    const plan = world.plan(failover);
    expect(plan.moves.find((move) => move.kind === 'choose')).to.have.property(
      'expected',
      '00.cortex',
    );
    const { id } = world.begin(plan);
    for (let round = 0; round < 100 && world.operation(id)?.state === 'running'; round += 1) {
      world.now += 500;
      for (const host of ['alpha', 'bravo']) {
        world.receive(host);
        world.reconcile(host);
        world.carryOut(host);
      }
      // It takes its time to stop, and answers meanwhile.
      world.carryOut('delta');
      for (const host of ['alpha', 'bravo', 'delta']) world.report(host);
      world.advance(id);
      if (world.operation(id)?.chosen !== undefined) break;
    }
    expect(world.operation(id)?.chosen).to.be.oneOf(['00.cortex', '01.cortex']);
  });

  it('is no source of a backup or a copy, and no successor', () => {
    const world = withStranger();
    const refusals = (goal: Goal): readonly string[] =>
      world.plan(goal).refusals.map((refusal) => refusal.code);
    expect(refusals({ kind: 'backup', service: 'cortex', name: 'b9', member: '03.cortex' })).to.eql(
      ['member-unhealthy'],
    );
    const { topology } = world.services['cortex']!;
    world.services['cortex'] = {
      ...world.services['cortex']!,
      topology: { ...topology, upstreams: { ...topology.upstreams, '03.cortex': '02.cortex' } },
    };
    expect(refusals({ kind: 'promote', service: 'cortex', to: '03.cortex' })).to.eql([
      'mirror-unhealthy',
    ]);
    expect(buildStatus(world.snapshot()).problems.join('\n')).to.match(
      /03.cortex: it runs and was told to stop/,
    );
  });
});

describe('a mirror that comes back during a restore', () => {
  it('holds nothing up, and is stopped when the new term begins', () => {
    const world = deployed();
    world.machine('delta').connected = false;
    world.round();
    world.now += 61_000;
    for (const host of ['alpha', 'bravo', 'charlie']) world.report(host);
    const id = begin(world, restore);
    until(world, id, 'halt');
    world.machine('delta').connected = true;
    const ended = world.run(id);
    expect(ended.state, ended.reason).to.equal('done');
    for (let round = 0; round < 5; round += 1) world.round();
    expect(world.cell('03.cortex').running).to.equal(false);
    expect(world.violations).to.eql([]);
  });
});

describe('a restore that is given up', () => {
  it('starts everybody again when its agent refused it', () => {
    const world = deployed();
    world.backedUp.clear();
    const id = begin(world, restore);
    expect(world.run(id).state).to.equal('paused');
    expect(abort(world, id).state).to.equal('aborted');
    for (const name of MEMBERS) expect(world.cell(name).running, name).to.equal(true);
    expect(world.write('cortex')).to.equal(true);
    expect(world.services['cortex']?.topology.term).to.equal(1);
    expect(world.violations).to.eql([]);
  });

  it('starts the old leader again when the host of the restored one dies in the middle', () => {
    const world = deployed();
    const id = begin(world, restore);
    until(world, id, 'restore');
    world.powerOff('charlie');
    for (let round = 0; round < 40 && world.operation(id)?.state === 'running'; round += 1)
      world.round(60_000);
    expect(world.operation(id)?.state).to.equal('paused');
    expect(abort(world, id).state).to.equal('aborted');
    expect(world.write('cortex')).to.equal(true);
    world.machine('charlie').off = false;
    for (let round = 0; round < 10; round += 1) world.round();
    expect(world.cell('02.cortex').running).to.equal(false);
    expect(world.services['cortex']?.topology).to.include({ term: 1, leader: '00.cortex' });
    expect(world.violations).to.eql([]);
  });

  it('begins no restore after a failed wait and an abort', () => {
    const world = deployed();
    world.backedUp.clear();
    const id = begin(world, restore);
    const paused = world.run(id);
    world.replace(controlOperation(paused, 'resume', 'again', world.now));
    world.backedUp.set('b1', [1000]);
    expect(abort(world, id).state).to.equal('aborted');
    expect(world.acts.filter((act) => act.startsWith('restore'))).to.eql([]);
    expect(world.write('cortex')).to.equal(true);
  });
});

describe('a restore of a stack', () => {
  it('is refused while a worker is out of sight: it may write to the database that was put back', () => {
    const world = stacked();
    world.backups = world.backups.map((backup) => ({ ...backup, version: '1.58.0' }));
    world.powerOff('bravo');
    world.round();
    world.now += 61_000;
    world.report('alpha');
    const plan = world.plan({ ...restore, service: 'chat' });
    expect(plan.refusals.map((one) => one.code)).to.eql(['host-silent']);
  });
});

describe('a hand-over by stopping that is given up after its term began', () => {
  it('starts the old leader as a mirror, which can take over when its successor is dead', () => {
    const world = described();
    const id = begin(world, { kind: 'promote', service: 'cortex', to: '01.cortex' });
    until(world, id, 'hand-over', 4);
    const order = Object.keys(world.requests).find((name) => name.endsWith('.promote')) ?? '';
    const outcome: Outcome = { requestId: order, state: 'refused', startedAt: 1, changes: [] };
    world.machine('bravo').outcomes.set(order, outcome);
    expect(world.run(id).state).to.equal('paused');
    world.powerOff('bravo');
    expect(abort(world, id).state).to.equal('aborted');
    expect(world.cell('00.cortex')).to.include({ running: true, active: false });
    expect(world.apply({ ...failover, to: '00.cortex' }).state).to.equal('done');
    expect(world.write('cortex')).to.equal(true);
    expect(world.violations).to.eql([]);
  });
});

describe('a hand-over whose new leader dies before anybody has seen it lead', () => {
  it('is taken for done, since the old leader mirrors it', () => {
    const world = deployed();
    const id = begin(world, { kind: 'promote', service: 'cortex', to: '01.cortex' });
    until(world, id, 'hand-over');
    world.carryOut('bravo', 'after');
    world.cell('01.cortex').running = false;
    expect(world.cell('00.cortex')).to.include({ running: true, active: false });
    expect(world.run(id).state).to.equal('done');
    expect(world.cell('01.cortex')).to.include({ running: true, active: true });
    expect(world.write('cortex')).to.equal(true);
    expect(world.violations).to.eql([]);
  });
});

describe('a reseed whose upstream dies', () => {
  it('does not hold up the failover: an abort leaves it at once, and it is filled from the new leader', () => {
    const world = deployed();
    const id = begin(world, {
      kind: 'reseed',
      service: 'cortex',
      member: '02.cortex',
      wipe: false,
      id: 'r1',
    });
    world.advance(id);
    world.powerOff('alpha');
    world.machine('charlie').connected = false;
    world.round();
    expect(world.plan(failover).refusals.map((one) => one.code)).to.include('busy');
    world.replace(controlOperation(world.operation(id)!, 'abort', 'the leader died', world.now));
    world.advance(id);
    expect(world.operation(id)?.state).to.equal('aborted');
    world.settle();
    world.machine('charlie').connected = true;
    world.round();
    expect(world.apply(failover).state).to.equal('done');
    for (let round = 0; round < 10; round += 1) world.round();
    expect(world.cell('02.cortex')).to.include({ running: true, reseeded: 'r1' });
    expect(world.cell('02.cortex').log).to.eql(world.cell('01.cortex').log);
    expect(world.violations).to.eql([]);
  });
});

describe('a member of which nobody knows how much is free', () => {
  it('is not stopped: it might not boot again (I7)', () => {
    const world = deployed();
    const fact = world.facts['delta']!['03.cortex']!;
    const storage = { dataBytes: 1000, error: 'statfs: Input/output error' };
    world.facts['delta'] = { '03.cortex': { ...fact, value: { ...fact.value, storage } } };
    const deploy: Goal = { kind: 'deploy', manifest: manifestOf({ image: 'cortex:2.150.0' }) };
    const refusals = world.plan(deploy).refusals;
    expect(refusals.map((one) => one.code)).to.eql(['space-unknown']);
    expect(refusals[0]?.message).to.match(/03.cortex on delta is not known .*Input.output error/);
  });
});

describe('a comparison of histories', () => {
  it('is not left out for one that has nothing yet', () => {
    const world = deployed();
    world.powerOff('alpha');
    world.cell('02.cortex').log = [9, 9, 9, 9, 9];
    world.cell('03.cortex').log = [];
    world.cell('03.cortex').upstream = '00.cortex';
    world.round();
    const { id } = world.begin(world.plan(failover));
    for (let round = 0; round < 60 && world.operation(id)?.state === 'running'; round += 1) {
      world.cell('03.cortex').log = [];
      world.now += 500;
      for (const host of ['bravo', 'charlie', 'delta']) {
        world.receive(host);
        world.carryOut(host);
        world.carryOut(host);
        world.report(host);
      }
      world.advance(id);
    }
    expect(world.operation(id)?.reason).to.match(/the histories of the mirrors differ/);
  });

  it('leaves nobody out because the clock of the controller was set on', () => {
    const world = deployed();
    world.powerOff('alpha');
    world.cell('02.cortex').log = [...world.cell('01.cortex').log, 7];
    world.round();
    const { id } = world.begin(world.plan(failover));
    until(world, id, 'choose');
    world.now += 120_000;
    world.report('delta');
    world.advance(id);
    expect(world.operation(id)?.chosen).to.equal(undefined);
    for (const host of ['bravo', 'charlie']) world.report(host);
    const ended = world.run(id);
    expect(ended.state, ended.reason).to.equal('done');
    expect(world.services['cortex']?.topology.leader).to.equal('02.cortex');
  });
});
