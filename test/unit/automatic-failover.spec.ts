// What a controller keeps of failovers that it began by itself: over restarts and deploys, until somebody has looked;
// and what it measures of them.
import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { changesOf } from '@leafward/controller/apply-effects.js';
import type { Change } from '@leafward/controller/changes.js';
import { openFleet, type Fleet } from '@leafward/controller/fleet.js';
import { createMetrics } from '@leafward/controller/metrics/metrics.js';
import { startAutomaticLoop } from '@leafward/controller/operations/automatic-loop.js';
import { acknowledgeFailover } from '@leafward/controller/operators/acknowledge.js';
import { createPeople } from '@leafward/controller/operators/people.js';
import { createPlanDesk } from '@leafward/controller/operators/plans.js';
import { openDatabase, type Database } from '@leafward/controller/store/database.js';
import { createFleetStore } from '@leafward/controller/store/fleet-store.js';
import type { FleetTables } from '@leafward/controller/store/tables.js';
import { systemClock } from '@leafward/shared/clock.js';
import type { LeafwardError } from '@leafward/shared/errors.js';
import { automaticWorld } from '../planning/automatic-world.js';
import { startFixture } from './enrollment-fixture.js';

const recovery = { operationId: 'op-1', at: 1, term: 2, from: '00.cortex', to: '01.cortex' };

describe('what is kept of failovers by themselves', () => {
  let dir: string;
  let database: Database<FleetTables>;
  const open = async (): Promise<Fleet> => {
    database = await openDatabase<FleetTables>(join(dir, 'store.sqlite'));
    return openFleet({ name: 'test', store: createFleetStore(database.db), clock: systemClock });
  };
  const commit = (fleet: Fleet, ...changes: readonly Change[]): Promise<void> =>
    fleet.transact(() => ({ changes, value: undefined }));
  const failure = (promise: Promise<unknown>): Promise<LeafwardError> =>
    promise.then(
      () => expect.fail('it was done'),
      (error: unknown) => error as LeafwardError,
    );
  /** A deployed service that was failed over by itself. */
  async function recovered(): Promise<Fleet> {
    const fleet = await open();
    const world = await automaticWorld();
    const { automatic: _, ...state } = world.services['cortex']!;
    await commit(
      fleet,
      { kind: 'service', name: 'cortex', state },
      ...Object.values(world.intents).map((intent): Change => ({ kind: 'intent', intent })),
      {
        kind: 'automatic',
        service: 'cortex',
        state: { ledTerm: 1, recovery, memory: { healthySinceMs: 5 } },
      },
    );
    return fleet;
  }
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-automatic-'));
  });
  afterEach(async () => {
    await database.close();
    await rm(dir, { recursive: true });
  });

  it('outlives the controller, but for what was in its mind, and a deploy', async () => {
    const before = await recovered();
    expect(before.services()['cortex']?.automatic?.memory?.healthySinceMs).to.equal(5);
    await database.close();
    const fleet = await open();
    expect(fleet.services()['cortex']?.automatic).to.deep.equal({ ledTerm: 1, recovery });
    const { declaration } = fleet.services()['cortex']!;
    await fleet.transact((snapshot) => ({
      changes: changesOf(snapshot, [{ kind: 'set-service', declaration }]),
      value: undefined,
    }));
    expect(fleet.services()['cortex']?.automatic).to.deep.equal({ ledTerm: 1, recovery });
  });

  it('is acknowledged once, and only where there is one', async () => {
    const fleet = await recovered();
    expect(await acknowledgeFailover(fleet, 'cortex')).to.deep.equal({
      service: 'cortex',
      operationId: 'op-1',
      beganAt: 1,
      from: '00.cortex',
      to: '01.cortex',
    });
    expect((await failure(acknowledgeFailover(fleet, 'cortex'))).code).to.equal('refused');
    expect((await failure(acknowledgeFailover(fleet, 'axon'))).code).to.equal('not-found');
    await database.close();
    const again = await open();
    expect(again.services()['cortex']?.automatic).to.deep.equal({ ledTerm: 1 });
  });

  it('is not said by anybody else: an operator’s goal cannot pretend to be one', async () => {
    const fleet = await recovered();
    const desk = createPlanDesk(fleet, createFleetStore(database.db), systemClock);
    const goal = { kind: 'failover', service: 'cortex', automatic: 'it died, believe me' } as const;
    expect((await failure(desk.make(goal))).code).to.equal('invalid');
  });

  it('is written down under a name that no user can have', async () => {
    const fixture = await startFixture();
    try {
      const { enrollment, store } = fixture;
      const people = createPeople({ enrollment, store, disconnect: () => 0, serialOf: () => '' });
      const invited = (name: string) =>
        people.inviteUser({ name, role: 'viewer', ttlMs: 1000 }, { name: 'ada', role: 'admin' });
      expect((await invited('bob')).url).to.match(/^leafward:/);
      expect((await failure(invited('automatic'))).code).to.equal('invalid');
    } finally {
      await fixture.stop();
    }
  });

  it('shows in the metrics of services that are failed over by themselves', async () => {
    const metrics = createMetrics('0.1.0');
    try {
      metrics.observeAutomaticFailover('cortex');
      let text = '';
      for await (const piece of metrics.collectSnapshot((await recovered()).snapshot()))
        text += piece;
      const lines = text.split('\n').filter((line) => /^leafward_automatic/.test(line));
      expect(lines).to.deep.equal([
        'leafward_automatic_failover_suspected{service="cortex"} 1',
        'leafward_automatic_failover_forbidden{service="cortex",code="just-started"} 1',
        'leafward_automatic_failover_forbidden{service="cortex",code="recovery-open"} 1',
        'leafward_automatic_recovery_open{service="cortex"} 1',
        'leafward_automatic_failovers_total{service="cortex"} 1',
      ]);
    } finally {
      metrics.stop();
    }
  });

  it('is left as it is by a loop that may decide nothing yet', async () => {
    const fleet = await recovered();
    const log = pino({ level: 'silent' });
    const loop = startAutomaticLoop({ fleet, clock: systemClock, log });
    await loop.stop();
    expect(fleet.operations()).to.deep.equal([]);
    expect(fleet.services()['cortex']?.automatic?.recovery).to.deep.equal(recovery);
  });
});
