// What Leafward puts beside a backup, under which names, and how: durable before it counts, through no link that
// somebody left. Knows nothing of what is in it.
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from '../journal.js';
import { MANIFEST_SUFFIX } from './place.js';

export { MANIFEST_SUFFIX } from './place.js';

export const RECORD_SUFFIX = '.leafward-backup.json';
/** What is being removed: never a backup, and nobody else's. */
export const REMOVED_PREFIX = '.leafward-removed-';

/** The file has its name when all of it is on the disk; half of one is named otherwise, and swept. */
export async function writeDurably(path: string, text: string): Promise<void> {
  // Anew and never through a link: whoever owns the directory may have put one there.
  await rm(`${path}.new`, { force: true });
  const file = await open(`${path}.new`, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.datasync();
  } catch (error) {
    await rm(`${path}.new`, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  await syncDirectory(dirname(path));
}

/** True for what a write leaves that was cut. */
export function isHalfWritten(name: string): boolean {
  return [RECORD_SUFFIX, MANIFEST_SUFFIX].some((suffix) => name.endsWith(`${suffix}.new`));
}

/** Where an attempt writes before its end: exec's and matrix-synapse's own names. */
export const PARTIAL_PREFIX = '.leafward-partial-';
export const partialNameOf = (name: string, member: string): string =>
  `${PARTIAL_PREFIX}${name}@${member}`;
export const unfinishedNameOf = (name: string): string => `${name}.unfinished`;
