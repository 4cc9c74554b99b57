// The note that Leafward leaves in a member's storage, so that the storage itself says whose it is and
// whether it is retired (I2), even to an agent that has forgotten everything. Must never be guessed: one that
// is there and cannot be read forbids a start.
import { chown, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { createSingleFlight } from './checks/single-flight.js';
import { syncDirectory } from './journal.js';
import { createTextCache } from './text-cache.js';

export const MARKER_FILE = '.leafward.json';

export interface Marker {
  readonly format: 1;
  readonly fleet?: string | undefined;
  readonly service: string;
  readonly member: string;
  readonly term: number;
  readonly retired?:
    { readonly term: number; readonly at: number; readonly reason: string } | undefined;
}

export type MarkerReading =
  | { readonly kind: 'none' }
  | { readonly kind: 'found'; readonly marker: Marker }
  | { readonly kind: 'unreadable'; readonly error: string };

const texts = createTextCache();
/** A volume that hangs costs one waiting call, however often it is asked. */
const once = createSingleFlight();
const READ_DEADLINE_MS = 2000;

/** Never throws: what cannot be read, or not in time, is a reading of its own. */
export async function readMarker(storage: string): Promise<MarkerReading> {
  const path = join(storage, MARKER_FILE);
  try {
    const limit = { deadlineMs: READ_DEADLINE_MS };
    const text = await once(`read ${path}`, () => texts.read(path), limit);
    return { kind: 'found', marker: asMarker(JSON.parse(text)) };
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

/** What is known of it and nothing else. @throws Error that names every key that is missing or wrong. */
function asMarker(value: unknown): Marker {
  const found = asEntries(value);
  const retired = found['retired'] === undefined ? undefined : asEntries(found['retired']);
  const wrong = [
    ...(found['format'] === 1 ? [] : ['format']),
    ...(found['fleet'] === undefined || isText(found['fleet']) ? [] : ['fleet']),
    ...['service', 'member'].filter((key) => !isText(found[key])),
    ...(isTerm(found['term']) ? [] : ['term']),
    ...(retired === undefined || isTerm(retired['term']) ? [] : ['retired.term']),
    ...(retired === undefined || Number.isFinite(retired['at']) ? [] : ['retired.at']),
    ...(retired === undefined || isText(retired['reason']) ? [] : ['retired.reason']),
  ];
  if (wrong.length > 0) throw new Error(`no marker: ${wrong.join(', ')} missing or wrong`);
  const { format, fleet, service, member, term } = found as unknown as Marker;
  const known = { format, ...(fleet === undefined ? {} : { fleet }), service, member, term };
  if (retired === undefined) return known;
  const { at, reason } = retired as unknown as NonNullable<Marker['retired']>;
  return { ...known, retired: { term: retired['term'] as number, at, reason } };
}

function asEntries(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('no marker: an object is missing');
  return value as Readonly<Record<string, unknown>>;
}

const isText = (value: unknown): boolean => typeof value === 'string';
const isTerm = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

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
      await file.writeFile(`${JSON.stringify(asMarker(marker))}\n`);
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
