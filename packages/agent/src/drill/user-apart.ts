// Whom a drill's files must belong to: a process that is kept apart has one user in its namespace, and no right over what
// belongs to another one, not even as root.
import { lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';
import { ownerOf } from '../runtimes/process/user.js';

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Undefined: a container, whose image knows its users. */
export async function userApart(spec: MemberSpec): Promise<User | undefined> {
  if (spec.runtime !== 'process') return undefined;
  const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  return (await ownerOf(spec)) ?? own;
}

/** Everything below the directory, and itself. An agent that is not root can give nothing away, and need not. */
export async function giveTo(user: User | undefined, path: string): Promise<void> {
  if (user === undefined || process.getuid?.() !== 0) return;
  const { uid, gid } = await lstat(path);
  if (uid !== user.uid || gid !== user.gid) await lchown(path, user.uid, user.gid);
  const entries = await readdir(path, { withFileTypes: true });
  for (const entry of entries) {
    const below = join(path, entry.name);
    if (entry.isDirectory()) await giveTo(user, below);
    else await lchown(below, user.uid, user.gid);
  }
}
