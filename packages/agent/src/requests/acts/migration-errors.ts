// The lines in which a migration tool tells of what it did not migrate: kept beside the data, each once, bounded, so that
// an attempt that goes on from a checkpoint still knows those of the one before.
import { appendFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

const FILE = '.leafward-migration-errors';
const MOST_KEPT = 10_000;
const MOST_SHOWN = 10;

export interface MigrationErrors {
  /** Written down at once: the agent may not see the end. */
  take(line: string): void;
  /** Until all of it is written. @throws what the system says where it cannot be. */
  written(): Promise<void>;
  count(): Promise<number>;
  /** 'nothing was left behind', or how many and the first of them. */
  describe(): Promise<string>;
  forget(): Promise<void>;
}

export function openMigrationErrors(storage: string, pattern: string): MigrationErrors {
  const path = join(storage, FILE);
  const matcher = new RegExp(pattern);
  const taken = new Set<string>();
  let pending: Promise<void> = Promise.resolve();
  const read = async (): Promise<readonly string[]> => {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    return [...new Set(text.split('\n').filter((line) => line !== ''))];
  };
  return {
    take: (line) => {
      if (taken.size >= MOST_KEPT || taken.has(line) || !matcher.test(line)) return;
      taken.add(line);
      pending = pending.then(() => appendFile(path, `${line}\n`, { mode: 0o600 }));
      // Told by `written`.
      pending.catch(() => undefined);
    },
    written: () => pending,
    count: async () => (await read()).length,
    describe: async () => {
      const lines = await read();
      if (lines.length === 0) return 'nothing was left behind';
      const more = lines.length > MOST_SHOWN ? ` | and ${lines.length - MOST_SHOWN} more` : '';
      return `${lines.length} could not be migrated (${path}): ${lines.slice(0, MOST_SHOWN).join(' | ')}${more}`;
    },
    forget: () => rm(path, { force: true }),
  };
}
