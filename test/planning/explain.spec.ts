// Why: every subject is explained with facts, their ages and thresholds, and with what would unblock it.
import { expect } from 'chai';
import { buildStatus, controlOperation, explain } from '@leafward/controller/planning/index.js';
import type { HostState, Snapshot } from '@leafward/controller/snapshot.js';
import { deployed, type World } from './model.js';

const withHost = (world: World, name: string, more: Partial<HostState>): Snapshot => {
  const snapshot = world.snapshot();
  return {
    ...snapshot,
    hosts: { ...snapshot.hosts, [name]: { ...snapshot.hosts[name]!, ...more } },
  };
};

describe('why', () => {
  it('knows nothing of a name that is nobody’s, also of one that every object has', () => {
    const snapshot = deployed().snapshot();
    for (const name of ['nobody', 'constructor', '__proto__', 'toString', ''])
      expect(explain(snapshot, name), name).to.eql([]);
  });

  it('a member: what is wanted, what is seen, with age and threshold', () => {
    const world = deployed();
    world.now += 1000;
    const [one] = explain(world.snapshot(), '01.cortex');
    expect(one?.summary).to.match(/mirror of 00.cortex, wanted running on bravo, is mirroring$/);
    const lag = one?.facts.find((fact) => fact.name === 'lag');
    expect(lag?.wanted).to.match(/^≤ \d+$/);
    expect(lag?.seenAt).to.equal(world.now - 1000);
    expect(one?.refusals).to.eql([]);
  });

  it('a service: itself and all its members, the retired ones too', () => {
    const world = deployed();
    world.powerOff('alpha');
    world.round();
    world.apply({ kind: 'failover', service: 'cortex', leaderIsOff: 'burnt' });
    const [own, ...members] = explain(world.snapshot(), 'cortex');
    expect(own?.summary).to.match(/^01.cortex leads in term 2/);
    expect(own?.facts.map((fact) => fact.name)).to.include('retired 00.cortex');
    expect(members.map((one) => one.subject)).to.have.members([
      '00.cortex',
      '01.cortex',
      '02.cortex',
      '03.cortex',
    ]);
    const old = members.find((one) => one.subject === '00.cortex');
    const starts = old?.facts.find((fact) => fact.name === 'starts since it was retired');
    expect(starts?.wanted).to.equal('0');
  });

  it('a host: silence with its age, an order that was refused with the agent’s own words', () => {
    const world = deployed();
    world.powerOff('charlie');
    world.now += 5000;
    const [silent] = explain(world.snapshot(), 'charlie');
    expect(silent?.summary).to.match(/not connected, last seen 5(\.0)? ?s ago/);
    const refusedIntent = 'this agent does not know the kind synapse';
    const [refusing] = explain(withHost(world, 'bravo', { refusedIntent }), 'bravo');
    expect(refusing?.summary).to.include(`refuses its newest order: ${refusedIntent}`);
    expect(buildStatus(withHost(world, 'bravo', { refusedIntent })).problems.join()).to.include(
      refusedIntent,
    );
  });

  it('an operation that waits, one that failed, and what to do about each', () => {
    const world = deployed();
    const { id } = world.begin(
      world.plan({ kind: 'update', service: 'cortex', image: 'cortex:2.150.0' }),
    );
    world.powerOff('charlie');
    for (let round = 0; round < 3; round += 1) world.round();
    const [waiting] = explain(world.snapshot(), id);
    expect(waiting?.summary).to.match(/^update is running: 0 of 5 moves done, at m1 \(pull/);
    expect(waiting?.waits.map((wait) => wait.code)).to.eql(['host-silent']);
    expect(waiting?.waits[0]?.unblock).to.not.equal('');
    expect(waiting?.waits[0]?.deadlineAt).to.be.greaterThan(world.now);
    for (let round = 0; round < 40; round += 1) world.round(60_000);
    const [failed] = explain(world.snapshot(), id);
    expect(failed?.refusals.map((refusal) => refusal.code)).to.eql(['move-failed']);
    expect(failed?.refusals[0]?.unblock).to.include(`leafward operation resume ${id}`);
    world.replace(controlOperation(world.operation(id)!, 'resume', 'resume by ada', world.now));
    const [resumed] = explain(world.snapshot(), id);
    expect(resumed?.summary).to.match(/running.*resume by ada$/);
    expect(resumed?.refusals).to.eql([]);
  });

  it('shows no value of an environment variable anywhere (I14)', () => {
    const world = deployed({ extra: '    environment: { TOKEN: opensesame }' });
    const told = ['cortex', '00.cortex', 'alpha'].map((name) => explain(world.snapshot(), name));
    expect(JSON.stringify(told)).not.to.include('opensesame');
    expect(JSON.stringify(world.intents)).to.include('opensesame');
  });
});
