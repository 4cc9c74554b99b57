// A main process and its workers: the order in which they go and come, what is refused for them, and the words in which
// they are shown. No worker ever runs beside a main process of another version.
import { expect } from 'chai';
import fc from 'fast-check';
import { buildStatus, controlOperation, explain } from '@leafward/controller/planning/index.js';
import type { Goal } from '@leafward/shared/gen/domain.js';
import { HOSTS, stacked, stackManifest, World, type StackOptions } from './model.js';
import { golden, shown } from './text.js';

const update: Goal = { kind: 'update', service: 'chat', image: 'chat:1.59.0' };
const deploy = (options: StackOptions = {}, workerAlone?: string): Goal => ({
  kind: 'deploy',
  manifest: stackManifest(options),
  workerAlone,
});

/** Only one worker's spec differs. */
const oneWorker = (): StackOptions => ({
  workers: [
    ['sync', 'bravo, environment: { LEVEL: DEBUG }'],
    ['media', 'alpha'],
  ],
});

describe('a stack', () => {
  it('is deployed from the main process on, workers as they are written', () => {
    const world = new World(HOSTS);
    world.round();
    expect(shown(world, deploy())).to.equal(
      golden(`
      plan ID deploy the manifest

      moves
        m1  pull chat:1.58.0 on alpha, bravo  (before anything is stopped)
        m2  place main on alpha  (new, the main process of chat)
        m3  place sync on bravo  (new, a worker behind main)
        m4  place media on alpha  (new, a worker behind main)
    `),
    );
  });

  it('is updated as a whole', () => {
    expect(shown(stacked(), update)).to.equal(
      golden(`
      plan ID update chat to chat:1.59.0

      moves
        m1  pull chat:1.59.0 on alpha, bravo  (before anything is stopped)
        m2  stop sync, media, main  (workers first, the main process last)
        m3  recreate main on alpha  (the main process, before any worker: its start migrates the data)
              image: chat:1.58.0 (302e38352e31) → chat:1.59.0 (302e39352e31)
        m4  recreate sync on bravo  (a worker, behind main)
              image: chat:1.58.0 (302e38352e31) → chat:1.59.0 (302e39352e31)
        m5  recreate media on alpha  (a worker, behind main)
              image: chat:1.58.0 (302e38352e31) → chat:1.59.0 (302e39352e31)

      warnings
        the whole of chat is down from the first stop until main answers again, how long is not known before it was done once; what sync and media serve comes back after that, one after another
    `),
    );
  });

  it('goes down and up for one changed worker, unless the operator gives a reason', () => {
    const world = stacked();
    expect(world.plan(deploy(oneWorker())).moves.map((move) => move.kind)).to.eql([
      'halt',
      'recreate',
      'recreate',
      'recreate',
    ]);
    expect(shown(world, deploy(oneWorker(), 'logs for a support case'))).to.equal(
      golden(`
      plan ID deploy the manifest

      moves
        m1  recreate sync on bravo  (alone, logs for a support case: depth 1, a leaf: environment.LEVEL)
              environment.LEVEL: not set → set

      warnings
        sync without the rest of chat: logs for a support case

      unchanged
        main is as it should be, version 1.58.0
        media is as it should be, version 1.58.0
    `),
    );
    expect(world.apply(deploy(oneWorker(), 'logs')).state).to.equal('done');
    expect(world.acts.slice(-1)).to.eql(['start sync 1.58.0']);
    expect(world.plan(deploy(oneWorker())).moves).to.eql([]);
  });

  it('goes down and up whatever the reason when the main process changes too', () => {
    const goal = deploy({ image: 'chat:1.59.0' }, 'in a hurry');
    const plan = stacked().plan(goal);
    expect(plan.moves.map((move) => move.kind)).to.include('halt');
    expect(plan.warnings.join()).to.match(/main changes as well.*whatever the reason/);
  });

  it('tells what the releases on the way ask for', () => {
    const plan = stacked().plan({ ...update, image: 'chat:1.70.0' });
    expect(plan.warnings.join()).to.match(/1\.67 refuses direct TCP replication/);
  });

  it('cannot be promoted, failed over or reseeded', () => {
    const world = stacked();
    const goals: readonly Goal[] = [
      { kind: 'promote', service: 'chat', to: 'sync' },
      { kind: 'failover', service: 'chat', leaderIsOff: 'x' },
      { kind: 'reseed', service: 'chat', member: 'sync', wipe: true, id: 'r1' },
    ];
    for (const goal of goals) {
      const plan = world.plan(goal);
      expect(plan.moves).to.eql([]);
      expect(plan.refusals.map((one) => one.code)).to.eql(['kind-cannot']);
      expect(plan.refusals[0]?.message).to.match(
        /a main process with workers, none of which holds a copy/,
      );
    }
  });

  it('is shown without lag and term of its own, in its own words', () => {
    const world = stacked();
    const [view] = buildStatus(world.snapshot()).services;
    expect(view?.members.map(({ member, role, state, lag }) => [member, role, state, lag])).to.eql([
      ['main', 'leader', 'working', undefined],
      ['media', 'worker', 'working', undefined],
      ['sync', 'worker', 'working', undefined],
    ]);
    expect(view?.problems).to.eql([]);
    expect(explain(world.snapshot(), 'sync')[0]?.summary).to.match(
      /^worker behind main, wanted running/,
    );
    expect(explain(world.snapshot(), 'main')[0]?.summary).to.match(
      /^main process of chat, wanted running/,
    );
    expect(explain(world.snapshot(), 'chat')[0]?.summary).to.match(/^main is the main process;/);
  });

  it('names a worker that runs another version than its main process', () => {
    const world = stacked();
    const fact = world.facts['bravo']!['sync']!;
    const engine = { ...fact.value.engine, version: '1.57.0' };
    world.facts['bravo'] = { sync: { ...fact, value: { ...fact.value, engine } } };
    expect(buildStatus(world.snapshot()).problems.join()).to.match(
      /sync: it runs version 1.57.0, main, the main process, 1.58.0/,
    );
  });

  it('waits with a worker until the main process has migrated, and never kills it', () => {
    const world = stacked();
    const { id } = world.begin(world.plan(update));
    for (let round = 0; round < 30; round += 1) {
      world.round();
      const received = world.facts['alpha']?.['main'];
      if (received?.value.engine.version !== '1.59.0') continue;
      const engine = { answered: false, migrating: 'Applying schema 71' };
      world.facts['alpha'] = {
        ...world.facts['alpha'],
        main: { ...received, value: { ...received.value, engine } },
      };
      break;
    }
    world.now += 1;
    world.advance(id);
    const operation = world.operation(id)!;
    if (operation.progress[2]?.state === 'begun')
      expect(operation.progress[2].wait?.code).to.equal('migrating');
    expect(world.run(id).state).to.equal('done');
    expect(world.violations).to.eql([]);
  });

  it('an abort behind its first stop goes through to the end, so that nothing is left down', () => {
    for (let at = 0; at < 30; at += 1) {
      const world = stacked();
      const { id } = world.begin(world.plan(update));
      for (let round = 0; round < at; round += 1) world.round();
      const operation = world.operation(id);
      if (operation?.state !== 'running') break;
      world.replace(controlOperation(operation, 'abort', 'no', world.now));
      world.run(id);
      world.settle();
      for (const name of ['main', 'sync', 'media'])
        expect(world.cell(name).running, `${name} at ${at}`).to.equal(true);
      expect(world.violations).to.eql([]);
    }
  });

  it('that was left down by a failed update comes up with the next plan, an update or a deploy', () => {
    for (const goal of [update, deploy()]) {
      const world = stacked();
      const { id } = world.begin(world.plan(update));
      while (world.operation(id)?.progress[1]?.phase !== 3) world.round();
      // Its host is lost right after the main process was stopped there.
      world.receive('alpha');
      world.reconcile('alpha');
      world.machine('alpha').connected = false;
      for (let round = 0; round < 30; round += 1) world.round(60_000);
      const operation = world.operation(id)!;
      expect(operation.state).to.equal('paused');
      world.replace(controlOperation(operation, 'abort', 'x', world.now));
      world.settle();
      world.machine('alpha').connected = true;
      for (let round = 0; round < 3; round += 1) world.round();
      expect(world.cell('main').running).to.equal(false);
      expect(world.apply(goal).state).to.equal('done');
      for (const name of ['main', 'sync', 'media'])
        expect(world.cell(name).running, name).to.equal(true);
      expect(world.violations).to.eql([]);
      expect(world.plan(goal).moves).to.eql([]);
    }
  });

  it('keeps its order through any cuts, delays and restarts', () => {
    const happenings = fc.array(fc.tuple(fc.nat(1), fc.nat(3)), { maxLength: 40 });
    fc.assert(
      fc.property(happenings, (draws) => {
        const world = stacked();
        const { id } = world.begin(world.plan(update));
        for (const [which, what] of draws) {
          const host = HOSTS[which] ?? '';
          const machine = world.machine(host);
          if (what === 0) machine.connected = false;
          if (what === 1) machine.connected = true;
          if (what === 2) world.now += 5000;
          if (what === 3) world.carryOut(host);
          world.round();
        }
        for (const machine of world.machines.values()) machine.connected = true;
        for (let attempt = 0; attempt < 6; attempt += 1) {
          const operation = world.run(id);
          if (operation.state !== 'paused') break;
          world.replace(controlOperation(operation, 'resume', 'again', world.now));
        }
        expect(world.operation(id)?.state).to.equal('done');
        expect(world.violations).to.eql([]);
        expect(world.plan(update).moves).to.eql([]);
      }),
      { numRuns: 40 },
    );
  });
});
