// What is left of backups that began to arrive and never did: it stays a day, so that the next try goes on from there.
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { STAGING_PREFIX } from './staging.js';

export interface StagingsQuestion {
  /** Where backups of this host's members lie. */
  readonly directories: readonly string[];
  /** A backup of that name is arriving now. */
  readonly isArriving: (name: string) => boolean;
  /** Wall clock. */
  readonly now: number;
}

const KEPT_MS = 24 * 60 * 60_000;

/** Says what was taken away. */
export async function sweepStagings(question: StagingsQuestion): Promise<readonly string[]> {
  const { directories, isArriving, now } = question;
  const did: string[] = [];
  for (const directory of directories) {
    const names = await readdir(directory).catch(() => []);
    for (const name of names.filter((one) => one.startsWith(STAGING_PREFIX))) {
      const backup = name.slice(STAGING_PREFIX.length);
      const path = join(directory, name);
      if (isArriving(backup) || now - (await changedAt(path)) < KEPT_MS) continue;
      await rm(path, { recursive: true, force: true });
      did.push(`removed what had arrived of the backup ${backup} a day ago (${path})`);
    }
  }
  return did;
}

/** The newest of what it begins with; what a clock that was set back wrote is of now. */
async function changedAt(path: string): Promise<number> {
  const places = [path, join(path, 'files'), join(path, 'manifest')];
  const times = await Promise.all(
    places.map((one) =>
      stat(one).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  return Math.max(...times);
}
