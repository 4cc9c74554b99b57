// The note that Leafward leaves in a member's storage, so that the storage itself says whose it is and
// whether it is retired (I2), even to an agent that has forgotten everything. Must never be guessed: one that
// is there and cannot be read forbids a start.
import { chown, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { createSingleFlight } from './checks/single-flight.js';
import { syncDirectory } from './journal.js';
import { createTextCache } from './text-cache.js';
import { truePath } from './true-path.js';

export const MARKER_FILE = '.leafward.json';

export interface Marker {
  readonly format: 1;
  readonly fleet?: string | undefined;
  readonly service: string;
  readonly member: string;
  readonly term: number;
  readonly retired?:
    { readonly term: number; readonly at: number; readonly reason: string } | undefined;
  /** It is being filled: what lies there is half of something and is never started from. */
  readonly seeding?:
    | {
        /** Where its data comes from, in words. */
        readonly from: string;
        /** The reseed or the request that it is filled for; none: an empty mirror's first seed. */
        readonly id?: string | undefined;
      }
    | undefined;
  /** It was given a one-time URL and has not answered since: nobody's data lies there yet. */
  readonly provisioning?:
    | {
        /** Cut short where it never goes on: nothing is started from it until it was wiped. */
        readonly broken: boolean;
      }
    | undefined;
  /** Id of the newest reseed that filled it to the end, or that has begun to. */
  readonly reseeded?: string | undefined;
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
  return once(`realpath ${path}`, () => truePath(path), limit).catch(() => path);
}

/** What is known of it and nothing else. @throws Error that names every key that is missing or wrong. */
function asMarker(value: unknown): Marker {
  const found = asEntries(value);
  const part = (key: string): ReturnType<typeof asEntries> | undefined =>
    found[key] === undefined ? undefined : asEntries(found[key]);
  const retired = part('retired');
  const seeding = part('seeding');
  const provisioning = part('provisioning');
  const wrong = [
    ...(found['format'] === 1 ? [] : ['format']),
    ...['fleet', 'reseeded'].filter((key) => found[key] !== undefined && !isText(found[key])),
    ...['service', 'member'].filter((key) => !isText(found[key])),
    ...(isTerm(found['term']) ? [] : ['term']),
    ...(retired === undefined || isTerm(retired['term']) ? [] : ['retired.term']),
    ...(retired === undefined || Number.isFinite(retired['at']) ? [] : ['retired.at']),
    ...(retired === undefined || isText(retired['reason']) ? [] : ['retired.reason']),
    ...(seeding === undefined || isText(seeding['from']) ? [] : ['seeding.from']),
    ...(seeding?.['id'] === undefined || isText(seeding['id']) ? [] : ['seeding.id']),
    ...(provisioning === undefined || typeof provisioning['broken'] === 'boolean'
      ? []
      : ['provisioning.broken']),
  ];
  if (wrong.length > 0) throw new Error(`no marker: ${wrong.join(', ')} missing or wrong`);
  return known(found as unknown as Marker);
}

/** Without what is not known here, and without keys that have no value. */
function known({ format, fleet, service, member, term, retired, ...rest }: Marker): Marker {
  const { seeding, reseeded, provisioning } = rest;
  return {
    format,
    ...(fleet === undefined ? {} : { fleet }),
    service,
    member,
    term,
    ...(retired === undefined
      ? {}
      : { retired: { term: retired.term, at: retired.at, reason: retired.reason } }),
    ...(seeding === undefined
      ? {}
      : {
          seeding: { from: seeding.from, ...(seeding.id === undefined ? {} : { id: seeding.id }) },
        }),
    ...(provisioning === undefined ? {} : { provisioning: { broken: provisioning.broken } }),
    ...(reseeded === undefined ? {} : { reseeded }),
  };
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
      // Whatever the agent's umask: the service's own program may look at the term of its storage.
      await file.chmod(0o644);
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
