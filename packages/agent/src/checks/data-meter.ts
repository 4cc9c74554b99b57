// How many bytes each storage really takes: a slow walk in small portions, again and again. Reads
// sizes only.
import { lstat, opendir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Clock } from '@leafward/shared/clock.js';
import { isAbort, messageOf } from '@leafward/shared/errors.js';
import type { Logger } from '@leafward/shared/log.js';
import { startLoop } from '@leafward/shared/loop.js';

export interface DataMeterOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly paths: () => readonly string[];
  /** Time between two walks of all storages, milliseconds. */
  readonly everyMs: number;
  /** Files looked at before each pause. Default 64. */
  readonly portion?: number;
  /** Length of a pause, milliseconds. Default 50: at most about 1,300 files a second. */
  readonly pauseMs?: number;
}

export interface DataMeter {
  /** Allocated bytes by storage path, of the last whole walk. */
  dataBytes(): ReadonlyMap<string, number>;
  /** Allocated bytes of the largest LMDB database in each storage, of the same walk; none where there is no such. */
  largestDatabases(): ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

const PORTION = 64;
const PAUSE_MS = 50;
const MAX_STORAGES = 64;
/**
 * A service of this kind has hundreds of files; a storage with more is none, and its size is left
 * unknown.
 */
const MAX_ENTRIES = 1_000_000;
/** A storage that was made just now is looked at between the walks; one that is not there costs one lstat. */
const NEW_EVERY_MS = 2_000;
const WALK_DEADLINE_MS = 30 * 60_000;

export function startDataMeter(options: DataMeterOptions): DataMeter {
  const { clock, log } = options;
  const sizes = new Map<string, number>();
  const largest = new Map<string, number>();
  let allDueAt = -Infinity;
  const loop = startLoop({
    name: 'data-meter',
    clock,
    log,
    everyMs: options.everyMs,
    deadlineMs: WALK_DEADLINE_MS,
    pass: async (signal) => {
      const paths = [...new Set(options.paths())].slice(0, MAX_STORAGES);
      for (const path of sizes.keys()) if (!paths.includes(path)) sizes.delete(path);
      const isDue = clock.monotonic() >= allDueAt;
      if (isDue) allDueAt = clock.monotonic() + options.everyMs;
      for (const path of paths) {
        if (!isDue && sizes.has(path)) continue;
        try {
          let most = 0;
          const onFile = (file: string, bytes: number): void => {
            if (isDatabase(path, file)) most = Math.max(most, bytes);
          };
          sizes.set(path, await measureData(path, { ...options, onFile }, signal));
          if (most > 0) largest.set(path, most);
          else largest.delete(path);
        } catch (error) {
          if (isAbort(error) || signal.aborted) throw error;
          if ((error as NodeJS.ErrnoException).code === 'ENOENT') sizes.delete(path);
          log.debug({ path }, `size of ${path} is not known: ${messageOf(error)}`);
        }
      }
      return undefined;
    },
  });
  let askedAt = -Infinity;
  return {
    dataBytes() {
      const isMissing = options.paths().some((path) => !sizes.has(path));
      if (isMissing && clock.monotonic() - askedAt >= NEW_EVERY_MS) {
        askedAt = clock.monotonic();
        loop.wake();
      }
      return new Map(sizes);
    },
    largestDatabases: () => new Map([...largest].filter(([path]) => sizes.has(path))),
    stop: () => loop.stop(),
  };
}

/** Those of backups that lie in a storage are copies of it, and what is in tmp goes at the next start. */
const isDatabase = (storage: string, file: string): boolean =>
  basename(file) === 'data.mdb' &&
  !['backups', 'tmp'].some((name) => file.startsWith(`${join(storage, name)}/`));

/**
 * Blocks that everything under a directory takes, × 512: sparse databases count with what they
 * hold. A file with several names counts once, links and other file systems not at all; what
 * vanishes meanwhile is left out.
 * @throws what the system says of the directory itself, AbortError, or Error for more than a
 * million entries.
 */
export async function measureData(
  root: string,
  options: Pick<DataMeterOptions, 'clock' | 'portion' | 'pauseMs'> & {
    readonly onFile?: (path: string, bytes: number) => void;
  },
  signal: AbortSignal,
): Promise<number> {
  const top = await lstat(root);
  const several = new Set<number>();
  const directories = [root];
  let bytes = top.blocks * 512;
  let seen = 0;
  for (let at = directories.pop(); at !== undefined; at = directories.pop()) {
    for await (const name of namesIn(at)) {
      seen += 1;
      if (seen > MAX_ENTRIES) throw new Error(`${root} holds more than ${MAX_ENTRIES} files`);
      if (seen % (options.portion ?? PORTION) === 0)
        await options.clock.sleep(options.pauseMs ?? PAUSE_MS, signal);
      const path = join(at, name);
      const stats = await lstat(path).catch(() => undefined);
      if (stats === undefined || stats.dev !== top.dev) continue;
      if (stats.isDirectory()) directories.push(path);
      else if (stats.nlink > 1) {
        if (several.has(stats.ino)) continue;
        several.add(stats.ino);
      }
      bytes += stats.blocks * 512;
      options.onFile?.(path, stats.blocks * 512);
    }
  }
  return bytes;
}

async function* namesIn(directory: string): AsyncGenerator<string> {
  let entries;
  try {
    entries = await opendir(directory);
  } catch {
    return;
  }
  for await (const entry of entries) yield entry.name;
}
