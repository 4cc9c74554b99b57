// Makes a member's storage where there is none. Must never hide that a volume is not mounted: a leader that has led before
// would begin with nothing, and its mirrors after it.
import { chmod, chown, mkdir } from 'node:fs/promises';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { ownerOf } from './runtimes/process/user.js';

/** Keys and databases lie there: nobody else on the host has to look at them. */
const STORAGE_MODE = 0o700;
const FIRST_TERM = 1;

/** With the owner that its program has, and closed to everybody else; one that is there stays as it is. */
export async function makeStorage(
  { spec }: Pick<MemberIntent, 'spec'>,
  path = spec.storage,
): Promise<void> {
  if ((await mkdir(path, { recursive: true })) === undefined) return;
  const owner = await ownerOf(spec);
  if (owner !== undefined && process.getuid?.() === 0) await chown(path, owner.uid, owner.gid);
  await chmod(path, STORAGE_MODE);
}

/** Before a member's container is made: Docker mounts no directory that is not there. */
export async function makeFirstStorage(intent: MemberIntent): Promise<void> {
  const mayBeginEmpty = intent.role === 'mirror' || intent.term <= FIRST_TERM;
  if (mayBeginEmpty && intent.spec.runtime === 'docker') await makeStorage(intent);
}
