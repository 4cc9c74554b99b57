// The fleet: intents, topologies, requests, plans, operations and what was learned of hosts.
import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  const table = (name: string) => db.schema.createTable(name);
  await table('meta')
    .addColumn('key', 'text', (c) => c.primaryKey())
    .addColumn('value', 'text', (c) => c.notNull())
    .execute();
  await table('manifests')
    .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('text', 'text', (c) => c.notNull())
    .addColumn('applied_at', 'integer', (c) => c.notNull())
    .addColumn('applied_by', 'text', (c) => c.notNull())
    .execute();
  await table('services')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('declaration', 'text', (c) => c.notNull())
    .addColumn('topology', 'text', (c) => c.notNull())
    .execute();
  await table('intents')
    .addColumn('host', 'text', (c) => c.primaryKey())
    .addColumn('generation', 'integer', (c) => c.notNull())
    .addColumn('body', 'text', (c) => c.notNull())
    .execute();
  await table('requests')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('host', 'text', (c) => c.notNull())
    .addColumn('created_at', 'integer', (c) => c.notNull())
    .addColumn('body', 'text', (c) => c.notNull())
    .addColumn('outcome', 'text')
    .addColumn('open', 'integer', (c) => c.notNull())
    .execute();
  await db.schema.createIndex('requests_open').on('requests').columns(['open', 'host']).execute();
  await table('plans')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('made_at', 'integer', (c) => c.notNull())
    .addColumn('body', 'text', (c) => c.notNull())
    .addColumn('images', 'text', (c) => c.notNull())
    .execute();
  await table('operations')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('open', 'integer', (c) => c.notNull())
    .addColumn('created_at', 'integer', (c) => c.notNull())
    .addColumn('body', 'text', (c) => c.notNull())
    .execute();
  await table('operation_events')
    .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('operation_id', 'text', (c) => c.notNull())
    .addColumn('at', 'integer', (c) => c.notNull())
    .addColumn('text', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createIndex('operation_events_by_operation')
    .on('operation_events')
    .columns(['operation_id', 'id'])
    .execute();
  await learned(db);
}

async function learned(db: Kysely<unknown>): Promise<void> {
  const table = (name: string) => db.schema.createTable(name);
  await table('host_facts')
    .addColumn('host', 'text', (c) => c.primaryKey())
    .addColumn('received_at', 'integer', (c) => c.notNull())
    .addColumn('body', 'text', (c) => c.notNull())
    .execute();
  await table('backups')
    .addColumn('host', 'text', (c) => c.notNull())
    .addColumn('service', 'text', (c) => c.notNull())
    .addColumn('member', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('finished_at', 'integer', (c) => c.notNull())
    .addColumn('body', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('backups_pk', ['host', 'member', 'name'])
    .execute();
  await table('waivers')
    .addColumn('host', 'text', (c) => c.notNull())
    .addColumn('check', 'text', (c) => c.notNull())
    .addColumn('body', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('waivers_pk', ['host', 'check'])
    .execute();
  await table('durations')
    .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('service', 'text', (c) => c.notNull())
    .addColumn('move', 'text', (c) => c.notNull())
    .addColumn('ms', 'integer', (c) => c.notNull())
    .addColumn('at', 'integer', (c) => c.notNull())
    .execute();
}
