// What a plan relied on when it was made, so that a stale one can say what has changed. Null: of a plan of before.
import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('plans').addColumn('facts', 'text').execute();
}
