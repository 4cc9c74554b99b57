// The hand-over of a service that cannot pass leadership on by itself: which kinds take it, what it loses (nothing), and
// that whatever goes wrong before the new term puts the old leader back.
import { expect } from 'chai';
import fc from 'fast-check';
import { buildStatus, controlOperation } from '@leafward/controller/planning/index.js';
import type { Goal, Operation, Outcome } from '@leafward/shared/gen/domain.js';
import { deployed, described, type World } from './model.js';

const promote: Goal = { kind: 'promote', service: 'cortex', to: '01.cortex' };

const begin = (world: World, goal: Goal = promote): string => {
  const plan = world.plan(goal);
  expect(plan.refusals).to.eql([]);
  return world.begin(plan).id;
};

/** Rounds until the move is in this phase. */
function until(world: World, id: string, phase: number): Operation {
  for (let round = 0; round < 100; round += 1) {
    const operation = world.operation(id);
    if (operation?.progress[0]?.phase === phase) return operation;
    if (operation?.state !== 'running') break;
    world.round();
  }
  throw new Error(`never in phase ${phase}: ${JSON.stringify(world.operation(id)?.progress)}`);
}

const leads = (world: World, member: string): boolean =>
  world.cell(member).active && !world.cell(member).fenced && world.write('cortex');

describe('a hand-over by stopping', () => {
  it('is planned for a kind that has no command to promote, with the pause that it means', () => {
    const world = described();
    const [move] = world.plan(promote).moves;
    expect(move).to.include({ kind: 'hand-over', byStopping: true, term: 2 });
    expect(world.plan(promote).warnings[0]).to.match(
      /writes pause from the moment 00.cortex steps down until 01.cortex leads, how long is not known/,
    );
    expect(deployed().plan(promote).moves[0]).not.to.have.property('byStopping', true);
  });

  it('is refused with the commands that are missing', () => {
    const plan = described({ without: ['forcePromote'] }).plan(promote);
    expect(plan.moves).to.eql([]);
    expect(plan.refusals[0]).to.include({
      code: 'kind-cannot',
      message:
        'cortex is of kind pg, which cannot hand leadership over: it has no command promote, or else forcePromote',
    });
  });

  it('loses nothing that was acknowledged, whoever writes meanwhile', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(3), { minLength: 30, maxLength: 60 }),
        fc.boolean(),
        (draws, fences) => {
          const world = described();
          world.stepsDown = fences;
          const id = begin(world);
          for (const draw of draws) {
            for (let count = 0; count < draw; count += 1) world.write('cortex');
            world.round();
          }
          // One that is stopped without a fence may have more than its mirror: then it is put back.
          expect(['done', 'paused']).to.include(world.run(id).state);
          expect(world.violations).to.eql([]);
          const { leader = '' } = world.services['cortex']?.topology ?? {};
          expect(world.cell(leader).active).to.equal(true);
          expect(world.cell(leader).log.slice(-world.acknowledged.length)).to.eql(
            world.acknowledged,
          );
        },
      ),
      { numRuns: 40 },
    );
  });

  it('puts the old leader back when its mirror does not reach its last position', () => {
    const world = described();
    const id = begin(world);
    until(world, id, 2);
    world.powerOff('bravo');
    for (let round = 0; round < 60; round += 1) world.round(2000);
    const operation = world.operation(id);
    expect(operation?.state).to.equal('paused');
    expect(operation?.reason).to.match(
      /01.cortex must reach 5.*00.cortex was put back and leads as before/,
    );
    expect(leads(world, '00.cortex')).to.equal(true);
    expect(world.services['cortex']?.topology).to.include({ term: 1, leader: '00.cortex' });
    world.machine('bravo').off = false;
    for (let round = 0; round < 5; round += 1) world.round();
    world.replace(controlOperation(operation!, 'resume', 'bravo is back', world.now));
    expect(world.run(id).state).to.equal('done');
    expect(world.violations).to.eql([]);
  });

  it('puts it back when nobody knows how far its log goes', () => {
    const world = described();
    world.stepsDown = false;
    world.storesPosition = false;
    const id = begin(world);
    for (let round = 0; round < 60; round += 1) world.round(2000);
    expect(world.operation(id)?.reason).to.match(/how far the log of 00.cortex goes is not known/);
    expect(leads(world, '00.cortex')).to.equal(true);
  });

  it('does not trust a position that was told before the leader was started again', () => {
    const world = described();
    world.storesPosition = false;
    const id = begin(world);
    until(world, id, 1);
    world.carryOut('alpha');
    // It crashes and is started again before its order to stop arrives: its fence is gone, and it takes a write.
    const cell = world.cell('00.cortex');
    Object.assign(cell, { fenced: false, starts: cell.starts + 1 });
    world.write('cortex');
    for (let round = 0; round < 60; round += 1) world.round(2000);
    expect(world.operation(id)?.state).to.equal('paused');
    expect(world.operation(id)?.reason).to.match(/how far the log of 00.cortex goes is not known/);
    expect(world.acts.filter((act) => act.startsWith('promote'))).to.eql([]);
  });

  it('an abort in any phase ends with one leader that takes writes', () => {
    for (let at = 0; at < 25; at += 1) {
      const world = described();
      const id = begin(world);
      for (let round = 0; round < at; round += 1) world.round();
      const operation = world.operation(id);
      if (operation !== undefined)
        world.replace(controlOperation(operation, 'abort', 'not today', world.now));
      const { state } = world.run(id);
      for (let round = 0; round < 5; round += 1) world.round();
      expect(['aborted', 'done'], `at ${at}`).to.include(state);
      const { leader = '' } = world.services['cortex']?.topology ?? {};
      expect(leads(world, leader), `at ${at}: ${leader}`).to.equal(true);
      expect(world.violations).to.eql([]);
      for (const name of ['00.cortex', '01.cortex', '02.cortex', '03.cortex'])
        expect(world.cell(name).running, `${name} at ${at}`).to.equal(true);
    }
  });

  it('orders the promotion again when its end is unknown, and never puts the old one back then', () => {
    const world = described();
    const id = begin(world);
    until(world, id, 4);
    expect(world.services['cortex']?.topology).to.include({ term: 2, leader: '01.cortex' });
    world.receive('bravo');
    world.carryOut('bravo', 'before');
    expect(world.run(id).state).to.equal('done');
    expect(world.cell('01.cortex').active).to.equal(true);
    expect(world.cell('00.cortex').active).to.equal(false);
    expect(world.violations).to.eql([]);
  });

  it('a promotion that is refused leaves nobody leading, and a resume goes forward', () => {
    const world = described();
    const id = begin(world);
    until(world, id, 4);
    const order = Object.keys(world.requests).find((name) => name.endsWith('.promote')) ?? '';
    const outcome: Outcome = { requestId: order, state: 'refused', startedAt: 1, changes: [] };
    world.machine('bravo').outcomes.set(order, outcome);
    const paused = world.run(id);
    expect(paused.reason).to.match(/refused to promote 01.cortex/);
    expect(world.write('cortex')).to.equal(false);
    world.replace(controlOperation(paused, 'resume', 'once more', world.now));
    expect(world.run(id).state).to.equal('done');
    expect(leads(world, '01.cortex')).to.equal(true);
    expect(world.violations).to.eql([]);
  });
});

describe('the lag of a described kind', () => {
  const stateAt = (world: World, position: number): string | undefined => {
    const fact = world.facts['alpha']!['00.cortex']!;
    const engine = { ...fact.value.engine, position };
    world.facts['alpha'] = { '00.cortex': { ...fact, value: { ...fact.value, engine } } };
    const [service] = buildStatus(world.snapshot()).services;
    return service?.members.find((member) => member.member === '01.cortex')?.state;
  };

  it('is none within a segment of its log, and one beyond', () => {
    expect(stateAt(described({ positions: 'lsn' }), 16 * 2 ** 20)).to.equal('mirroring');
    expect(stateAt(described({ positions: 'lsn' }), 40 * 2 ** 20)).to.equal('behind');
    expect(stateAt(deployed(), 3000)).to.equal('behind');
  });

  it('is what the kind says, and a thousand records where it says nothing', () => {
    expect(stateAt(described(), 1000)).to.equal('mirroring');
    expect(stateAt(described(), 3000)).to.equal('behind');
    expect(stateAt(described({ lag: 100_000 }), 100_000)).to.equal('mirroring');
    expect(stateAt(described({ lag: 100_000 }), 300_000)).to.equal('behind');
  });
});

describe('a failover by what a kind can do', () => {
  const failover: Goal = { kind: 'failover', service: 'cortex', leaderIsOff: 'burnt' };

  it('is refused without a command to promote by force', () => {
    const plan = described({ without: ['forcePromote'] }).plan(failover);
    expect(plan.moves).to.eql([]);
    expect(plan.refusals.map((one) => one.message)).to.eql([
      'cortex is of kind pg, which cannot be failed over: it has no command forcePromote',
    ]);
  });

  it('says so where histories cannot be compared, in the plan and of the choice', () => {
    const world = described({ without: ['history'] });
    world.powerOff('alpha');
    world.round();
    expect(world.plan(failover).warnings.join()).to.match(/pg has no command history/);
    const ended = world.apply(failover);
    expect(ended.state).to.equal('done');
    expect(ended.chosenBecause).to.match(/by positions alone: pg has no command history/);
    const probes = Object.values(world.requests).filter(
      ({ request }) => request.kind === 'probe-history',
    );
    expect(probes).to.eql([]);
  });
});
