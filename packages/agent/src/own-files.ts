// What of a storage is its member's own and in no backup of another one: kept beside the data while they are replaced, and
// never half. Its keys are as private there as where they were.
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { isThere } from './backups/place.js';
import { engineMember } from './engines/engine-member.js';
import type { Engine } from './engines/engine.js';
import { syncDirectory } from './journal.js';
import { makeStorage } from './make-storage.js';
import { readMarker } from './marker.js';

/** Below a storage; Leafward's own names stay when a storage is emptied. */
const OWN = '.leafward-own';
export const ownPathIn = (storage: string): string => join(storage, OWN);

export interface OwnFilesTurn {
  readonly intent: MemberIntent;
  /** Without symbolic links. */
  readonly storage: string;
  readonly backupPath: string;
  readonly engine: Engine;
}

/** Once emptying has begun, what lies in the storage may be half of what was there, or be in `aside` with its own files. */
export async function areOwnFilesKept(
  storage: string,
  { aside, wasBegun }: { readonly aside: string; readonly wasBegun: boolean },
): Promise<boolean> {
  if (wasBegun && (await isThere(ownPathIn(aside)))) return true;
  const reading = await readMarker(storage);
  const isHalf = reading.kind === 'found' && reading.marker.seeding !== undefined;
  return (wasBegun || isHalf) && isThere(ownPathIn(storage));
}

/** Before a storage is emptied. @throws what the engine throws; then nothing was touched. */
export async function keepOwnFiles(turn: OwnFilesTurn, signal: AbortSignal): Promise<void> {
  const { intent, storage, backupPath, engine } = turn;
  const to = ownPathIn(storage);
  await makeStorage(intent, storage);
  const making = `${to}.new`;
  await rm(making, { recursive: true, force: true });
  await mkdir(making, { mode: 0o700 });
  await engine.fromBackup?.keepOwn(engineMember(intent), { to: making, backupPath }, signal);
  await syncDirectory(making);
  await rm(to, { recursive: true, force: true });
  await rename(making, to);
  await syncDirectory(storage);
}

/** Where they lie when the storage is filled: with it, or still with what was set aside. */
export async function bringOwnFiles(storage: string, aside: string): Promise<string> {
  const [here, there] = [ownPathIn(storage), ownPathIn(aside)];
  if (!(await isThere(here)) && (await isThere(there))) {
    await rename(there, here);
    await syncDirectory(storage);
  }
  return here;
}

/** What is filled has them where they belong. */
export async function forgetOwnFiles(storage: string): Promise<void> {
  await rm(ownPathIn(storage), { recursive: true, force: true });
}
