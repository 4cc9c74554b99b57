// Size, room and kind of the volume that a path is on. Every look at the path itself has a
// deadline.
import { realpath, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { HostRoots } from './check.js';
import { mountOf, readMounts } from './mounts.js';
import { createSingleFlight } from './single-flight.js';

/**
 * A local file system answers within microseconds; a network one that takes longer is a finding by
 * itself.
 */
const DEADLINE_MS = 2000;

export interface Volume {
  /** As asked for. */
  readonly path: string;
  /**
   * Where it really is: links resolved; for a path that is not there yet, its nearest existing
   * parent.
   */
  readonly realPath: string;
  readonly exists: boolean;
  readonly mountPath: string;
  readonly device: string;
  readonly source: string;
  readonly fileSystem: string;
  readonly totalBytes: number;
  /** Free for those who are not root: what df calls available. */
  readonly freeBytes: number;
  /** Used, as df counts it: reserved blocks are neither used nor free. */
  readonly usedBytes: number;
}

const flight = createSingleFlight();

/**
 * @throws LeafwardError `timeout` when the file system hangs, `failed` with what the system said.
 */
export async function readVolume(
  roots: HostRoots,
  path: string,
  signal?: AbortSignal,
): Promise<Volume> {
  const { realPath, exists } = await locate(path, signal);
  const mount = mountOf(readMounts(roots), realPath);
  try {
    const stats = await flight(`statfs ${realPath}`, () => statfs(realPath), {
      deadlineMs: DEADLINE_MS,
      signal,
    });
    return {
      path,
      realPath,
      exists,
      mountPath: mount?.path ?? '/',
      device: mount?.device ?? 'unknown',
      source: mount?.source ?? 'unknown',
      fileSystem: mount?.fileSystem ?? 'unknown',
      totalBytes: stats.blocks * stats.bsize,
      freeBytes: stats.bavail * stats.bsize,
      usedBytes: (stats.blocks - stats.bfree) * stats.bsize,
    };
  } catch (error) {
    if (error instanceof LeafwardError) throw error;
    throw new LeafwardError('failed', `ask for the room at ${realPath}: ${messageOf(error)}`);
  }
}

/** Links resolved; walks up to the nearest parent that exists. */
export async function locate(
  path: string,
  signal?: AbortSignal,
): Promise<{ readonly realPath: string; readonly exists: boolean }> {
  let at = path;
  for (;;) {
    try {
      const here = at;
      const realPath = await flight(`realpath ${here}`, () => realpath(here), {
        deadlineMs: DEADLINE_MS,
        signal,
      });
      return { realPath, exists: at === path };
    } catch (error) {
      if (error instanceof LeafwardError) throw error;
      const parent = dirname(at);
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === at)
        throw new LeafwardError('failed', `look at ${at}: ${messageOf(error)}`, { cause: error });
      at = parent;
    }
  }
}

/** Storage paths of members that are not removed, each once, with who is in it. */
export function storagesOf(
  members: readonly MemberIntent[],
): ReadonlyMap<string, readonly MemberIntent[]> {
  const storages = new Map<string, MemberIntent[]>();
  for (const member of members) {
    if (member.run === 'removed') continue;
    storages.set(member.spec.storage, [...(storages.get(member.spec.storage) ?? []), member]);
  }
  return storages;
}

/** Where backups of members land that do not lie in a storage, each once. */
export function backupPathsOf(members: readonly MemberIntent[]): readonly string[] {
  const storages = [...storagesOf(members).keys()];
  const elsewhere = members.flatMap(({ run, spec: { backupDirectory } }) =>
    run === 'removed' || backupDirectory === undefined ? [] : backupDirectory,
  );
  return [...new Set(elsewhere)].filter(
    (path) => !storages.some((storage) => `${path}/`.startsWith(`${storage}/`)),
  );
}
