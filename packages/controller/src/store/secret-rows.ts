// Rows of sealed secrets as the controller's own words.
import type { Kysely, Transaction } from 'kysely';
import type { Change } from '../changes.js';
import type { StoredSecret } from '../secrets/seal.js';
import type { FleetTables } from './tables.js';

export type SecretChange = Extract<Change, { readonly kind: 'secret' | 'forget-secret' }>;

export async function loadSecrets(db: Kysely<FleetTables>): Promise<readonly StoredSecret[]> {
  const rows = await db
    .selectFrom('secrets')
    .selectAll()
    .orderBy('name')
    .orderBy('version')
    .execute();
  return rows.map((row) => ({
    name: row.name,
    version: row.version,
    sealed: row.sealed ?? undefined,
    keyId: row.key_id,
    madeAt: row.made_at,
    madeBy: row.made_by,
  }));
}

export async function writeSecret(
  trx: Transaction<FleetTables>,
  change: SecretChange,
): Promise<void> {
  if (change.kind === 'forget-secret') {
    await trx
      .deleteFrom('secrets')
      .where('name', '=', change.name)
      .where('version', '=', change.version)
      .execute();
    return;
  }
  const { secret } = change;
  const row = {
    name: secret.name,
    version: secret.version,
    sealed: secret.sealed ?? null,
    key_id: secret.keyId,
    made_at: secret.madeAt,
    made_by: secret.madeBy,
  };
  await trx
    .insertInto('secrets')
    .values(row)
    .onConflict((c) => c.columns(['name', 'version']).doUpdateSet(row))
    .execute();
}
