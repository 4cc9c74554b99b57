// The controller may die at any instant: before a commit, after it, or between two of them. Every operation is
// cut at each of its steps and gone on with from what was kept; the end is the same and nothing is done twice.
import { expect } from 'chai';
import { advance, controlOperation } from '@leafward/controller/planning/index.js';
import type { Goal, Operation } from '@leafward/shared/gen/domain.js';
import { deployedCare } from './care-world.js';
import { deployed, described, manifestOf, stacked, stackManifest, type World } from './model.js';

interface Case {
  readonly name: string;
  readonly goal: Goal;
  readonly make?: () => World;
  readonly before?: (world: World) => void;
}

const cases: readonly Case[] = [
  { name: 'an update', goal: { kind: 'update', service: 'cortex', image: 'cortex:2.150.0' } },
  { name: 'a promotion', goal: { kind: 'promote', service: 'cortex', to: '01.cortex' } },
  { name: 'a backup', goal: { kind: 'backup', service: 'cortex', name: 'b2' } },
  {
    name: 'a failover',
    goal: { kind: 'failover', service: 'cortex', leaderIsOff: 'unplugged' },
    before: (world) => {
      world.powerOff('alpha');
      world.round();
    },
  },
  {
    name: 'a failover that its agent fences',
    goal: { kind: 'failover', service: 'cortex', leaderIsOff: 'broken disk' },
  },
  {
    name: 'a promotion by stopping',
    goal: { kind: 'promote', service: 'cortex', to: '01.cortex' },
    make: described,
  },
  {
    name: 'a promotion by stopping of one that cannot be fenced',
    goal: { kind: 'promote', service: 'cortex', to: '01.cortex' },
    make: described,
    before: (world) => void (world.stepsDown = false),
  },
  {
    name: 'a reseed of a mirror',
    goal: { kind: 'reseed', service: 'cortex', member: '01.cortex', wipe: false, id: 'r1' },
  },
  {
    name: 'a reseed of a retired member',
    goal: { kind: 'reseed', service: 'cortex', member: '00.cortex', wipe: true, id: 'r1' },
    before: (world) => {
      world.apply({ kind: 'failover', service: 'cortex', leaderIsOff: 'broken disk' });
      world.round();
    },
  },
  {
    name: 'an optimization',
    goal: { kind: 'optimize', service: 'cortex' },
    make: () => deployedCare({ image: 'cortex:2.180.1' }),
  },
  {
    name: 'a cold backup',
    goal: { kind: 'backup', service: 'cortex', name: 'b2', cold: true },
    make: deployedCare,
  },
  { name: 'a trim', goal: { kind: 'trim', service: 'cortex' }, make: deployedCare },
  {
    name: 'a restore',
    goal: { kind: 'restore', service: 'cortex', backup: 'b1', wipe: false, id: 'r1' },
  },
  {
    name: 'an update of a whole stack',
    goal: { kind: 'update', service: 'chat', image: 'chat:1.59.0' },
    make: stacked,
  },
  {
    name: 'a deploy of a whole stack',
    goal: {
      kind: 'deploy',
      manifest: stackManifest({ extra: '    environment: { LEVEL: INFO }' }),
    },
    make: stacked,
  },
  {
    name: 'a restore of a stack',
    goal: { kind: 'restore', service: 'chat', backup: 'b1', wipe: false, id: 'r1' },
    make: () => {
      const world = stacked();
      world.backups = world.backups.map((backup) => ({ ...backup, version: '1.58.0' }));
      return world;
    },
  },
  {
    name: 'a deploy that changes everything',
    goal: {
      kind: 'deploy',
      manifest: manifestOf({
        image: 'cortex:2.150.0',
        extra: '    boot: autonomous',
        members: [
          ['00.cortex', 'alpha'],
          ['01.cortex', 'bravo', '00.cortex'],
          ['02.cortex', 'charlie', '00.cortex'],
          ['04.cortex', 'delta', '02.cortex'],
        ],
      }),
    },
  },
];

function worldOf({ make = deployed, before }: Case): World {
  const world = make();
  before?.(world);
  return world;
}

interface End {
  readonly state: string | undefined;
  readonly acts: readonly string[];
  readonly tree: unknown;
  readonly moves: readonly string[];
}

/** Runs to the end; `cut` happens once, before round `at`. Returns the end and how many rounds it took. */
function runTo(one: Case, at: number, cut: (world: World, id: string) => void): [End, number] {
  const world = worldOf(one);
  const { id } = world.begin(world.plan(one.goal));
  const from = world.acts.length;
  let rounds = 0;
  for (; rounds < 400; rounds += 1) {
    if (rounds === at) cut(world, id);
    if (world.operation(id)?.state !== 'running') break;
    world.round();
  }
  expect(world.violations).to.eql([]);
  const operation = world.operation(id);
  return [
    {
      state: operation?.state,
      acts: world.acts.slice(from),
      tree: treeOf(world),
      moves: operation?.progress.map((progress) => progress.state) ?? [],
    },
    rounds,
  ];
}

function treeOf(world: World): unknown {
  const [topology] = Object.values(world.services).map((service) => service.topology);
  return {
    ...topology,
    retired: topology?.retired.map(({ member, term }) => ({ member, term })),
  };
}

/** What a store keeps of a record: text. */
const stored = (operation: Operation): Operation =>
  JSON.parse(JSON.stringify(operation)) as Operation;

const cuts: readonly (readonly [string, (world: World, id: string) => void])[] = [
  [
    'it dies before the commit: what it decided is lost',
    (world, id) => {
      const operation = world.operation(id);
      if (operation !== undefined) advance(operation, world.snapshot());
    },
  ],
  [
    'it dies after the commit and reads everything back',
    (world, id) => {
      world.advance(id);
      const operation = world.operation(id);
      if (operation !== undefined) world.replace(stored(operation));
      world.requests = JSON.parse(JSON.stringify(world.requests)) as World['requests'];
      world.services = JSON.parse(JSON.stringify(world.services)) as World['services'];
      world.intents = JSON.parse(JSON.stringify(world.intents)) as World['intents'];
    },
  ],
  [
    'it is away while the agents go on',
    (world) => {
      for (let count = 0; count < 10; count += 1) {
        world.now += 300;
        for (const host of world.machines.keys()) {
          world.receive(host);
          world.reconcile(host);
          world.carryOut(host);
        }
        world.replicate();
      }
      for (const host of world.machines.keys()) world.report(host);
    },
  ],
  [
    'an operator pauses and resumes it',
    (world, id) => {
      const operation = world.operation(id);
      if (operation === undefined) return;
      const paused = controlOperation(operation, 'pause', 'lunch', world.now);
      world.replace(paused);
      for (let count = 0; count < 3; count += 1) world.round();
      expect(world.operation(id)).to.eql(paused);
      if (paused.state === 'paused')
        world.replace(controlOperation(paused, 'resume', 'back', world.now));
    },
  ],
];

describe('operations cut at every step', function () {
  this.timeout(60_000);
  for (const one of cases)
    for (const [name, cut] of cuts)
      it(`${one.name}: ${name}`, () => {
        const [wanted, rounds] = runTo(one, -1, () => undefined);
        expect(wanted.state).to.equal('done');
        expect(new Set(wanted.acts).size, 'nothing twice').to.equal(wanted.acts.length);
        for (let at = 0; at < rounds; at += 1) {
          const [end] = runTo(one, at, cut);
          expect(end, `cut before round ${at}`).to.eql(wanted);
        }
      });

  it('asking again with nothing new changes and orders nothing', () => {
    for (const one of cases) {
      const world = worldOf(one);
      const { id } = world.begin(world.plan(one.goal));
      for (let round = 0; round < 60; round += 1) {
        // The second one writes down what it waits for; from then on there is nothing new.
        for (let count = 0; count < 4; count += 1) world.advance(id);
        const operation = world.operation(id);
        if (operation?.state !== 'running') break;
        const again = advance(operation, world.snapshot());
        expect(again.effects).to.eql([]);
        expect(again.events).to.eql([]);
        expect(again.operation).to.equal(operation);
        world.round();
      }
    }
  });

  it('an abort ends between moves; inside a failover only behind its last move', () => {
    for (const one of cases)
      for (let at = 0; at < 30; at += 1) {
        const [end] = runTo(one, at, (world, id) => {
          const operation = world.operation(id);
          if (operation !== undefined)
            world.replace(controlOperation(operation, 'abort', 'no more', world.now));
        });
        expect(['done', 'aborted'], one.name).to.include(end.state);
        expect(end.moves).not.to.include('begun');
        const fenced = one.goal.kind === 'failover' && end.moves[0] !== 'pending';
        if (fenced) expect(end.moves).to.eql(['done', 'done', 'done', 'done']);
      }
  });
});
