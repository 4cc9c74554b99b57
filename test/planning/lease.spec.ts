// A silent host with `onIsolation: stop`: its lease proves the fence, an operator's word waits for it unless it is meant
// for at once, and nobody is promoted before.
import { expect } from 'chai';
import { renderPlan } from '@leafward/shared/render-plan.js';
import type { Goal, Isolation, Operation } from '@leafward/shared/gen/domain.js';
import { deployed, type World } from './model.js';

const failover: Extract<Goal, { kind: 'failover' }> = { kind: 'failover', service: 'cortex' };
const extra = `    stopGrace: 20s
    failover: { onIsolation: stop, lease: 5s, stopGrace: 2s, clockMargin: 1s }`;
/** Lease, agent's turn, dead-man's look, grace, kill, margin. */
const UNTIL_FENCED_MS = 5000 + 1000 + 1000 + 2000 + 1000 + 1000;

/** Cut off now; its own host stops the leader in time. */
function cutOff(world: World): void {
  world.machine('alpha').connected = false;
}
function round(world: World, cutOffAt: number): void {
  const cell = world.cell('00.cortex');
  if (world.now + 300 - cutOffAt >= UNTIL_FENCED_MS - 1000) {
    cell.running = false;
    cell.active = false;
  }
  // The model's agents know no lease: this one's machine does nothing else while it is cut off.
  world.machine('alpha').off = !cell.running;
  world.round();
}
const waitOf = (operation: Operation | undefined) =>
  operation?.progress.find((progress) => progress.wait !== undefined)?.wait;

describe('a leader whose own host stops it', () => {
  it('is failed over without anybody’s word once its lease is over, and not before', () => {
    const world = deployed({ extra });
    const cutOffAt = world.now;
    cutOff(world);
    world.round();
    const plan = world.plan(failover);
    expect(plan.refusals).to.deep.equal([]);
    expect(plan.gates.find(({ name }) => name === 'proof')?.message).to.equal(
      'its own host stops it, at the latest 11 s after the last answer of a controller (onIsolation: stop)',
    );
    expect(plan.warnings[0]).to.equal(
      '00.cortex may still lead for 11 s: the fence waits until its last permit and its time for stopping are over',
    );
    const { id } = world.begin(plan);
    for (let rounds = 0; rounds < 2; rounds += 1) round(world, cutOffAt);
    const wait = waitOf(world.operation(id));
    expect(wait?.code).to.equal('lease-runs');
    expect(wait?.message).to.match(/^host alpha is silent: 00.cortex may still lead for \d+ s/);
    while (world.now - cutOffAt < UNTIL_FENCED_MS) {
      expect(world.acts.filter((act) => act.startsWith('promote'))).to.deep.equal([]);
      round(world, cutOffAt);
    }
    for (let left = 60; left > 0 && world.operation(id)?.state === 'running'; left -= 1)
      round(world, cutOffAt);
    expect(world.operation(id)?.state).to.equal('done');
    expect(world.operation(id)?.progress[0]?.note).to.equal(
      'alpha has been silent for longer than 11 s: it has stopped 00.cortex by itself',
    );
    expect(world.violations).to.deep.equal([]);
  });

  it('is waited for although an operator says that it is off, unless that is meant for at once', () => {
    for (const atOnce of [undefined, true]) {
      const world = deployed({ extra });
      const cutOffAt = world.now;
      world.powerOff('alpha');
      const plan = world.plan({ ...failover, leaderIsOff: 'unplugged', atOnce });
      expect(renderPlan(plan)).to.include(`unplugged${atOnce === true ? ', at once' : '  ('}`);
      const ended = world.run(world.begin(plan).id);
      expect(ended.state).to.equal('done');
      const provenAfterMs = (ended.progress[0]?.endedAt ?? 0) - cutOffAt;
      if (atOnce === true) expect(provenAfterMs).to.be.lessThan(1000);
      else expect(provenAfterMs).to.be.at.least(UNTIL_FENCED_MS);
      expect(world.violations).to.deep.equal([]);
    }
  });

  it('takes the mirrors of its host along: nobody waits for those a second time', () => {
    const members = [
      ['00.cortex', 'alpha'],
      ['01.cortex', 'bravo', '00.cortex'],
      ['02.cortex', 'alpha', '00.cortex'],
    ] as const;
    const world = deployed({ extra, members });
    world.powerOff('alpha');
    const plan = world.plan({ ...failover, leaderIsOff: 'unplugged', atOnce: true });
    const ended = world.run(world.begin(plan).id);
    expect(ended.state).to.equal('done');
    const [fence, choose] = ended.progress;
    expect((choose?.endedAt ?? Infinity) - (fence?.endedAt ?? 0)).to.be.lessThan(2000);
    expect(ended.chosen).to.equal('01.cortex');
    expect(world.violations).to.deep.equal([]);
  });

  it('needs a word when its agent never had the order that makes it stop', () => {
    const world = deployed();
    cutOff(world);
    const order = world.intents['alpha']!;
    const isolation = { onIsolation: 'stop' as const, leaseMs: 5000 };
    const members = order.members.map((member) => ({ ...member, isolation }));
    world.order({ ...order, generation: order.generation + 1, members });
    world.round();
    expect(world.plan(failover).refusals.map(({ code }) => code)).to.deep.equal([
      'leader-unproven',
    ]);
  });

  it('needs none when its host was ordered something else meanwhile, as for another of its leaders', () => {
    const world = deployed({ extra });
    cutOff(world);
    const order = world.intents['alpha']!;
    world.order({ ...order, generation: order.generation + 7 });
    world.round();
    expect(world.plan(failover).refusals).to.deep.equal([]);
  });

  it('counts with what its agent may have been told last, whatever it said', () => {
    const world = deployed({ extra });
    cutOff(world);
    const order = world.intents['alpha']!;
    const later = (generation: number, isolation: Isolation): void =>
      world.order({
        ...order,
        generation,
        members: order.members.map((member) => ({ ...member, isolation })),
      });
    const warning = (): string | undefined => world.plan(failover).warnings[0];
    world.round();
    later(8, { onIsolation: 'stop', leaseMs: 60_000 });
    expect(warning()).to.match(/^00.cortex may still lead for 1 min 2\d s/);
    // Taken back, and the agent may have had it all the same.
    later(9, { onIsolation: 'keep', leaseMs: 5000 });
    later(10, { onIsolation: 'stop', leaseMs: 5000 });
    expect(world.plan(failover).refusals.map(({ code }) => code)).to.deep.equal([
      'leader-unproven',
    ]);
  });

  it('may have been confirmed by a controller before this one until just before it began', () => {
    const world = deployed({ extra });
    cutOff(world);
    world.now += 3_600_000;
    world.controllerStartedAt = world.now;
    const [warning] = world.plan(failover).warnings;
    expect(warning).to.match(/^00.cortex may still lead for 11 s/);
  });
});
