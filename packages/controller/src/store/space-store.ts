// Samples of space by host: hourly ones of the last week, then the first of each day, for 400 days. Never in the way of
// a commit: they are lost with the store and begin anew, and nothing but the forecast reads them.
import { sql, type Kysely, type Transaction } from 'kysely';
import type { SpaceSample } from '../planning/forecast-samples.js';
import type { FleetTables } from './tables.js';

export interface SpaceStore {
  /** In the order of time. */
  samples(host: string): Promise<readonly SpaceSample[]>;
  /** Those of the future go: the clock was set back since. Thins what has become old. */
  add(host: string, sample: SpaceSample): Promise<void>;
}

const DAY_MS = 86_400_000;
/** A week of hours shows what runs every night. */
const HOURLY_MS = 7 * DAY_MS;
/** A year, and a month to compare with the year before. */
const KEPT_MS = 400 * DAY_MS;

export function createSpaceStore(db: Kysely<FleetTables>): SpaceStore {
  return {
    samples: async (host) =>
      (
        await db
          .selectFrom('space_samples')
          .selectAll()
          .where('host', '=', host)
          .orderBy('at')
          .execute()
      ).map(({ at, body }) => ({ ...(JSON.parse(body) as Omit<SpaceSample, 'at'>), at })),
    add: (host, { at, ...body }) =>
      db.transaction().execute(async (trx) => {
        await trx
          .deleteFrom('space_samples')
          .where('host', '=', host)
          .where('at', '>=', at)
          .execute();
        await trx
          .insertInto('space_samples')
          .values({ host, at, body: JSON.stringify(body) })
          .execute();
        await thin(trx, host, at);
      }),
  };
}

async function thin(trx: Transaction<FleetTables>, host: string, now: number): Promise<void> {
  const old = now - HOURLY_MS;
  const firstOfDays = trx
    .selectFrom('space_samples')
    .select(({ fn }) => fn.min('at').as('at'))
    .where('host', '=', host)
    .where('at', '<', old)
    .groupBy(sql`at / ${sql.lit(DAY_MS)}`);
  await trx
    .deleteFrom('space_samples')
    .where('host', '=', host)
    .where('at', '<', old)
    .where((e) => e.or([e('at', '<', now - KEPT_MS), e('at', 'not in', firstOfDays)]))
    .execute();
}
