// What must hold for every tree, every outage and every order of events. The model carries out what it is told;
// the world's own checks (World.check and the commits) collect what must never happen.
import { expect } from 'chai';
import fc from 'fast-check';
import { controlOperation } from '@leafward/controller/planning/index.js';
import type { Goal } from '@leafward/shared/gen/domain.js';
import { depthOf } from '@leafward/shared/topology.js';
import type { World } from './model.js';
import { backupOf, deployed, manifestOf } from './model.js';

const OLD = 'cortex:2.113.0';
const NEW = 'cortex:2.150.0';

/** Trees of up to six members: each one's upstream is one before it, each on a host of its own. */
const trees = fc
  .array(fc.nat(), { minLength: 0, maxLength: 5 })
  .map((draws) => [
    ['00.cortex', 'host0'] as const,
    ...draws.map(
      (draw, index) =>
        [`0${index + 1}.cortex`, `host${index + 1}`, `0${draw % (index + 1)}.cortex`] as const,
    ),
  ]);

/** What may happen next, and where. */
type Event = readonly [
  kind:
    | 'receive'
    | 'reconcile'
    | 'carry-out'
    | 'crash-before'
    | 'crash-after'
    | 'report'
    | 'advance'
    | 'replicate'
    | 'write'
    | 'cut'
    | 'heal'
    | 'restart-member'
    | 'later',
  where: number,
];
const events = fc.array(
  fc.tuple(
    fc.constantFrom(
      ...([
        'receive',
        'reconcile',
        'carry-out',
        'crash-before',
        'crash-after',
        'report',
        'report',
        'advance',
        'advance',
        'replicate',
        'write',
        'cut',
        'heal',
        'restart-member',
        'later',
      ] as const),
    ),
    fc.nat(),
  ),
  { minLength: 20, maxLength: 200 },
);

function happen(world: World, [kind, where]: Event): void {
  const hosts = [...world.machines.keys()];
  const host = hosts[where % hosts.length] ?? '';
  const machine = world.machine(host);
  world.now += 50;
  switch (kind) {
    case 'receive':
      return world.receive(host);
    case 'reconcile':
      return world.reconcile(host);
    case 'carry-out':
      return world.carryOut(host);
    case 'crash-before':
      return world.carryOut(host, 'before');
    case 'crash-after':
      return world.carryOut(host, 'after');
    case 'report':
      return world.report(host);
    case 'advance':
      for (const { id } of world.operations) world.advance(id);
      return;
    case 'replicate':
      return world.replicate();
    case 'write':
      return void world.write('cortex');
    case 'cut':
      machine.connected = false;
      return;
    case 'heal':
      machine.connected = true;
      return;
    case 'restart-member':
      // Its program dies; the agent makes the intent true again when its turn comes.
      for (const cell of machine.cells.values()) cell.running = false;
      return;
    case 'later':
      world.now += 5000;
  }
}

/** Everybody is well again; paused operations are resumed, as an operator would. */
function heal(world: World, id: string): string {
  for (const machine of world.machines.values()) {
    machine.connected = true;
    machine.off = false;
  }
  for (let attempt = 0; attempt < 6; attempt += 1) {
    const operation = world.run(id, 200);
    if (operation.state !== 'paused') return operation.state;
    world.replace(controlOperation(operation, 'resume', 'resumed', world.now));
  }
  return world.operation(id)?.reason ?? 'still going';
}

const treeWorld = (members: readonly (readonly [string, string, string?])[]): World => {
  const world = deployed({ members });
  world.backups = [backupOf('00.cortex', 'cortex', 'host0', world.now)];
  return world;
};

const run = (property: fc.IProperty<unknown> | fc.IPropertyWithHooks<unknown>, runs = 60): void =>
  fc.assert(property as fc.IProperty<unknown>, { numRuns: runs });

describe('planning, for every tree and every order of events', function () {
  this.timeout(60_000);

  it('planning again after a deploy, an update or a promotion finds nothing to do', () => {
    run(
      fc.property(trees, fc.nat(), (members, draw) => {
        const world = treeWorld(members);
        const update: Goal = { kind: 'update', service: 'cortex', image: NEW };
        expect(world.plan({ kind: 'deploy', manifest: manifestOf({ members }) }).moves).to.eql([]);
        expect(world.apply(update).state).to.equal('done');
        expect(world.plan(update).moves).to.eql([]);
        const direct = members.filter(([, , upstream]) => upstream === '00.cortex');
        const to = direct[draw % Math.max(1, direct.length)]?.[0] ?? '00.cortex';
        const promote: Goal = { kind: 'promote', service: 'cortex', to };
        if (to !== '00.cortex') world.apply(promote);
        expect(world.plan(promote).moves).to.eql([]);
        const manifest = manifestOf({ members, image: NEW });
        expect(world.plan({ kind: 'deploy', manifest }).moves).to.eql([]);
        expect(world.violations).to.eql([]);
      }),
    );
  });

  it('the same input gives the same plan, and time alone makes no plan stale', () => {
    run(
      fc.property(trees, (members) => {
        const world = treeWorld(members);
        const goal: Goal = { kind: 'update', service: 'cortex', image: NEW };
        const first = world.plan(goal);
        expect(world.plan(goal)).to.eql(first);
        world.write('cortex');
        for (let count = 0; count < 4; count += 1) world.round(15_000);
        const later = world.plan(goal);
        expect(later.basis).to.equal(first.basis);
        expect(JSON.stringify(later.moves)).to.equal(JSON.stringify(first.moves));
      }),
    );
  });

  it('every prefix of an update is leafs first (I3)', () => {
    run(
      fc.property(trees, (members) => {
        const world = treeWorld(members);
        const topology = world.services['cortex']?.topology;
        const plan = world.plan({ kind: 'update', service: 'cortex', image: NEW });
        const depths = plan.moves.flatMap((move) =>
          move.kind === 'recreate' && topology !== undefined
            ? [depthOf(topology, move.member)]
            : [],
        );
        expect(depths).to.have.length(members.length);
        expect(depths).to.eql([...depths].sort((a, b) => b - a));
      }),
    );
  });

  it('an update through any order of crashes, cuts and delays breaks nothing and ends', () => {
    run(
      fc.property(trees, events, (members, happenings) => {
        const world = treeWorld(members);
        const { id } = world.begin(world.plan({ kind: 'update', service: 'cortex', image: NEW }));
        for (const event of happenings) happen(world, event);
        expect(heal(world, id)).to.equal('done');
        expect(world.violations).to.eql([]);
        for (const [name] of members)
          expect(world.cell(name).intent.spec.image.version).to.equal('2.150.0');
      }),
    );
  });

  it('a promotion through any order of crashes, cuts and delays never makes two leaders', () => {
    run(
      fc.property(trees, events, (members, happenings) => {
        const to = members.find(([, , upstream]) => upstream === '00.cortex')?.[0];
        fc.pre(to !== undefined);
        const world = treeWorld(members);
        const { id } = world.begin(world.plan({ kind: 'promote', service: 'cortex', to }));
        for (const event of happenings) happen(world, event);
        const end = heal(world, id);
        expect(world.violations).to.eql([]);
        expect(end).to.equal('done');
        expect(world.services['cortex']?.topology.leader).to.equal(to);
      }),
    );
  });

  it('a failover through any order of events never lets the old leader back', () => {
    run(
      fc.property(trees, events, fc.boolean(), (members, happenings, isSaid) => {
        fc.pre(members.length > 1);
        const world = treeWorld(members);
        world.powerOff('host0');
        world.round(1000);
        // Without the operator's word the plan is refused; with it the host may come back at any moment.
        const goal: Goal = { kind: 'failover', service: 'cortex' };
        expect(world.plan(goal).refusals.map((refusal) => refusal.code)).to.eql([
          'leader-unproven',
        ]);
        const plan = world.plan({ ...goal, leaderIsOff: 'unplugged' });
        expect(plan.refusals).to.eql([]);
        const { id } = world.begin(plan);
        world.advance(id);
        if (!isSaid) for (let count = 0; count < 20; count += 1) world.round();
        for (const event of happenings) {
          happen(world, event);
          if (event[0] === 'later' && event[1] % 5 === 0) world.machine('host0').off = false;
        }
        const end = heal(world, id);
        for (let count = 0; count < 20; count += 1) world.round();
        expect(world.violations).to.eql([]);
        expect(end).to.equal('done');
        expect(world.cell('00.cortex').running).to.equal(false);
        expect(world.cell('00.cortex').retiredAtTerm).to.equal(2);
        const { topology } = world.services['cortex'] ?? {};
        expect(topology?.term).to.equal(2);
        expect(world.cell(topology?.leader ?? '').active).to.equal(true);
      }),
    );
  });

  it('an image of an older version is never planned', () => {
    run(
      fc.property(trees, (members) => {
        const world = deployed({ members, image: NEW });
        world.backups = [backupOf('00.cortex', 'cortex', 'host0', world.now)];
        const plan = world.plan({ kind: 'update', service: 'cortex', image: OLD });
        expect(plan.refusals.map((refusal) => refusal.code)).to.eql(['downgrade']);
      }),
      20,
    );
  });
});
