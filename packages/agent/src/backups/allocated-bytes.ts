// What a directory really takes: allocated blocks, since a cell's files are mostly holes.
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';

/** A unit of `blocks` in stat(2), whatever the file system. */
const BLOCK_BYTES = 512;
/** A cell has some thousands of files; more than this is not one. */
const MAX_ENTRIES = 2_000_000;

/** Allocated bytes below `root`, hard links once; what vanishes meanwhile counts nothing. Missing: 0. */
export async function allocatedBytes(root: string, signal: AbortSignal): Promise<number> {
  const waiting = [root];
  const linked = new Set<string>();
  let total = 0;
  let entries = 0;
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (signal.aborted)
      throw new LeafwardError('aborted', `measure ${root}: stopped by the caller`);
    if (++entries > MAX_ENTRIES) {
      throw new LeafwardError('exhausted', `measure ${root}: more than ${MAX_ENTRIES} entries`);
    }
    const found = await lstat(path).catch(() => undefined);
    if (found === undefined) continue;
    const identity = `${found.dev}:${found.ino}`;
    if (found.nlink > 1 && !found.isDirectory()) {
      if (linked.has(identity)) continue;
      linked.add(identity);
    }
    total += found.blocks * BLOCK_BYTES;
    if (found.isDirectory()) waiting.push(...(await namesIn(path)));
  }
  return total;
}

async function namesIn(directory: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of await opendir(directory)) names.push(join(directory, entry.name));
  } catch {
    return names; // gone meanwhile
  }
  return names;
}
