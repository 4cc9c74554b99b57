// The identity store over SQL. Writes go to the disk first and then to the picture in memory, which answers
// the questions that every call asks. One controller at a time owns the store.
import type { Kysely, Transaction } from 'kysely';
import type { AuditRow } from '@leafward/shared/gen/domain.js';
import type {
  CertificateRecord,
  IdentityStore,
  Principal,
  PrincipalKind,
  TokenRecord,
} from '../identity-store.js';
import { adoptHost } from './adopt-host.js';
import { insertAudit, insertCertificate } from './identity-inserts.js';
import { auditOf, certificateOf, principalOf, tokenOf } from './identity-rows.js';
import type { IdentityTables, PrincipalTable } from './identity-rows.js';

export type { IdentityTables } from './identity-rows.js';

type Db = Kysely<IdentityTables>;
type Trx = Transaction<IdentityTables>;

const MAX_AUDIT_ROWS = 100_000; // about 20 MB; the oldest leave first
const AUDIT_PRUNE_EVERY = 256; // rows between two prunings, so that most writes cost one insert

const tableOf = { agent: 'hosts', user: 'users' } as const;
const keyOf = (kind: PrincipalKind, name: string): string => `${kind}/${name}`;

/** Reads what is known into memory. `db` must have the migration 002-identities. */
export async function openIdentityStore(db: Db): Promise<IdentityStore> {
  const principals = new Map<string, Principal>();
  const revokedSerials = new Set<string>();
  for (const kind of ['agent', 'user'] as const)
    for (const row of await db.selectFrom(tableOf[kind]).selectAll().execute())
      principals.set(keyOf(kind, row.name), principalOf(kind, row));
  const taken = db.selectFrom('certificates').select('serial').where('revoked_at', 'is not', null);
  for (const { serial } of await taken.execute()) revokedSerials.add(serial);

  const remember = (principal: Principal): void => {
    principals.set(keyOf(principal.kind, principal.name), principal);
  };
  return {
    ...tokens(db),
    ...proofs(db),
    enroll: async (spent, certificate, audit) => {
      const done = await db.transaction().execute((trx) => enroll(trx, spent, certificate, audit));
      if (done === undefined) return false;
      for (const serial of done.serials) revokedSerials.add(serial);
      remember(done.principal);
      return true;
    },
    renew: async (oldSerial, certificate, audit) => {
      const principal = await db
        .transaction()
        .execute((trx) => renew(trx, oldSerial, certificate, audit));
      if (principal !== undefined) remember(principal);
      return principal !== undefined;
    },
    revoke: async (kind, name, audit) => {
      const done = await db.transaction().execute((trx) => revoke(trx, kind, name, audit));
      for (const serial of done.serials) revokedSerials.add(serial);
      if (done.principal !== undefined) remember(done.principal);
      return done.found;
    },
    adopt: async (host, audit) => {
      if (principals.has(keyOf('agent', host.name))) return;
      remember(await db.transaction().execute((trx) => adoptHost(trx, host, audit)));
    },
    ...certificates(db),
    principal: (kind, name) => principals.get(keyOf(kind, name)),
    principals: (kind) =>
      [...principals.values()]
        .filter((principal) => principal.kind === kind)
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    isRevoked: (kind, name, serial) => {
      const principal = principals.get(keyOf(kind, name));
      return (
        principal === undefined || principal.revokedAt !== undefined || revokedSerials.has(serial)
      );
    },
    ...audits(db),
  };
}

function tokens(db: Db): Pick<IdentityStore, 'addToken' | 'findToken'> {
  return {
    addToken: async (token) => {
      await db
        .insertInto('tokens')
        .values({
          hash: token.hash,
          kind: token.kind,
          name: token.name,
          role: token.role,
          made_by: token.madeBy,
          made_at: token.madeAt,
          expires_at: token.expiresAt,
          used_at: null,
        })
        .execute();
    },
    findToken: async (hash) => {
      const query = db.selectFrom('tokens').selectAll().where('hash', '=', hash);
      const row = await query.executeTakeFirst();
      return row && tokenOf(row);
    },
  };
}

function certificates(db: Db): Pick<IdentityStore, 'findCertificate' | 'issuedSince'> {
  return {
    findCertificate: async (serial) => {
      const query = db.selectFrom('certificates').selectAll().where('serial', '=', serial);
      const row = await query.executeTakeFirst();
      return row && certificateOf(row);
    },
    issuedSince: async (kind, name, since) => {
      const row = await db
        .selectFrom('certificates')
        .select((e) => e.fn.countAll<number>().as('count'))
        .where('kind', '=', kind)
        .where('name', '=', name)
        .where('issued_at', '>=', since)
        .executeTakeFirstOrThrow();
      return Number(row.count);
    },
  };
}

function proofs(db: Db): Pick<IdentityStore, 'spendProof'> {
  return {
    spendProof: async (hash, forgetAt, now) => {
      await db.deleteFrom('proofs').where('forget_at', '<', now).execute();
      const result = await db
        .insertInto('proofs')
        .values({ hash, forget_at: forgetAt })
        .onConflict((c) => c.column('hash').doNothing())
        .executeTakeFirst();
      return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
    },
  };
}

function audits(db: Db): Pick<IdentityStore, 'addAudit' | 'audit'> {
  let added = 0;
  return {
    addAudit: async (row) => {
      await insertAudit(db, row);
      added += 1;
      if (added % AUDIT_PRUNE_EVERY !== 0) return;
      const newest = db.selectFrom('audit').select((e) => e.fn.max('id').as('id'));
      const last = (await newest.executeTakeFirst())?.id ?? 0;
      await db
        .deleteFrom('audit')
        .where('id', '<=', last - MAX_AUDIT_ROWS)
        .execute();
    },
    audit: async (limit) =>
      (await db.selectFrom('audit').selectAll().orderBy('id', 'desc').limit(limit).execute()).map(
        auditOf,
      ),
  };
}

interface Enrolled {
  readonly principal: Principal;
  /** What it held before and may not use any more. */
  readonly serials: readonly string[];
}

async function enroll(
  trx: Trx,
  spent: TokenRecord,
  certificate: CertificateRecord,
  audit: AuditRow,
): Promise<Enrolled | undefined> {
  const at = certificate.issuedAt;
  const used = await trx
    .updateTable('tokens')
    .set({ used_at: at })
    .where('hash', '=', spent.hash)
    .where('used_at', 'is', null)
    .where('expires_at', '>', at)
    .executeTakeFirst();
  if (used.numUpdatedRows !== 1n) return undefined;
  const row: PrincipalTable = {
    name: spent.name,
    role: spent.role,
    enrolled_at: at,
    expires_at: certificate.expiresAt,
    revoked_at: null,
    revoked_reason: null,
  };
  await trx
    .insertInto(tableOf[spent.kind])
    .values(row)
    .onConflict((c) => c.column('name').doUpdateSet(row))
    .execute();
  // A host has one agent: enrolled again, what it held before is void. A user may have several machines.
  const serials = spent.kind === 'agent' ? await takeBack(trx, 'agent', spent.name, at) : [];
  await insertCertificate(trx, certificate);
  await insertAudit(trx, audit);
  return { principal: principalOf(spent.kind, row), serials };
}

async function renew(
  trx: Trx,
  oldSerial: string,
  certificate: CertificateRecord,
  audit: AuditRow,
): Promise<Principal | undefined> {
  const { kind, name } = certificate;
  const old = await trx
    .selectFrom('certificates')
    .select('revoked_at')
    .where('serial', '=', oldSerial)
    .executeTakeFirst();
  if (old !== undefined && old.revoked_at !== null) return undefined;
  const row = await trx
    .updateTable(tableOf[kind])
    .set({ expires_at: certificate.expiresAt })
    .where('name', '=', name)
    .where('revoked_at', 'is', null)
    .returningAll()
    .executeTakeFirst();
  if (row === undefined) return undefined;
  await insertCertificate(trx, certificate);
  await insertAudit(trx, audit);
  return principalOf(kind, row);
}

interface Revoked {
  readonly found: boolean;
  readonly principal?: Principal | undefined;
  readonly serials: readonly string[];
}

async function revoke(
  trx: Trx,
  kind: PrincipalKind,
  name: string,
  audit: AuditRow,
): Promise<Revoked> {
  const row = await trx
    .updateTable(tableOf[kind])
    .set({ revoked_at: audit.at, revoked_reason: audit.result })
    .where('name', '=', name)
    .returningAll()
    .executeTakeFirst();
  const serials = await takeBack(trx, kind, name, audit.at);
  // An invitation that was not used yet ends too: revoking means that the name may not come in.
  const tokens = await trx
    .updateTable('tokens')
    .set({ expires_at: audit.at })
    .where('kind', '=', kind)
    .where('name', '=', name)
    .where('used_at', 'is', null)
    .where('expires_at', '>', audit.at)
    .executeTakeFirst();
  const found = row !== undefined || tokens.numUpdatedRows > 0n;
  if (found) await insertAudit(trx, audit);
  return {
    found,
    principal: row && principalOf(kind, row),
    serials,
  };
}

async function takeBack(
  trx: Trx,
  kind: PrincipalKind,
  name: string,
  at: number,
): Promise<readonly string[]> {
  const rows = await trx
    .updateTable('certificates')
    .set({ revoked_at: at })
    .where('kind', '=', kind)
    .where('name', '=', name)
    .where('revoked_at', 'is', null)
    .returning('serial')
    .execute();
  return rows.map((row) => row.serial);
}
