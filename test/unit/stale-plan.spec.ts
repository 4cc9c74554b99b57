// A plan that has become stale says what has changed: of services, members and moves, never a variable's value. With the
// desk that applies plans, the real fleet and its store.
import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Goal } from '@leafward/shared/gen/domain.js';
import { openFleet, type Fleet } from '@leafward/controller/fleet.js';
import { createPlanDesk, type PlanDesk } from '@leafward/controller/operators/plans.js';
import { basisFactsOf, changesSince, isStale } from '@leafward/controller/planning/index.js';
import { openDatabase, type Database } from '@leafward/controller/store/database.js';
import { createFleetStore, type FleetStore } from '@leafward/controller/store/fleet-store.js';
import type { FleetTables } from '@leafward/controller/store/tables.js';
import { deployed, imageOf, type World } from '../planning/model.js';

const update: Goal = { kind: 'update', service: 'cortex', image: 'cortex:2.150.0' };

/** What differs between the plan before `change` and the one after it. */
function changes(change: (world: World) => void, goal = update): readonly string[] {
  const world = deployed();
  const of = () => ({
    plan: world.plan(goal),
    facts: basisFactsOf(world.snapshot(), ['cortex']),
  });
  const before = of();
  change(world);
  const after = of();
  expect(isStale(before.plan, after.plan)).to.equal(true);
  return changesSince(before, after);
}

/** Overwrites what was ordered of a member. */
function order(world: World, name: string, change: object): void {
  const host = world.hostOf(name);
  const intent = world.intents[host]!;
  const members = intent.members.map((one) => (one.member === name ? { ...one, ...change } : one));
  world.intents = { ...world.intents, [host]: { ...intent, members } };
}
const specOf = (world: World, name: string) => world.cell(name).intent.spec;

describe('what has changed since a plan was made', () => {
  it('is nothing by time alone', () => {
    const world = deployed();
    const before = world.plan(update);
    world.now += 20_000;
    world.round();
    const after = world.plan(update);
    expect(isStale(before, after)).to.equal(false);
    const slower = after.moves.map((move) => ({ ...move, expectedMs: 7 }));
    expect(isStale(before, { ...after, moves: slower })).to.equal(false);
  });

  it('is a version, a connection or a host', () => {
    expect(
      changes((world) => {
        const facts = world.facts['charlie']!;
        const { value, receivedAt } = facts['02.cortex']!;
        const engine = { ...value.engine, version: '2.120.0' };
        facts['02.cortex'] = { value: { ...value, engine }, receivedAt };
      }),
    ).to.include('the version of 02.cortex is 2.120.0, it was 2.113.0');
    expect(changes((world) => world.powerOff('charlie'))).to.include(
      'host charlie (02.cortex) is not connected any more',
    );
  });

  it('is the tree', () => {
    const found = changes((world) => {
      const state = world.services['cortex']!;
      const topology = {
        ...state.topology,
        term: 2,
        leader: '01.cortex',
        upstreams: { '02.cortex': '01.cortex', '03.cortex': '01.cortex' },
        retired: [{ member: '00.cortex', term: 2, at: world.now, reason: 'failover' }],
      };
      world.services = { cortex: { ...state, topology } };
    });
    expect(found).to.include.members([
      'the leader of cortex is 01.cortex, it was 00.cortex',
      'the term of cortex is 2, it was 1',
      'the upstream of 02.cortex is 01.cortex, it was 00.cortex',
      '00.cortex was retired at term 2',
    ]);
  });

  it('is an order: run, image and the names of variables, never their values (I14)', () => {
    expect(changes((world) => order(world, '02.cortex', { run: 'stopped' }))).to.include(
      'the order of 02.cortex is stopped, it was running',
    );
    const found = changes((world) => {
      const spec = specOf(world, '02.cortex');
      const environment = { ...spec.environment, SYN_TOKEN: 'hunter2' };
      order(world, '02.cortex', { spec: { ...spec, environment } });
    });
    expect(found).to.include('environment.SYN_TOKEN of 02.cortex was ordered anew');
    expect(JSON.stringify(found)).to.not.include('hunter2');
    expect(changes((world) => order(world, '02.cortex', { boot: 'autonomous' }))).to.include(
      '02.cortex was ordered anew: boot',
    );
  });

  it('is another operation', () => {
    const found = changes((world) => void world.begin(world.plan(update)));
    expect(found.some((text) => /^operation op-\d+ goes on on cortex$/.test(text))).to.equal(true);
  });

  it('is a move: one more, one less, another order, or another way to do it', () => {
    const world = deployed();
    const { plan, facts } = { plan: world.plan(update), facts: undefined };
    const after = (moves: typeof plan.moves) =>
      changesSince({ plan, facts }, { plan: { ...plan, moves }, facts });
    const [first, second, ...rest] = plan.moves;
    if (first?.kind !== 'pull' || second === undefined) throw new Error('another plan');
    expect(after(plan.moves)).to.eql([]);
    expect(after([second, ...rest])).to.eql(['not to be done any more: pull cortex:2.150.0']);
    expect(after([...plan.moves, { ...first, image: imageOf('other:1.0.0') }])).to.eql([
      'to be done as well: pull other:1.0.0',
    ]);
    expect(after([second, first, ...rest])).to.eql(['the moves have another order']);
    expect(after([{ ...first, hosts: ['alpha'] }, second, ...rest])).to.eql([
      'to be done otherwise: pull cortex:2.150.0 (hosts)',
    ]);
  });

  it('is told in a score of lines at most', () => {
    const world = deployed();
    const plan = world.plan(update);
    const facts = Array.from({ length: 30 }, (_, index) => ({ name: `s${index}`, operations: [] }));
    const found = changesSince({ plan, facts }, { plan, facts: [] });
    expect(found).to.have.length(21);
    expect(found.at(-1)).to.equal('and 10 more changes');
  });
});

describe('applying a stale plan', () => {
  let dir: string;
  let database: Database<FleetTables>;
  let store: FleetStore;
  let fleet: Fleet;
  let desk: PlanDesk;
  const goal: Goal = { kind: 'backup', service: 'cortex', member: '02.cortex', name: 'b2' };
  const by = { name: 'ada', role: 'operator' } as const;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-stale-'));
    database = await openDatabase<FleetTables>(join(dir, 'store.sqlite'));
    store = createFleetStore(database.db);
    const world = deployed();
    const clock = { ...systemClock, now: () => world.now };
    fleet = await openFleet({ name: 'loop', store, clock });
    desk = createPlanDesk(fleet, store, clock);
    const { hosts } = world.snapshot();
    fleet.setIdentities(Object.keys(hosts).map((name) => ({ name, revoked: false })));
    for (const { name, members, lastSeenAt } of Object.values(hosts))
      fleet.setHost({ ...fleet.host(name), session: 1, lastSeenAt, members });
    await fleet.transact(() => ({
      value: undefined,
      changes: [
        ...Object.values(world.intents).map((intent) => ({ kind: 'intent' as const, intent })),
        { kind: 'service', name: 'cortex', state: world.services['cortex']! },
      ],
    }));
  });
  afterEach(async () => {
    await database.close();
    await rm(dir, { recursive: true });
  });
  const applied = async (id: string): Promise<LeafwardError | string> =>
    desk.apply(id, by).then(
      ({ state }) => state,
      (error: unknown) => {
        if (error instanceof LeafwardError) return error;
        throw error;
      },
    );
  const disconnect = (): void =>
    fleet.setHost({ ...fleet.host('alpha'), session: undefined, members: {} });

  it('says what has changed, also of a plan that was made before a restart', async () => {
    const plan = await desk.make(goal);
    expect(plan.refusals).to.eql([]);
    const before = fleet.host('delta');
    const intent = fleet.intent('delta')!;
    const members = intent.members.map((one) => ({ ...one, run: 'stopped' as const }));
    await fleet.transact(() => ({
      value: undefined,
      changes: [{ kind: 'intent', intent: { ...intent, generation: 99, members } }],
    }));
    fleet.setHost({ ...before, session: undefined });
    const error = await applied(plan.id);
    expect(error).to.deep.include({
      code: 'stale',
      detail: [
        'host delta (03.cortex) is not connected any more',
        'the order of 03.cortex is stopped, it was running',
      ],
    });
  });

  it('says nothing more than that it is stale of a plan that was stored without its facts', async () => {
    const plan = await desk.make(goal);
    await database.db.updateTable('plans').set({ facts: null }).execute();
    disconnect();
    const error = await applied(plan.id);
    expect(error).to.deep.include({ code: 'stale', detail: [] });
  });

  it('is not what happens when nothing has changed', async () => {
    const plan = await desk.make(goal);
    expect(await applied(plan.id)).to.equal('running');
  });
});
