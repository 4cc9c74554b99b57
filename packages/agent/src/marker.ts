// The note that Leafward leaves in a member's storage, so that the storage itself says whose it is and
// whether it is retired (I2), even to an agent that has forgotten everything. Must never be guessed: one that
// is there and cannot be read forbids a start.
import { chown, mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { createSingleFlight } from './checks/single-flight.js';
import { syncDirectory } from './journal.js';

export const MARKER_FILE = '.leafward.json';

const markerShape = z.object({
  format: z.literal(1),
  fleet: z.string().optional(),
  service: z.string(),
  member: z.string(),
  term: z.number().int().nonnegative(),
  retired: z
    .object({ term: z.number().int().nonnegative(), at: z.number(), reason: z.string() })
    .optional(),
});

export type Marker = Readonly<z.infer<typeof markerShape>>;

export type MarkerReading =
  | { readonly kind: 'none' }
  | { readonly kind: 'found'; readonly marker: Marker }
  | { readonly kind: 'unreadable'; readonly error: string };

/** A volume that hangs costs one waiting call, however often it is asked. */
const once = createSingleFlight();
const READ_DEADLINE_MS = 2000;

/** Never throws: what cannot be read, or not in time, is a reading of its own. */
export async function readMarker(storage: string): Promise<MarkerReading> {
  const path = join(storage, MARKER_FILE);
  try {
    const limit = { deadlineMs: READ_DEADLINE_MS };
    const text = await once(`read ${path}`, () => readFile(path, 'utf8'), limit);
    return { kind: 'found', marker: markerShape.parse(JSON.parse(text)) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'none' };
    return { kind: 'unreadable', error: `${path}: ${messageOf(error)}` };
  }
}

/** Without symbolic links; one that does not say so in time is taken as it is written. Never throws. */
export async function realPathOf(storage: string): Promise<string> {
  const path = resolve(storage);
  const limit = { deadlineMs: READ_DEADLINE_MS };
  return once(`realpath ${path}`, () => realpath(path), limit).catch(() => path);
}

export interface StorageOwner {
  readonly uid: number;
  readonly gid: number;
}

/** Makes the storage if it is not there and replaces its marker atomically and durably. */
export async function writeMarker(
  storage: string,
  marker: Marker,
  owner?: StorageOwner,
): Promise<void> {
  try {
    const made = await mkdir(storage, { recursive: true });
    if (made !== undefined && owner !== undefined) await chown(storage, owner.uid, owner.gid);
    const path = join(storage, MARKER_FILE);
    // Anew and never through a link: the service may write here, and the agent everywhere.
    await rm(`${path}.new`, { force: true });
    const file = await open(`${path}.new`, 'wx', 0o644);
    try {
      await file.writeFile(`${JSON.stringify(markerShape.parse(marker))}\n`);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
    await syncDirectory(storage);
  } catch (error) {
    throw new LeafwardError(
      'failed',
      `write the marker of ${marker.member} into ${storage}: ${messageOf(error)}; check the volume`,
      { retry: 'later', cause: error },
    );
  }
}

export async function storageExists(storage: string): Promise<boolean> {
  return stat(storage).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
