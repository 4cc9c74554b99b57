// Who uses which secret: what may be forgotten, and what must not be removed. Pure; knows no value.
import type { SecretReference } from '@leafward/shared/gen/domain.js';
import {
  secretKey,
  secretsOfIntent,
  secretsOfMember,
  secretsOfSpec,
} from '@leafward/shared/secrets.js';
import type { Change } from '../changes.js';
import { offsiteSecretsOf } from '../planning/duty.js';
import type { Snapshot } from '../snapshot.js';
import type { StoredSecret } from './seal.js';

/** The newest version of each name, removed ones included, by name. */
export function newestByName(secrets: readonly StoredSecret[]): ReadonlyMap<string, StoredSecret> {
  const newest = new Map<string, StoredSecret>();
  for (const secret of secrets)
    if ((newest.get(secret.name)?.version ?? 0) < secret.version) newest.set(secret.name, secret);
  return newest;
}

/** Versions that plans may take, as the snapshot shows them; undefined when there are none. */
export function versionsOf(secrets: readonly StoredSecret[]): Snapshot['secrets'] {
  const known = [...newestByName(secrets).values()].filter(({ sealed }) => sealed !== undefined);
  if (known.length === 0) return undefined;
  return Object.fromEntries(known.map(({ name, version }) => [name, version]));
}

export interface SecretUseAt extends SecretReference {
  readonly member: string;
}

/** What the orders of hosts name now. */
export function usesInIntents(snapshot: Snapshot): readonly SecretUseAt[] {
  return Object.values(snapshot.hosts).flatMap(({ intent }) =>
    (intent?.members ?? []).flatMap((member) => {
      const named = intent === undefined ? [] : secretsOfIntent({ ...intent, members: [member] });
      return named.map((reference) => ({ ...reference, member: member.member }));
    }),
  );
}

/** What running and paused operations will still order. */
function usesInOperations(snapshot: Snapshot): readonly SecretReference[] {
  return snapshot.operations.flatMap(({ moves }) =>
    moves.flatMap((move) => {
      if (move.kind === 'recreate') return secretsOfSpec(move.spec);
      return move.kind === 'place' ? secretsOfMember(move.intent) : [];
    }),
  );
}

/** Why a secret must stay, as subjects: members and services that name it, operations that will. */
export function usersOf(snapshot: Snapshot, name: string): readonly string[] {
  const users = [
    ...usesInIntents(snapshot).flatMap((use) => (use.name === name ? [use.member] : [])),
    ...Object.values(snapshot.services).flatMap(({ declaration }) => [
      ...(Object.values(offsiteSecretsOf(declaration)).includes(name)
        ? [`the copies of ${declaration.name}`]
        : []),
      ...declaration.members
        .filter(({ secretEnvironment = {} }) => Object.values(secretEnvironment).includes(name))
        .map((member) => member.name),
    ]),
    ...(usesInOperations(snapshot).some((use) => use.name === name)
      ? ['an operation that is going on']
      : []),
  ];
  return [...new Set(users)].sort();
}

/** Older versions that nobody's order names any more, and that no operation will name. */
export function forgetUnused(snapshot: Snapshot, secrets: readonly StoredSecret[]): Change[] {
  const newest = newestByName(secrets);
  const older = secrets.filter(({ name, version }) => newest.get(name)?.version !== version);
  if (older.length === 0) return [];
  const used = new Set([...usesInIntents(snapshot), ...usesInOperations(snapshot)].map(secretKey));
  return older
    .filter((secret) => !used.has(secretKey(secret)))
    .map(({ name, version }) => ({ kind: 'forget-secret', name, version }));
}
