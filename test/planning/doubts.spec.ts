// What goes wrong at the worst moment: restarts of the controller, answers that come too late, hosts that come back
// although they were said to be off, members that must stay stopped.
import { expect } from 'chai';
import { controlOperation } from '@leafward/controller/planning/index.js';
import type { Goal, Operation } from '@leafward/shared/gen/domain.js';
import { deployed, manifestOf, type World } from './model.js';

const update: Goal = { kind: 'update', service: 'cortex', image: 'cortex:2.150.0' };
const promote: Goal = { kind: 'promote', service: 'cortex', to: '01.cortex' };
const failover: Extract<Goal, { kind: 'failover' }> = {
  kind: 'failover',
  service: 'cortex',
  leaderIsOff: 'unplugged',
};
const MINUTE = 60_000;

const begin = (world: World, goal: Goal): string => {
  const plan = world.plan(goal);
  expect(plan.refusals).to.eql([]);
  return world.begin(plan).id;
};

const waitOf = (operation: Operation | undefined) =>
  operation?.progress.find((progress) => progress.wait !== undefined)?.wait;

const resume = (world: World, id: string): void =>
  world.replace(controlOperation(world.operation(id)!, 'resume', 'go on', world.now));

/** A failover named 01.cortex while 02.cortex had another history: 02.cortex is kept stopped. */
function withStranger(): World {
  const world = deployed();
  world.powerOff('alpha');
  world.cell('02.cortex').log = [9, 9, 9, 9, 9];
  world.round();
  expect(world.apply({ ...failover, to: '01.cortex' }).state).to.equal('done');
  expect(world.cell('02.cortex').running).to.equal(false);
  return world;
}

describe('a controller that was restarted', () => {
  it('does not leave out a candidate that is on its way back to it', () => {
    const world = deployed();
    world.powerOff('alpha');
    world.cell('02.cortex').log = world.cell('02.cortex').log.slice(0, 1);
    world.cell('03.cortex').log = world.cell('03.cortex').log.slice(0, 1);
    const id = begin(world, failover);
    world.advance(id);
    for (const host of ['bravo', 'charlie', 'delta']) world.machine(host).connected = false;
    world.now += 100;
    world.advance(id);
    expect(waitOf(world.operation(id))?.code).to.equal('positions');
    // The controller was away for longer than silent ones are waited for; charlie comes back first.
    world.now += MINUTE;
    world.controllerStartedAt = world.now;
    world.machine('charlie').connected = true;
    world.now += 500;
    world.report('charlie');
    world.advance(id);
    expect(world.operation(id)?.chosen).to.equal(undefined);
    world.machine('bravo').connected = true;
    world.machine('delta').connected = true;
    expect(world.run(id).state).to.equal('done');
    expect(world.operation(id)?.chosen).to.equal('01.cortex');
  });

  it('does not count the time that it was away against anybody', () => {
    const world = deployed();
    const id = begin(world, update);
    world.powerOff('charlie');
    for (let round = 0; round < 3; round += 1) world.round();
    expect(waitOf(world.operation(id))?.code).to.equal('host-silent');
    world.now += 120 * MINUTE;
    world.controllerStartedAt = world.now;
    world.advance(id);
    expect(world.operation(id)?.state).to.equal('running');
    world.machine('charlie').off = false;
    world.backups = world.backups.map((backup) => ({ ...backup, finishedAt: world.now }));
    expect(world.run(id).state).to.equal('done');
  });
});

describe("an operator's pause", () => {
  it('is no failure, however long it lasts', () => {
    const world = deployed();
    const id = begin(world, update);
    world.powerOff('charlie');
    for (let round = 0; round < 3; round += 1) world.round();
    world.replace(controlOperation(world.operation(id)!, 'pause', 'I look', world.now));
    world.now += 120 * MINUTE;
    resume(world, id);
    world.advance(id);
    expect(world.operation(id)?.state).to.equal('running');
  });
});

describe('a failover after a promotion that nobody saw the end of', () => {
  const afterCut = (): World => {
    const world = deployed();
    const id = begin(world, promote);
    world.advance(id);
    world.machine('bravo').connected = false; // it may have been promoted behind the broken line
    world.powerOff('alpha');
    world.replace(controlOperation(world.operation(id)!, 'abort', 'it hangs', world.now));
    world.replace({ ...world.operation(id)!, state: 'aborted', endedAt: world.now });
    world.now += 10 * MINUTE;
    for (const host of ['charlie', 'delta']) world.report(host);
    return world;
  };

  it('is refused while the member that was asked is out of sight (I1)', () => {
    const plan = afterCut().plan({ ...failover, to: '02.cortex' });
    expect(plan.refusals.map(({ code, subject }) => [code, subject])).to.deep.include([
      'promotion-open',
      '01.cortex',
    ]);
  });

  it('may name that very member, and goes on once it is seen not to lead', () => {
    const world = afterCut();
    const codes = (goal: Goal) => world.plan(goal).refusals.map(({ code }) => code);
    expect(codes({ ...failover, to: '01.cortex' })).not.to.include('promotion-open');
    world.now += 60 * MINUTE; // an order that nobody took is not begun any more
    world.machine('bravo').connected = true;
    for (let round = 0; round < 3; round += 1) {
      world.now += 300;
      world.report('bravo');
    }
    expect(world.cell('01.cortex').active).to.equal(false);
    expect(codes({ ...failover, to: '02.cortex' })).not.to.include('promotion-open');
  });
});

describe('a failover on an operator’s word', () => {
  it('promotes nobody while the host that was said to be off is back and shows its leader running', () => {
    const world = deployed();
    world.machine('alpha').connected = false; // alive behind a broken line
    const id = begin(world, failover);
    const mirrors = ['bravo', 'charlie', 'delta'];
    const isComparing = () => world.operation(id)?.progress[1]?.phase === 2;
    for (let round = 0; round < 5 && !isComparing(); round += 1) {
      world.now += 300;
      for (const host of mirrors) world.report(host);
      world.advance(id);
    }
    expect(isComparing()).to.equal(true);
    world.machine('alpha').connected = true;
    world.now += 300;
    for (const host of mirrors) world.carryOut(host);
    for (const host of world.machines.keys()) world.report(host);
    world.advance(id);
    expect(waitOf(world.operation(id))?.code).to.equal('fence-unproven');
    expect(world.acts.filter((act) => act.startsWith('promote'))).to.eql([]);
    expect(world.services['cortex']?.topology.term).to.equal(1);
    expect(world.run(id).state).to.equal('done');
    expect(world.cell('00.cortex').running).to.equal(false);
    expect(world.violations).to.eql([]);
  });

  it('is refused without a reason, as without a word', () => {
    const world = deployed();
    const codes = world
      .plan({ kind: 'failover', service: 'cortex', leaderIsOff: '  ' })
      .refusals.map((refusal) => refusal.code);
    expect(codes).to.eql(['leader-lives']);
  });
});

describe('a member that is kept stopped for its other history', () => {
  it('stays so in the next failover', () => {
    const world = withStranger();
    world.powerOff('bravo');
    world.round();
    const ended = world.apply({ ...failover, leaderIsOff: 'burnt' });
    expect(ended.state).to.equal('done');
    expect(ended.chosen).to.equal('03.cortex');
    expect(world.cell('02.cortex').running).to.equal(false);
  });

  it('is not started by an update or a deploy; what to do is said', () => {
    const world = withStranger();
    world.backups = world.backups.map((backup) => ({ ...backup, member: '01.cortex' }));
    const refused = world.plan(update).refusals.map((refusal) => refusal.code);
    expect(refused).to.include('other-history');
    const manifest = manifestOf({ image: 'cortex:2.150.0' });
    const deploy = world.plan({ kind: 'deploy', manifest });
    expect(deploy.refusals.map((refusal) => refusal.code)).to.include('other-history');
  });
});

describe('a graceful promotion', () => {
  it('that was carried out after it was given up is taken as it is when resumed', () => {
    const world = deployed();
    const id = begin(world, promote);
    world.advance(id);
    for (let round = 0; round < 10; round += 1) {
      world.now += MINUTE / 2;
      for (const host of world.machines.keys()) world.report(host);
      world.advance(id);
    }
    expect(world.operation(id)?.state).to.equal('paused');
    world.carryOut('bravo'); // late, and then its outcome is lost
    world.machine('bravo').outcomes.clear();
    world.requests = {};
    for (const host of world.machines.keys()) world.report(host);
    resume(world, id);
    world.now += 100;
    world.advance(id);
    expect(world.services['cortex']?.topology.leader).to.equal('01.cortex');
    expect(world.acts.filter((act) => act.startsWith('promote'))).to.eql(['promote 01.cortex 2']);
  });

  it('to a newer member is refused with what to do (I3)', () => {
    const world = deployed();
    const id = begin(world, update);
    for (let round = 0; round < 200; round += 1) {
      world.round();
      if (world.cell('01.cortex').intent.spec.image.version === '2.150.0') break;
    }
    world.replace(controlOperation(world.operation(id)!, 'abort', 'enough', world.now));
    expect(world.run(id).state).to.equal('aborted');
    world.settle();
    const [refusal] = world.plan(promote).refusals;
    expect(refusal?.code).to.equal('below-is-older');
    expect(refusal?.message).to.match(/00.cortex has version 2.113.0 .*01.cortex.*2.150.0 \(I3\)/);
  });
});

describe('an image whose version is known only once it is pulled', () => {
  it('is not given to a member that is down and had a newer one (I5)', () => {
    const world = deployed();
    const id = begin(world, update);
    const operation = world.operation(id)!;
    const old = { reference: 'cortex:old', digest: 'sha256:0ld', version: undefined };
    world.replace({
      ...operation,
      moves: operation.moves.map((move) =>
        move.kind === 'pull' ? { ...move, image: old, hosts: ['delta'] } : move,
      ),
    });
    world.cell('03.cortex').running = false;
    world.report('delta');
    world.advance(id);
    const request = Object.values(world.requests).at(-1)!;
    world.machine('delta').outcomes.set(request.request.id, {
      requestId: request.request.id,
      state: 'succeeded',
      startedAt: world.now,
      image: { ...old, version: '2.100.0' },
      changes: [],
    });
    for (const name of ['00.cortex', '01.cortex', '02.cortex']) world.cell(name).running = false;
    for (const host of world.machines.keys()) world.report(host);
    world.advance(id);
    expect(world.operation(id)?.reason).to.match(/has 2.113.0: versions never go down \(I5\)/);
  });
});

describe('a removal that was aborted', () => {
  it('is taken back by a deploy that names the member', () => {
    const world = deployed();
    const members = [
      ['00.cortex', 'alpha'],
      ['01.cortex', 'bravo', '00.cortex'],
      ['02.cortex', 'charlie', '00.cortex'],
    ] as const;
    const id = begin(world, { kind: 'deploy', manifest: manifestOf({ members }) });
    world.powerOff('delta');
    world.machine('delta').connected = true;
    world.advance(id);
    for (let round = 0; round < 3; round += 1) world.round();
    world.replace(controlOperation(world.operation(id)!, 'abort', 'keep it', world.now));
    world.advance(id);
    expect(world.operation(id)?.state).to.equal('aborted');
    world.settle();
    world.machine('delta').off = false;
    world.round();
    const plan = world.plan({ kind: 'deploy', manifest: manifestOf() });
    expect(plan.moves.map((move) => move.kind)).to.include('recreate');
    expect(plan.unchanged.join()).not.to.include('03.cortex is as it should be');
  });
});

describe('a deploy that was aborted', () => {
  it('is planned again as if it had not been', () => {
    const world = deployed();
    const goal: Goal = { kind: 'deploy', manifest: manifestOf({ image: 'cortex:2.150.0' }) };
    const id = begin(world, goal);
    world.advance(id);
    world.replace(controlOperation(world.operation(id)!, 'abort', 'not now', world.now));
    expect(world.run(id).state).to.equal('aborted');
    world.settle();
    const again = world.plan(goal);
    expect(again.warnings).to.eql([]);
    expect(again.moves.map((move) => move.kind)).to.eql([
      'pull',
      'recreate',
      'recreate',
      'recreate',
      'recreate',
    ]);
  });
});

describe('a member that its agent is still at', () => {
  it('has not settled, although it still answers as before (I4)', () => {
    const world = deployed();
    const id = begin(world, update);
    const isAtWork = () => waitOf(world.operation(id))?.message.includes('its agent is at stop');
    for (let round = 0; round < 60 && isAtWork() !== true; round += 1) {
      world.now += 300;
      for (const host of world.machines.keys()) {
        world.receive(host);
        world.reconcile(host);
        world.carryOut(host);
      }
      world.replicate();
      for (const host of world.machines.keys()) {
        world.report(host);
        for (const [name, fact] of Object.entries(world.facts[host] ?? {}))
          world.facts[host]![name] = { ...fact, value: { ...fact.value, activity: 'stop' } };
      }
      world.advance(id);
    }
    expect(isAtWork()).to.equal(true);
    expect(world.acts.filter((act) => act.endsWith(' 2.150.0'))).to.have.length(1);
    expect(world.run(id).state).to.equal('done');
  });
});
