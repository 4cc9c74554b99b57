// One change of a commit as rows. Called only inside the transaction of FleetStore.commit.
import type { Kysely, Transaction } from 'kysely';
import type { Change } from '../changes.js';
import { withRehearsal } from '../rehearsals.js';
import type { RebuildState, Rehearsal } from '../snapshot.js';
import { writeSecret, type SecretChange } from './secret-rows.js';
import type { FleetTables } from './tables.js';

export async function writeChange(trx: Transaction<FleetTables>, change: Change): Promise<void> {
  switch (change.kind) {
    case 'manifest':
      await trx
        .insertInto('manifests')
        .values({ text: change.text, applied_at: change.at, applied_by: change.by })
        .execute();
      return;
    case 'service': {
      const row = {
        name: change.name,
        declaration: JSON.stringify(change.state.declaration),
        topology: JSON.stringify(change.state.topology),
      };
      await trx
        .insertInto('services')
        .values(row)
        .onConflict((c) => c.column('name').doUpdateSet(row))
        .execute();
      return;
    }
    case 'automatic':
      return writeAutomatic(trx, change);
    case 'intent': {
      const row = {
        host: change.intent.host,
        generation: change.intent.generation,
        body: JSON.stringify(change.intent),
      };
      await trx
        .insertInto('intents')
        .values(row)
        .onConflict((c) => c.column('host').doUpdateSet(row))
        .execute();
      return;
    }
    case 'request':
      await trx
        .insertInto('requests')
        .values({
          id: change.state.request.id,
          host: change.state.host,
          created_at: change.state.createdAt,
          body: JSON.stringify(change.state.request),
          outcome: null,
          open: 1,
        })
        .onConflict((c) => c.column('id').doNothing())
        .execute();
      return;
    case 'outcome':
      await trx
        .updateTable('requests')
        .set({
          outcome: JSON.stringify(change.outcome),
          open: change.outcome.state === 'running' ? 1 : 0,
        })
        .where('id', '=', change.outcome.requestId)
        .execute();
      return;
    case 'secret':
    case 'forget-secret':
      return writeSecret(trx, change);
    case 'rebuild':
      return writeMeta(trx, 'rebuild', change.rebuild);
    default:
      await writeRecord(trx, change);
  }
}

async function writeAutomatic(
  trx: Transaction<FleetTables>,
  { service, state }: Extract<Change, { readonly kind: 'automatic' }>,
): Promise<void> {
  // What is memory only means nothing to the next controller.
  const { memory: _, ...durable } = state;
  await trx
    .updateTable('services')
    .set({ automatic: JSON.stringify(durable) })
    .where('name', '=', service)
    .execute();
}

type RecordChange = Exclude<
  Change,
  | SecretChange
  | {
      readonly kind:
        'manifest' | 'service' | 'automatic' | 'intent' | 'request' | 'outcome' | 'rebuild';
    }
>;

/** What came of rehearsals, newest first. */
export async function loadRehearsals(db: Kysely<FleetTables>): Promise<readonly Rehearsal[]> {
  const row = await db
    .selectFrom('meta')
    .select('value')
    .where('key', '=', 'rehearsals')
    .executeTakeFirst();
  return row === undefined ? [] : (JSON.parse(row.value) as readonly Rehearsal[]);
}

async function addRehearsal(trx: Transaction<FleetTables>, next: Rehearsal): Promise<void> {
  await writeMeta(trx, 'rehearsals', withRehearsal(await loadRehearsals(trx), next));
}

async function writeMeta(
  trx: Transaction<FleetTables>,
  key: string,
  value: RebuildState | readonly Rehearsal[],
): Promise<void> {
  const row = { key, value: JSON.stringify(value) };
  await trx
    .insertInto('meta')
    .values(row)
    .onConflict((c) => c.column('key').doUpdateSet(row))
    .execute();
}

async function writeRecord(trx: Transaction<FleetTables>, change: RecordChange): Promise<void> {
  switch (change.kind) {
    case 'plan': {
      const row = {
        id: change.plan.id,
        made_at: change.plan.madeAt,
        body: JSON.stringify(change.plan),
        images: JSON.stringify(change.images),
        facts: change.facts === undefined ? null : JSON.stringify(change.facts),
      };
      await trx
        .insertInto('plans')
        .values(row)
        .onConflict((c) => c.column('id').doUpdateSet(row))
        .execute();
      return;
    }
    case 'operation':
      await writeOperation(trx, change);
      return;
    case 'backups':
      await trx.deleteFrom('backups').where('host', '=', change.host).execute();
      for (const backup of change.backups)
        await trx
          .insertInto('backups')
          .values({
            host: backup.host,
            service: backup.service,
            member: backup.member,
            name: backup.name,
            finished_at: backup.finishedAt,
            body: JSON.stringify(backup),
          })
          // Two directories may hold one name; the host must not be shut out for it.
          .onConflict((c) => c.columns(['host', 'member', 'name']).doNothing())
          .execute();
      return;
    case 'waiver': {
      const row = {
        host: change.waiver.host,
        check: change.waiver.check,
        body: JSON.stringify(change.waiver),
      };
      await trx
        .insertInto('waivers')
        .values(row)
        .onConflict((c) => c.columns(['host', 'check']).doUpdateSet(row))
        .execute();
      return;
    }
    case 'end-waiver':
      await trx
        .deleteFrom('waivers')
        .where('host', '=', change.host)
        .where('check', '=', change.check)
        .execute();
      return;
    case 'rehearsal':
      return addRehearsal(trx, change.rehearsal);
    case 'duration':
      await trx
        .insertInto('durations')
        .values({ service: change.service, move: change.move, ms: change.ms, at: change.at })
        .execute();
  }
}

async function writeOperation(
  trx: Transaction<FleetTables>,
  change: Extract<Change, { readonly kind: 'operation' }>,
): Promise<void> {
  const { operation } = change;
  const row = {
    id: operation.id,
    open: operation.state === 'running' || operation.state === 'paused' ? 1 : 0,
    created_at: operation.createdAt,
    body: JSON.stringify(operation),
  };
  await trx
    .insertInto('operations')
    .values(row)
    .onConflict((c) => c.column('id').doUpdateSet(row))
    .execute();
  for (const text of change.events)
    await trx
      .insertInto('operation_events')
      .values({ operation_id: operation.id, at: change.at, text })
      .execute();
}
