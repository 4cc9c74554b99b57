// The LMDB databases of a cell: one data.mdb a directory. Those of its backups and of what it throws away are not its own.
import { lstat, opendir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';

export interface Database {
  /** Of its data.mdb, below the storage. */
  readonly path: string;
  /** Allocated: most of its length is a hole. */
  readonly bytes: number;
}

const FILE = 'data.mdb';
const BLOCK_BYTES = 512;
/** Right below the storage. */
const NOT_ITS_OWN: ReadonlySet<string> = new Set(['backups', 'tmp']);
/** A cortex has some hundred. */
const MOST_DATABASES = 100_000;

/** In no order. `leftOut`: further directories, as the host calls them. @throws LeafwardError `aborted`, `exhausted`. */
export async function databasesIn(
  storage: string,
  leftOut: readonly string[],
  signal: AbortSignal,
): Promise<readonly Database[]> {
  const found: Database[] = [];
  const waiting = [storage];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (signal.aborted)
      throw new LeafwardError('aborted', `look for databases in ${storage}: stopped by the caller`);
    for await (const entry of await opendir(path)) {
      const inside = join(path, entry.name);
      if (entry.isDirectory()) {
        const isForeign = path === storage && NOT_ITS_OWN.has(entry.name);
        if (!isForeign && !leftOut.includes(inside)) waiting.push(inside);
      } else if (entry.isFile() && entry.name === FILE) {
        const { blocks } = await lstat(inside);
        found.push({ path: relative(storage, inside), bytes: blocks * BLOCK_BYTES });
      }
    }
    if (found.length > MOST_DATABASES)
      throw new LeafwardError('exhausted', `${storage} has more than ${MOST_DATABASES} databases`);
  }
  return found;
}
