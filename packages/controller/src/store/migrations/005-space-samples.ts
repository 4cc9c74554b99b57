// What was measured of each host's volumes, once an hour at most, for the forecast of space.
import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('space_samples')
    .addColumn('host', 'text', (c) => c.notNull())
    .addColumn('at', 'integer', (c) => c.notNull())
    .addColumn('body', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('space_samples_pk', ['host', 'at'])
    .execute();
}
