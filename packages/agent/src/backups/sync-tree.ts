// Brings a directory with all below it onto the disk, before it counts as written.
import { open, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';

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

/** One file or directory. */
export async function syncOne(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
