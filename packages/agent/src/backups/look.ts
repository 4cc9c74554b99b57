// Which records of backups are found on the disk, the agent's own copies and those beside the backups, and which of them
// are believed. Reads only.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '@leafward/shared/errors.js';
import type { Backup } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { RECORD_SUFFIX } from './beside.js';
import { isThere, manifestPathOf } from './place.js';
import { asBackup } from './record.js';

const MOST_COMPLAINTS = 1000;

export interface Found {
  readonly backup: Backup;
  /** Where its record was read. */
  readonly record: string;
}

export interface Looker {
  /** Backups by the records in a directory. Undefined: the agent's own copies. `isKnown`: they are not read again. */
  find(
    directory: string | undefined,
    isKnown: (path: string) => boolean,
  ): Promise<{ readonly whole: readonly Found[]; readonly gone: readonly Found[] }>;
  /** Said once of each path. */
  complain(path: string, why: string): void;
}

export function createLooker(ownDirectory: string, log: Logger): Looker {
  const complained = new Set<string>();
  const complain = (path: string, text: string): void => {
    if (complained.has(path) || complained.size >= MOST_COMPLAINTS) return;
    complained.add(path);
    log.warn({ path }, text);
  };
  const leftOut = (path: string, why: string): void =>
    complain(path, `a backup's record is left out: ${path}: ${why}`);
  return {
    complain,
    async find(directory, isKnown) {
      const whole: Found[] = [];
      const gone: Found[] = [];
      for (const record of await recordsIn(directory ?? ownDirectory)) {
        const at = directory === undefined ? undefined : record.slice(0, -RECORD_SUFFIX.length);
        if (at !== undefined && isKnown(at)) continue;
        const backup = await readRecord(record, at, leftOut);
        if (backup === undefined || isKnown(backup.path)) continue;
        if (!(await isThere(backup.path))) gone.push({ backup, record });
        else if (await isWhole(backup, leftOut)) whole.push({ backup, record });
      }
      return { whole, gone };
    },
  };
}

async function recordsIn(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory).catch(() => []);
  return names.filter((one) => one.endsWith(RECORD_SUFFIX)).map((one) => join(directory, one));
}

/** `at`: where the backup lies that this record is beside; it says nothing of any other. */
async function readRecord(
  record: string,
  at: string | undefined,
  complain: (path: string, why: string) => void,
): Promise<Backup | undefined> {
  try {
    const backup = asBackup(JSON.parse(await readFile(record, 'utf8')));
    return at === undefined ? backup : { ...backup, path: at };
  } catch (error) {
    complain(record, messageOf(error));
    return undefined;
  }
}

/** The list of its files is the one that was recorded. */
async function isWhole(
  backup: Backup,
  complain: (path: string, why: string) => void,
): Promise<boolean> {
  const manifest = await readFile(manifestPathOf(backup.path)).catch(() => undefined);
  const sha256 = createHash('sha256')
    .update(manifest ?? '')
    .digest('hex');
  if (manifest !== undefined && sha256 === backup.manifestSha256) return true;
  complain(backup.path, manifest === undefined ? 'it has no manifest' : 'its manifest is another');
  return false;
}
