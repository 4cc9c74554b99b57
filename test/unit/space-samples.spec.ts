// Samples of space: once an hour, thinned, kept over restarts and over a clock that was set back; and the step of the
// schema that holds them. With the real store and fleet.
import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { Kysely, Migrator, SqliteDialect } from 'kysely';
import { systemClock } from '@leafward/shared/clock.js';
import { openFleet, type Fleet } from '@leafward/controller/fleet.js';
import { createSpacePass } from '@leafward/controller/operations/space-loop.js';
import type { SpaceSample } from '@leafward/controller/planning/forecast-samples.js';
import { openDatabase, type Database } from '@leafward/controller/store/database.js';
import { createFleetStore } from '@leafward/controller/store/fleet-store.js';
import { migrations } from '@leafward/controller/store/migrations.js';
import { createSpaceStore, type SpaceStore } from '@leafward/controller/store/space-store.js';
import type { FleetTables } from '@leafward/controller/store/tables.js';
import { at, DAY_MS, GiB, HOUR_MS, NOW, STORAGE } from '../planning/forecast-world.js';

const never = new AbortController().signal;
const sample = (moment: number): SpaceSample => ({
  at: moment,
  data: { '/srv': moment },
  backups: {},
  others: { '/srv': [1, 2] },
});

describe('samples of space', () => {
  let dir: string;
  let database: Database<FleetTables>;
  let space: SpaceStore;
  const open = async (): Promise<void> => {
    database = await openDatabase<FleetTables>(join(dir, 'store.sqlite'));
    space = createSpaceStore(database.db);
  };
  const timesOf = async (host: string) => (await space.samples(host)).map(({ at }) => at);
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-space-'));
    await open();
  });
  afterEach(async () => {
    await database.close();
    await rm(dir, { recursive: true });
  });

  it('come back as they were, host by host', async () => {
    await space.add('alpha', sample(NOW));
    await space.add('bravo', sample(NOW + 1));
    await database.close();
    await open();
    expect(await space.samples('alpha')).to.eql([sample(NOW)]);
    expect(await space.samples('bravo')).to.eql([sample(NOW + 1)]);
    expect(await space.samples('charlie')).to.eql([]);
  });

  it('stay hourly for a week and daily for 400 days', async () => {
    const midnight = Date.UTC(2026, 0, 1);
    for (let day = -420; day < -10; day += 1)
      await space.add('alpha', sample(midnight + day * DAY_MS));
    for (let hour = -240; hour <= 0; hour += 1)
      await space.add('alpha', sample(midnight + hour * HOUR_MS));
    const times = await timesOf('alpha');
    const old = times.filter((moment) => moment < midnight - 7 * DAY_MS);
    expect(times.length - old.length).to.equal(7 * 24 + 1);
    expect(old.every((moment) => moment % DAY_MS === 0)).to.equal(true);
    expect(old[0]).to.equal(midnight - 400 * DAY_MS);
    expect(old).to.have.length(400 - 7);
  });

  it('of the future go, since the clock was set back', async () => {
    for (const moment of [NOW, NOW + HOUR_MS, NOW + 3_000 * DAY_MS])
      await space.add('alpha', sample(moment));
    await space.add('alpha', sample(NOW + 2 * HOUR_MS));
    // What the wild clock made old is gone; from then on it begins anew.
    expect(await timesOf('alpha')).to.eql([NOW + 2 * HOUR_MS]);
    await space.add('alpha', sample(NOW - HOUR_MS));
    expect(await timesOf('alpha')).to.eql([NOW - HOUR_MS]);
  });

  describe('are taken by the controller', () => {
    let now = NOW;
    let fleet: Fleet;
    let pass: (signal: AbortSignal) => Promise<undefined>;
    const start = async (): Promise<void> => {
      const clock = { ...systemClock, now: () => now };
      fleet = await openFleet({ name: 'demo', store: createFleetStore(database.db), clock });
      fleet.setIdentities([{ name: 'alpha', revoked: false }]);
      pass = createSpacePass({ fleet, store: space });
    };
    /** As a report would leave it. */
    const report = async (): Promise<void> => {
      const state = at({ dataPerDay: GiB }, now).hosts['alpha'];
      if (state?.intent === undefined) throw new Error('the fixture has no intent');
      if (fleet.intent('alpha') === undefined) {
        const change = { kind: 'intent', intent: state.intent } as const;
        await fleet.transact(() => ({ changes: [change], value: undefined }));
      }
      const { fact, members, lastSeenAt } = state;
      fleet.setHost({ ...fleet.host('alpha'), session: 1, lastSeenAt, fact, members });
    };
    beforeEach(async () => {
      now = NOW;
      await start();
    });

    it('once an hour from a host that is there, and say how fast it grows', async () => {
      for (let minute = 0; minute <= 60 * 50; minute += 20) {
        now = NOW + minute * 60_000;
        await report();
        await pass(never);
      }
      expect(await timesOf('alpha')).to.have.length(51);
      const growth = fleet.snapshot().hosts['alpha']?.growth;
      expect(growth?.sampledAt).to.equal(NOW + 50 * HOUR_MS);
      expect(growth?.data[STORAGE]?.rate?.bytesPerDay).to.be.closeTo(GiB, 1);

      fleet.setHost({ ...fleet.host('alpha'), session: undefined });
      now += 2 * HOUR_MS;
      await pass(never);
      expect(await timesOf('alpha')).to.have.length(51);

      await start();
      expect(fleet.snapshot().hosts['alpha']?.growth).to.equal(undefined);
      await pass(never);
      expect(fleet.snapshot().hosts['alpha']?.growth).to.eql(growth);
    });

    it('never from a host that has reported no volume', async () => {
      await pass(never);
      expect(await timesOf('alpha')).to.eql([]);
    });
  });

  it('have a step of the schema that leaves a store of before as it was', async () => {
    const path = join(dir, 'before.sqlite');
    const before = new Kysely<FleetTables>({
      dialect: new SqliteDialect({ database: new SqliteDatabase(path) }),
    });
    const provider = { getMigrations: async () => migrations };
    const { error } = await new Migrator({ db: before, provider }).migrateTo(
      '004-automatic-failover',
    );
    expect(error).to.equal(undefined);
    await before
      .insertInto('host_facts')
      .values({ host: 'alpha', received_at: NOW, body: '{"name":"alpha"}' })
      .execute();
    await before.destroy();
    const after = await openDatabase<FleetTables>(path);
    try {
      const { hostFacts } = await createFleetStore(after.db).load();
      expect(hostFacts).to.eql({ alpha: { receivedAt: NOW, body: { name: 'alpha' } } });
      const store = createSpaceStore(after.db);
      await store.add('alpha', sample(NOW));
      expect(await store.samples('alpha')).to.eql([sample(NOW)]);
    } finally {
      await after.close();
    }
  });
});
