// The loop that carries operations out, with the real fleet and store: one operation that cannot go on holds up no
// other, and a controller that was replaced says so.
import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Change } from '@leafward/controller/changes.js';
import { openFleet, type Fleet } from '@leafward/controller/fleet.js';
import { advanceOne, startOperationLoop } from '@leafward/controller/operations/operation-loop.js';
import { controlOperation, newOperation } from '@leafward/controller/planning/operation.js';
import { openDatabase, type Database } from '@leafward/controller/store/database.js';
import { createFleetStore } from '@leafward/controller/store/fleet-store.js';
import type { FleetTables } from '@leafward/controller/store/tables.js';
import { systemClock } from '@leafward/shared/clock.js';
import { deployed, manifestOf } from '../planning/model.js';

const log = pino({ level: 'silent' });

describe('the operation loop', () => {
  let dir: string;
  let database: Database<FleetTables>;
  const replaced: string[] = [];
  const open = async (): Promise<Fleet> => {
    database = await openDatabase<FleetTables>(join(dir, 'store.sqlite'));
    return openFleet({
      name: 'loop',
      store: createFleetStore(database.db),
      clock: systemClock,
      onReplaced: (error) => replaced.push(error.text),
    });
  };
  const commit = (fleet: Fleet, ...changes: readonly Change[]): Promise<void> =>
    fleet.transact(() => ({ changes, value: undefined }));
  /** A deploy of a service that is there, whose first order would let the term of its leader fall. */
  const broken = (id: string): Change => {
    const world = deployed();
    const plan = world.plan({ kind: 'deploy', manifest: manifestOf({ image: 'cortex:2.150.0' }) });
    const intent = world.intents['alpha']!.members[0]!;
    const place = { kind: 'place', service: 'cortex', cause: 'goes on', host: 'alpha' } as const;
    const start = { id, createdBy: 'ada', now: Number(id.slice(3)) };
    const moves = [{ ...place, id: 'm1', intent: { ...intent, term: 0 } }];
    const operation = newOperation({ ...plan, moves, services: ['cortex'] }, start);
    return { kind: 'operation', operation, events: [], at: 1 };
  };
  const state = (): readonly Change[] => {
    const world = deployed();
    return [
      { kind: 'service', name: 'cortex', state: world.services['cortex']! },
      ...Object.values(world.intents).map((intent): Change => ({ kind: 'intent', intent })),
    ];
  };

  beforeEach(async () => {
    replaced.length = 0;
    dir = await mkdtemp(join(tmpdir(), 'leafward-loop-'));
  });
  afterEach(async () => {
    await database.close();
    await rm(dir, { recursive: true });
  });

  it('pauses an operation whose next step is refused by an assertion, and orders nothing of it', async () => {
    const fleet = await open();
    await commit(fleet, ...state(), broken('op-1'));
    const before = fleet.intent('alpha');
    await advanceOne(fleet, 'op-1');
    const [operation] = fleet.operations();
    expect(operation?.state).to.equal('paused');
    expect(operation?.reason).to.match(/term of 00.cortex would fall \(I11\).*abort and plan anew/);
    expect(fleet.intent('alpha')).to.equal(before);
    const aborted = controlOperation(operation!, 'abort', 'enough', 2);
    expect(aborted.state).to.equal('aborted');
  });

  it('goes on with the others when one cannot be committed', async () => {
    const fleet = await open();
    await commit(fleet, ...state(), broken('op-1'), broken('op-2'));
    const stubborn: Fleet = {
      ...fleet,
      transact: (decide) =>
        fleet.transact((snapshot) => {
          const decision = decide(snapshot);
          const ids = decision.changes.map((c) => (c.kind === 'operation' ? c.operation.id : ''));
          if (ids.includes('op-1')) throw new Error('the disk is full');
          return decision;
        }),
    };
    const ended = new Promise<void>((resolve) =>
      fleet.onCommit((changes) => {
        if (changes.some((c) => c.kind === 'operation' && c.operation.id === 'op-2')) resolve();
      }),
    );
    const loop = startOperationLoop({ fleet: stubborn, clock: systemClock, log });
    await ended;
    await loop.stop();
    const waits = fleet.operations().map(({ id, progress }) => [id, progress[0]?.wait?.code]);
    expect(waits).to.deep.equal([
      ['op-1', undefined],
      ['op-2', 'busy'],
    ]);
  });

  it('keeps the manifest of a deploy once it was carried out, not before', async () => {
    const fleet = await open();
    const world = deployed();
    const manifest = manifestOf();
    const plan = { ...world.plan({ kind: 'deploy', manifest }), moves: [], services: ['cortex'] };
    const start = { id: 'op-1', createdBy: 'ada', now: 1 };
    const operation = newOperation(plan, start);
    await commit(fleet, { kind: 'operation', operation, events: [], at: 1 });
    expect(fleet.snapshot().manifest).to.equal(undefined);
    await advanceOne(fleet, 'op-1');
    expect(fleet.operations()).to.deep.equal([]);
    expect(fleet.snapshot().manifest?.fleet).to.equal('loop');
    await database.close();
    expect((await open()).snapshot().manifest?.fleet).to.equal('loop');
  });

  it('ends a controller at its first commit after another one took over (I11)', async () => {
    const fleet = await open();
    const other = await openDatabase<FleetTables>(join(dir, 'store.sqlite'));
    await createFleetStore(other.db).takeOver();
    await other.close();
    await commit(fleet, { kind: 'end-waiver', host: 'alpha', check: 'swap' }).catch(
      () => undefined,
    );
    expect(replaced).to.have.length(1);
    expect(replaced[0]).to.match(/must end/);
  });
});
