// Obligations one by one: what waits, what pauses and with which words, and what an operator can do about it.
import { expect } from 'chai';
import { buildStatus, controlOperation, explain } from '@leafward/controller/planning/index.js';
import type { Goal, Operation } from '@leafward/shared/gen/domain.js';
import { deployed, manifestOf, type World } from './model.js';

const update: Goal = { kind: 'update', service: 'cortex', image: 'cortex:2.150.0' };
const promote: Goal = { kind: 'promote', service: 'cortex', to: '01.cortex' };

const begin = (world: World, goal: Goal): string => {
  const plan = world.plan(goal);
  expect(plan.refusals).to.eql([]);
  return world.begin(plan).id;
};

const waitOf = (operation: Operation | undefined) =>
  operation?.progress.find((progress) => progress.wait !== undefined)?.wait;

describe('operations', () => {
  it('the next member is not stopped while another one is down (I4)', () => {
    const world = deployed();
    const id = begin(world, update);
    world.advance(id);
    for (const host of world.machines.keys()) {
      world.now += 100;
      world.carryOut(host);
      world.report(host);
    }
    world.powerOff('charlie');
    for (let round = 0; round < 20; round += 1) world.round();
    expect(world.acts).not.to.include('start 03.cortex 2.150.0');
    expect(waitOf(world.operation(id))?.message).to.match(
      /m2 cannot begin: 02.cortex is silent.*\(I4\)/,
    );
    world.machine('charlie').off = false;
    expect(world.run(id).state).to.equal('done');
  });

  it('a begin that stays unsafe pauses, says why, and goes on when resumed', () => {
    const world = deployed();
    const id = begin(world, update);
    world.powerOff('charlie');
    for (let round = 0; round < 40; round += 1) world.round(60_000);
    expect(world.operation(id)?.state).to.equal('paused');
    expect(world.operation(id)?.reason).to.match(
      /m1 failed: charlie must pull cortex:2.150.0 and is not connected, for 1\d min.* now/,
    );
    world.machine('charlie').off = false;
    world.backups = world.backups.map((backup) => ({ ...backup, finishedAt: world.now }));
    world.replace(controlOperation(world.operation(id)!, 'resume', 'charlie is back', world.now));
    expect(world.run(id).state).to.equal('done');
    expect(world.violations).to.eql([]);
  });

  it('an abort does not wait for a host that is silent, so that a failover can begin', () => {
    const world = deployed();
    const id = begin(world, update);
    world.advance(id);
    world.powerOff('charlie'); // it was just asked to pull
    for (let round = 0; round < 3; round += 1) world.round();
    expect(waitOf(world.operation(id))?.code).to.equal('host-silent');
    world.replace(controlOperation(world.operation(id)!, 'abort', 'charlie is dead', world.now));
    world.advance(id);
    expect(world.operation(id)?.state).to.equal('aborted');
  });

  it('a fence without proof never goes on by itself', () => {
    const world = deployed();
    const cell = world.cell('00.cortex');
    cell.running = false;
    cell.active = false;
    world.report('alpha');
    const id = begin(world, { kind: 'failover', service: 'cortex' });
    world.machine('alpha').connected = false;
    for (let round = 0; round < 30; round += 1) world.round(60_000);
    expect(world.operation(id)?.state).to.equal('paused');
    expect(world.operation(id)?.reason).to.match(
      /may still lead behind a broken line.*--leader-is-off/,
    );
    expect(world.acts.filter((act) => act.startsWith('promote'))).to.eql([]);
    expect(world.services['cortex']?.topology.term).to.equal(1);
  });

  it('mirrors with other histories are never chosen silently', () => {
    const world = deployed();
    world.powerOff('alpha');
    world.cell('02.cortex').log = [9, 9, 9, 9, 9];
    world.round();
    const goal: Goal = { kind: 'failover', service: 'cortex', leaderIsOff: 'unplugged' };
    const id = begin(world, goal);
    const paused = world.run(id);
    expect(paused.state).to.equal('paused');
    expect(paused.reason).to.match(/histories of the mirrors differ: .*02.cortex at position 5/);
    world.replace(controlOperation(paused, 'abort', 'I name one', world.now));
    world.settle();
    const named = world.apply({ ...goal, to: '01.cortex' });
    expect(named.state).to.equal('done');
    expect(named.chosen).to.equal('01.cortex');
    expect(world.cell('02.cortex').running).to.equal(false);
    expect(world.violations).to.eql([]);
  });

  it('the most advanced mirror is chosen, also a mirror of a mirror', () => {
    const world = deployed();
    world.powerOff('alpha');
    world.cell('01.cortex').log = world.cell('01.cortex').log.slice(0, 3);
    world.cell('02.cortex').log = world.cell('02.cortex').log.slice(0, 3);
    for (const host of ['bravo', 'charlie', 'delta']) world.report(host);
    // Nobody copies while the leader is away, so the deepest one has most.
    const plan = world.plan({ kind: 'failover', service: 'cortex', leaderIsOff: 'unplugged' });
    const { id } = world.begin(plan);
    for (let round = 0; round < 30; round += 1) {
      world.now += 300;
      for (const host of world.machines.keys()) {
        world.receive(host);
        world.carryOut(host);
        world.report(host);
      }
      world.advance(id);
    }
    expect(world.operation(id)?.chosen).to.equal('03.cortex');
    expect(world.services['cortex']?.topology.upstreams).to.eql({
      '01.cortex': '03.cortex',
      '02.cortex': '03.cortex',
    });
  });

  it('two operations on one service are refused at the plan (I10)', () => {
    const world = deployed();
    begin(world, update);
    expect(world.plan(promote).refusals.map((refusal) => refusal.code)).to.include('busy');
  });

  it('a promotion whose end is unknown is decided by what both members say', () => {
    const world = deployed();
    const id = begin(world, promote);
    world.advance(id);
    world.carryOut('bravo', 'after');
    expect(world.run(id).state).to.equal('done');
    expect(world.acts.filter((act) => act.startsWith('promote'))).to.eql(['promote 01.cortex 2']);
    expect(world.violations).to.eql([]);
  });

  it('a deploy of policies alone is an operation that stops nobody', () => {
    const world = deployed();
    const manifest = manifestOf({ extra: '    backup: { maxAge: 12h }' });
    const before = world.acts.length;
    const plan = world.plan({ kind: 'deploy', manifest });
    expect(plan.moves.map((move) => move.cause)).to.eql([
      'goes on as it is; policies change: backup.maxAgeMs 86400000 → 43200000',
    ]);
    expect(world.apply({ kind: 'deploy', manifest }).state).to.equal('done');
    expect(world.services['cortex']?.declaration.backup.maxAgeMs).to.equal(43_200_000);
    expect(world.acts).to.have.length(before);
    expect(world.plan({ kind: 'deploy', manifest }).moves).to.eql([]);
  });

  it('an old manifest does not take back what an update brought (I5)', () => {
    const world = deployed();
    world.apply(update);
    const plan = world.plan({ kind: 'deploy', manifest: manifestOf() });
    expect(plan.moves).to.eql([]);
    expect(plan.warnings.join()).to.match(/has cortex:2.150.0 since an update/);
  });
});

describe('status and why', () => {
  it('draws the tree from the leader down', () => {
    const [view] = buildStatus(deployed().snapshot()).services;
    expect(
      view?.members.map(({ member, depth, state, lag }) => [member, depth, state, lag]),
    ).to.eql([
      ['00.cortex', 0, 'leading', undefined],
      ['01.cortex', 1, 'mirroring', 0],
      ['03.cortex', 2, 'mirroring', 0],
      ['02.cortex', 1, 'mirroring', 0],
    ]);
    expect(view?.problems).to.eql([]);
  });

  it('says what is wrong, and says it of a retired member that runs', () => {
    const world = deployed();
    world.powerOff('alpha');
    world.round();
    world.apply({ kind: 'failover', service: 'cortex', leaderIsOff: 'unplugged' });
    const status = buildStatus(world.snapshot());
    const old = status.services[0]?.members.find((member) => member.member === '00.cortex');
    expect(old?.state).to.equal('retired');
    expect(status.hosts.find((host) => host.host === 'alpha')?.problems.join()).to.match(
      /not connected/,
    );
    world.machine('alpha').off = false;
    world.cell('00.cortex').running = true;
    world.report('alpha');
    expect(buildStatus(world.snapshot()).problems.join('\n')).to.match(
      /00.cortex: it is retired and runs: stop it now \(I2\)/,
    );
  });

  it('explains members, services, hosts and operations with facts and what would unblock them', () => {
    const world = deployed();
    const id = begin(world, update);
    world.machine('delta').connected = false;
    for (let round = 0; round < 3; round += 1) world.round();
    const snapshot = world.snapshot();
    const [operation] = explain(snapshot, id);
    expect(operation?.summary).to.match(/^update is running: 0 of 5 moves done/);
    expect(operation?.waits[0]?.unblock).not.to.equal('');
    const [member] = explain(snapshot, '03.cortex');
    expect(member?.summary).to.match(/mirror of 01.cortex, wanted running on delta, is silent/);
    expect(member?.facts[0]).to.include({
      name: 'agent',
      value: 'not connected',
      wanted: 'connected',
    });
    expect(explain(snapshot, 'cortex').map((one) => one.subject)).to.include.members([
      'cortex',
      '00.cortex',
      '03.cortex',
    ]);
    expect(explain(snapshot, 'delta')[0]?.summary).to.match(/not connected/);
    expect(explain(snapshot, 'nobody')).to.eql([]);
  });
});
