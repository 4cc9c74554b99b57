// What a failover that acts alone must remember of a service: the term that its leader was seen in, and the last one that
// nobody has acknowledged.
import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('services').addColumn('automatic', 'text').execute();
}
