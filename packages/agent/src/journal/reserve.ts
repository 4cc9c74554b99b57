// Room that is kept for the moment when the disk is full: an order that fences a leader must still be written down.
// Given back to the disk at the first record that finds no room, taken again when there is some.
import { open, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Some orders and their steps: an order of a large host has some hundred kB. */
const RESERVE_BYTES = 1024 * 1024;
/** Taken only from a disk that has much more than it. */
const PLENTY_BYTES = 32 * RESERVE_BYTES;

const pathOf = (journal: string): string => join(dirname(journal), 'reserve');

/** Takes the room; true when it is there. Never throws: a disk that is full has none to give. */
export async function keepReserve(journal: string): Promise<boolean> {
  const path = pathOf(journal);
  try {
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && found.size >= RESERVE_BYTES) return true;
    const { bavail, bsize } = await statfs(dirname(path));
    if (bavail * bsize < PLENTY_BYTES) return false;
    const file = await open(path, 'w', 0o600);
    try {
      await file.writeFile(Buffer.alloc(RESERVE_BYTES, 0x6c)); // written, not a hole
      await file.datasync();
    } finally {
      await file.close();
    }
    return true;
  } catch {
    await rm(path, { force: true }).catch(() => undefined);
    return false;
  }
}

/** True when there was some room to give back. */
export async function releaseReserve(journal: string): Promise<boolean> {
  const path = pathOf(journal);
  if ((await stat(path).catch(() => undefined)) === undefined) return false;
  await rm(path, { force: true }).catch(() => undefined);
  return true;
}

export function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT';
}
