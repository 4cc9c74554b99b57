// Files that a member's own user must be able to write.
import { chown, stat } from 'node:fs/promises';

/** Whoever owns the storage is whom the member runs as, whatever its image calls that user. */
export async function giveToOwner(path: string, storage: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(storage);
  await chown(path, uid, gid);
}
