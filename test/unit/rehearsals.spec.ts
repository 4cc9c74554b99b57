// Rehearsals are remembered over a restart, a bounded number of them, and found by what a host reports.
import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@leafward/shared/clock.js';
import type { Drill, Goal, Outcome, Report } from '@leafward/shared/gen/domain.js';
import { openFleet } from '@leafward/controller/fleet.js';
import { createPlanDesk } from '@leafward/controller/operators/plans.js';
import { withRehearsal } from '@leafward/controller/rehearsals.js';
import { changesOfReport } from '@leafward/controller/report-changes.js';
import type { Rehearsal, RequestState } from '@leafward/controller/snapshot.js';
import { openDatabase } from '@leafward/controller/store/database.js';
import { createFleetStore } from '@leafward/controller/store/fleet-store.js';
import type { FleetTables } from '@leafward/controller/store/tables.js';
import { backupOf, imageOf } from '../planning/model.js';

const drill = (at: number): Drill => ({
  ...{ at, ok: true, image: imageOf('cortex:2.250.0'), problems: [], bytes: 1 },
  ...{ tookMs: 10, copyMs: 1, migrationMs: 2 },
});
const rehearsal = (at: number, service = 'cortex'): Rehearsal => ({
  ...{ service, member: `00.${service}`, host: 'alpha', backup: 'b1', drill: drill(at) },
});

describe('rehearsals', () => {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-rehearsals-'));
  });
  afterEach(() => rm(dir, { recursive: true }));
  const open = async () => {
    const database = await openDatabase<FleetTables>(join(dir, 'store.sqlite'));
    const store = createFleetStore(database.db);
    const fleet = await openFleet({ name: 'test', store, clock: systemClock });
    return { database, store, fleet };
  };

  it('are there after a restart, newest first, ten of each service', async () => {
    const first = await open();
    for (let at = 1; at <= 12; at += 1)
      await first.fleet.transact(() => ({
        changes: [{ kind: 'rehearsal', rehearsal: rehearsal(at) }],
        value: undefined,
      }));
    const shown = first.fleet.snapshot().rehearsals;
    await first.database.close();
    const second = await open();
    expect(second.fleet.snapshot().rehearsals).to.deep.equal(shown);
    expect(shown?.map((one) => one.drill.at)).to.deep.equal([12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    await second.database.close();
    expect(withRehearsal(shown ?? [], rehearsal(99, 'aha'))).to.have.length(11);
  });

  it('are found in the outcome of a drill with another image, with the backup that it was of', () => {
    const backup = { ...backupOf('00.cortex', 'cortex', 'alpha', 1), path: '/backups/b1' };
    const request = {
      ...{ kind: 'drill-backup' as const, id: 'ask-1', epoch: 1, expiresAt: 9, term: 1 },
      ...{ member: '00.cortex', path: '/backups/b1', timeoutMs: 1 },
    };
    const state: RequestState = { request, host: 'alpha', createdAt: 1 };
    const outcome: Outcome = {
      ...{ requestId: 'ask-1', state: 'succeeded', startedAt: 1, finishedAt: 2, changes: [] },
      rehearsal: drill(2),
    };
    const report = { outcomes: [outcome] } as unknown as Report;
    const known = { requests: { 'ask-1': state }, backups: [backup] };
    expect(changesOfReport(known, 'alpha', report)).to.deep.equal([
      { kind: 'outcome', outcome },
      { kind: 'rehearsal', rehearsal: rehearsal(2) },
    ]);
  });
});

describe('the desk for plans', () => {
  it('says what is wrong with a fleet-wide update, and with a restore', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'leafward-desk-'));
    const database = await openDatabase<FleetTables>(join(dir, 'store.sqlite'));
    try {
      const store = createFleetStore(database.db);
      const fleet = await openFleet({ name: 'test', store, clock: systemClock });
      const desk = createPlanDesk(fleet, store, systemClock);
      const said = (goal: Goal): Promise<string> =>
        desk.make(goal).then(
          () => 'planned',
          (error: unknown) => String(error),
        );
      const asked = (services: readonly string[], tag: string): Promise<string> =>
        said({ kind: 'fleet-update', services, tag, updates: [] });
      const restore = { kind: 'restore', service: 'c', backup: 'b', wipe: false, id: '' } as const;
      expect(await asked(['nobody'], 'v1')).to.include('nobody: there is no such service');
      expect(await asked(['nobody'], 'not a tag')).to.include('that is no tag of an image');
      expect(await asked([], 'v1')).to.include('it has no service of kind synapse');
      expect(await said({ ...restore, image: 'i', member: 'm' })).to.include('leave out either');
      expect(await said({ ...restore, image: ' ' })).to.include('the image has no name');
    } finally {
      await database.close();
      await rm(dir, { recursive: true });
    }
  });
});
