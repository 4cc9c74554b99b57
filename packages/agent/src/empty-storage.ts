// Takes what lies in a stopped member's storage away, so that it can be filled anew: moved aside, where nothing starts
// from it, or wiped. Each instant of it may be the last one: the marker and the journal then forbid a start, and the
// same call again ends in the same state. A retirement goes where the data goes (I2).
import { chmod, chown, mkdir, rename, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { measureData } from './checks/data-meter.js';
import { syncDirectory, type Journal } from './journal.js';
import type { StorageRetirement } from './journal/records.js';
import { readMarker, realPathOf, storageExists, writeMarker, type Marker } from './marker.js';
import { ownerOf } from './runtimes/process/user.js';
import {
  backupsWithin,
  isEmptyStorage,
  refuseBackupsAmidData,
  refuseMountsBelow,
  wipeStorage,
} from './storage-content.js';

export interface Emptying {
  /** What it is emptied for: a reseed or a request. The same one goes on after a crash. */
  readonly id: string;
  readonly reseed: boolean;
  readonly wipe: boolean;
  readonly term: number;
  /** What it is filled from afterwards, in words. */
  readonly from: string;
  /** How much that is; undefined: as much as lies there now. */
  readonly needBytes?: number | undefined;
}

export interface EmptyingParts {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly fleet?: string | undefined;
}

/** Where what lies in a storage is kept: beside it, so that it can be renamed. */
export const asidePathOf = (storage: string, id: string): string =>
  `${storage}.aside-${id.replaceAll(/[^A-Za-z0-9._-]/g, '-').slice(0, 100)}`;

/** What was found of a storage before anything is done to it. */
interface Found {
  readonly storage: string;
  readonly aside: string;
  readonly marker: Marker | undefined;
  readonly wipes: boolean;
  /** It has to be renamed now; false: it was before, or nothing lies there. */
  readonly moves: boolean;
  /** Afterwards something is kept in `aside`. */
  readonly keeps: boolean;
}

/**
 * The member must be proven stopped. Afterwards its storage is an empty directory, or one with a marker that forbids a
 * start. @throws LeafwardError `exhausted` with figures when a second copy would not fit (I7), `refused` for a storage
 * that is another member's, that is a mount point (it cannot be renamed) or whose copy is there already.
 */
export async function emptyStorage(
  intent: MemberIntent,
  emptying: Emptying,
  parts: EmptyingParts,
  signal: AbortSignal,
): Promise<void> {
  const { spec, member } = intent;
  const found = await look(intent, emptying);
  const { storage, aside, keeps } = found;
  await refuseTooSmall(intent, found, emptying, parts, signal);
  const { id, reseed, term } = emptying;
  const kept = keeps ? retirementOf(intent, found, emptying, parts) : undefined;
  await parts.journal.append({
    kind: 'filling-begun',
    member,
    storage,
    id,
    reseed,
    term,
    aside: kept,
  });
  if (found.wipes) await wipe(intent, found, emptying, signal, parts);
  if (found.moves) await move(storage, aside);
  if (kept !== undefined) {
    await markAside(intent, kept, parts);
    await remake(storage, aside, await backupsWithin(spec));
  }
  await parts.journal.append({ kind: 'storage-emptied', storage, id, kept: keeps });
}

async function look(intent: MemberIntent, emptying: Emptying): Promise<Found> {
  const { spec, member, service } = intent;
  const refuse = (why: string): never => {
    throw new LeafwardError('refused', `empty ${spec.storage} for ${emptying.id}: ${why}`);
  };
  await refuseBackupsAmidData(spec);
  const reading = await readMarker(spec.storage);
  if (reading.kind === 'unreadable') return refuse(reading.error);
  const marker = reading.kind === 'found' ? reading.marker : undefined;
  if (marker !== undefined && (marker.member !== member || marker.service !== service))
    return refuse(`it belongs to ${marker.member} of ${marker.service}`);
  const storage = await realPathOf(spec.storage);
  const aside = asidePathOf(storage, emptying.id);
  const isRetired = marker?.retired !== undefined;
  // What is half filled is nothing that anybody would want to keep.
  const wipes = emptying.wipe || (marker?.seeding !== undefined && !isRetired);
  const wasMoved = await storageExists(aside);
  const holds = isRetired || !(await isEmptyStorage(spec));
  const moves = !wipes && holds;
  const backups = await backupsWithin(spec);
  // What is moved takes along whatever is mounted there, the backups, too.
  if (moves || wipes) await refuseMountsBelow(spec, (name) => wipes && backups.includes(name));
  if (moves && wasMoved) return refuse(`${aside} is there already; look at both and move one away`);
  return { storage, aside, marker, wipes, moves, keeps: !wipes && (moves || wasMoved) };
}

/** Before anything is touched (I7). What is moved aside stays, what is wiped makes room. */
async function refuseTooSmall(
  { member, spec }: MemberIntent,
  { storage, moves, wipes }: Found,
  { needBytes }: Emptying,
  { clock }: EmptyingParts,
  signal: AbortSignal,
): Promise<void> {
  if (!moves && needBytes === undefined) return;
  const sizeOf = (path: string): Promise<number> => measureData(path, { clock }, signal);
  const isThere = await storageExists(storage);
  // Backups stay where they are.
  let backupBytes = 0;
  for (const name of await backupsWithin(spec)) {
    const path = join(storage, name);
    if (await storageExists(path)) backupBytes += await sizeOf(path);
  }
  const liesBytes = isThere ? (await sizeOf(storage)) - backupBytes : 0;
  const { bavail, bsize } = await statfs(isThere ? storage : dirname(storage));
  const freeBytes = bavail * bsize + (wipes ? liesBytes : 0);
  const wantedBytes = needBytes ?? liesBytes;
  if (freeBytes >= wantedBytes) return;
  throw new LeafwardError(
    'exhausted',
    `empty the storage of ${member}: ${storage} holds ${liesBytes} bytes, which are ` +
      `${wipes ? 'wiped' : 'kept beside it'}; what it is filled with needs ${wantedBytes}, and there is ` +
      `room for ${freeBytes} (I7). Free some space${wipes ? '' : ', or let it be wiped with --wipe'}`,
    { retry: 'later' },
  );
}

function retirementOf(
  intent: MemberIntent,
  { storage, aside, marker }: Found,
  { id, term }: Emptying,
  { journal, clock }: EmptyingParts,
): StorageRetirement {
  const { retirements } = journal.state;
  const known = retirements[aside] ?? retirements[storage];
  if (known !== undefined) return { ...known, storage: aside };
  const { member, service, spec } = intent;
  const said = marker?.retired ?? { term, at: clock.now(), reason: `set aside for ${id}` };
  return { ...said, member, service, storage: aside, runtime: spec.runtime };
}

/** Before the first file goes, the storage itself must say that nothing starts from it. */
async function wipe(
  intent: MemberIntent,
  { marker }: Found,
  { id, reseed, from }: Emptying,
  signal: AbortSignal,
  { fleet }: EmptyingParts,
): Promise<void> {
  const { member, service, term, spec } = intent;
  if (marker?.retired === undefined)
    await writeMarker(
      spec.storage,
      {
        ...(marker ?? { format: 1, fleet, service, member, term }),
        seeding: { from, id },
        ...(reseed ? { reseeded: id } : {}),
      },
      await ownerOf(spec),
    );
  await wipeStorage(spec, signal);
}

async function move(storage: string, aside: string): Promise<void> {
  try {
    await rename(storage, aside);
    await syncDirectory(dirname(storage));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new LeafwardError(
      code === 'EBUSY' || code === 'EXDEV' ? 'refused' : 'failed',
      `move ${storage} to ${aside}: ${messageOf(error)}` +
        (code === 'EBUSY' ? '; a mount point cannot be set aside: reseed it with --wipe' : ''),
      { retry: 'later', cause: error },
    );
  }
}

/** The copy itself says that it is retired, also to an agent that has forgotten everything. */
async function markAside(
  intent: MemberIntent,
  { storage, term, at, reason }: StorageRetirement,
  { fleet }: EmptyingParts,
): Promise<void> {
  const reading = await readMarker(storage);
  if (reading.kind === 'found' && reading.marker.retired !== undefined) return;
  const { member, service } = intent;
  const before = reading.kind === 'found' ? reading.marker : undefined;
  await writeMarker(storage, {
    ...(before ?? { format: 1, fleet, service, member, term: intent.term }),
    retired: { term, at, reason },
  });
}

/** As it was before, but empty; backups go on lying where they are looked for. */
async function remake(storage: string, aside: string, backups: readonly string[]): Promise<void> {
  const before = await stat(aside);
  await mkdir(storage, { recursive: true });
  await chmod(storage, before.mode & 0o7777);
  await chown(storage, before.uid, before.gid);
  for (const name of backups) {
    if (await storageExists(join(storage, name))) continue;
    await rename(join(aside, name), join(storage, name)).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    });
  }
  await syncDirectory(storage);
  await syncDirectory(dirname(storage));
}
