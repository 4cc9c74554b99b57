// Files that a member's own user must be able to write, and that must be on the disk before they count.
import { chown, open, opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';

/** Whoever owns the storage is whom the member runs as, whatever its image calls that user. */
export async function giveToOwner(path: string, storage: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(storage);
  await chown(path, uid, gid);
}

/** Every file and directory below and including `root`. Links are no files. */
export async function syncTree(root: string, signal: AbortSignal): Promise<void> {
  const waiting = [root];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    for await (const entry of await opendir(path)) {
      if (signal.aborted) throw new LeafwardError('aborted', `write ${root} to the disk: aborted`);
      const found = join(path, entry.name);
      if (entry.isDirectory()) waiting.push(found);
      else if (entry.isFile()) await syncOne(found);
    }
    await syncOne(path);
  }
}

async function syncOne(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
