// Whom a member runs as: `uid`, `uid:gid` or a name from /etc/passwd.
import { readFile } from 'node:fs/promises';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';

export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  readonly home?: string | undefined;
}

/** Undefined: as the agent itself. @throws LeafwardError `invalid` for a name that is not in the file. */
export async function resolveUser(
  user: string | undefined,
  passwdPath = '/etc/passwd',
): Promise<ProcessUser | undefined> {
  if (user === undefined || user === '') return undefined;
  const [name = '', group] = user.split(':', 2);
  const rows = (await readFile(passwdPath, 'utf8').catch(() => ''))
    .split('\n')
    .map((line) => line.split(':'));
  const row = rows.find(([login, , uid]) => login === name || uid === name);
  const uid = Number(row?.[2] ?? name);
  const gid = Number(group ?? row?.[3] ?? uid);
  if (!isId(uid) || !isId(gid))
    throw new LeafwardError(
      'invalid',
      `find the user ${user} on this host: ${passwdPath} does not name it; create it or give numbers`,
    );
  return { uid, gid, home: row?.[5] };
}

/**
 * Whom a storage that is made now belongs to. Undefined: the agent itself, also for a container's user whose name only
 * its image knows.
 */
export async function ownerOf({
  runtime,
  user,
}: Pick<MemberSpec, 'runtime' | 'user'>): Promise<ProcessUser | undefined> {
  if (runtime === 'process') return resolveUser(user);
  return resolveUser(user).catch(() => undefined);
}

function isId(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 2 ** 32;
}
