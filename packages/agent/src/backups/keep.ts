// Which backups of a service on this host the rules of keep let go, and their removal, one after the other. Must never
// take one that is being read, or that something under way has named (I13).
import { realpath, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '@leafward/shared/clock.js';
import { isAbort, messageOf } from '@leafward/shared/errors.js';
import type { Backup, BackupDuty, Keep, KeepVerdict } from '@leafward/shared/gen/domain.js';
import { judgeBackups } from '@leafward/shared/retention.js';
import type { Journal } from '../journal.js';
import type { Catalogue } from './catalogue.js';
import type { Pins } from './pins.js';
import { backupDirectoryOf, nearestExisting } from './place.js';

export interface KeepParts {
  readonly journal: Pick<Journal, 'state'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly catalogue: Pick<Catalogue, 'all' | 'remove'>;
  readonly pins: Pins;
}

export interface Judged {
  readonly service: string;
  /** Newest first. */
  readonly verdicts: readonly KeepVerdict[];
  /** Where backups of the service lie on this host; nothing is removed elsewhere. */
  readonly directories: readonly string[];
}

type KeepDuty = BackupDuty & { readonly keep: Keep };

/** Services of this host whose backups leave by rules. */
export function keptServices({ journal }: Pick<KeepParts, 'journal'>): readonly string[] {
  const members = journal.state.intent?.members ?? [];
  const kept = members.filter(({ backupDuty }) => backupDuty?.keep !== undefined);
  return [...new Set(kept.map(({ service }) => service))];
}

/** Undefined: the service has no rules here, so nothing leaves by itself. */
export async function judgeService(service: string, parts: KeepParts): Promise<Judged | undefined> {
  const members = parts.journal.state.intent?.members ?? [];
  const own = members.filter((one) => one.service === service);
  const duty = own.map(({ backupDuty }) => backupDuty).find((one) => one?.keep !== undefined);
  if (duty?.keep === undefined) return undefined;
  const directories = [...new Set(own.map(({ spec }) => backupDirectoryOf(spec)))];
  const all = parts.catalogue.all().filter((one) => one.service === service);
  const within = await liesIn(all, directories);
  const question = {
    keep: (duty as KeepDuty).keep,
    timeZone: duty.timeZone,
    now: parts.clock.now(),
    freeBytes: await freeBytesOf(directories),
    pinned: pinnedOf(service, parts),
  };
  const verdicts = judgeBackups(
    all.filter((one) => within.has(one)),
    question,
  );
  const elsewhere = all.filter((one) => !within.has(one)).map(staysElsewhere);
  return { service, verdicts: [...verdicts, ...elsewhere], directories };
}

/**
 * Removes what goes, the oldest first. The verdicts of what could not be removed say why it stays. `onRemoved` is told
 * of each that is gone. @throws LeafwardError `aborted`.
 */
export async function removeJudged(
  { service, verdicts, directories }: Judged,
  parts: KeepParts,
  onRemoved: (verdict: KeepVerdict) => void,
  signal: AbortSignal,
): Promise<readonly KeepVerdict[]> {
  const done = new Map<string, KeepVerdict>();
  for (const verdict of [...verdicts].reverse().filter(({ keeps }) => !keeps)) {
    const { path } = verdict;
    const stays = (reason: string): void =>
      void done.set(path, { ...verdict, keeps: true, reason });
    // What was found out meanwhile may make it the last good one.
    const now = (await judgeService(service, parts))?.verdicts.find((one) => one.path === path);
    if (now?.keeps !== false) {
      stays(now?.reason ?? 'nothing lets it go any more');
      continue;
    }
    const release = parts.pins.claim(path);
    if (release === undefined) {
      stays(READ);
      continue;
    }
    try {
      await parts.catalogue.remove(path, directories, signal);
      onRemoved(verdict);
    } catch (error) {
      if (isAbort(error) || signal.aborted) throw error;
      stays(`it could not be removed: ${messageOf(error)}`);
    } finally {
      release();
    }
  }
  return verdicts.map((verdict) => done.get(verdict.path) ?? verdict);
}

const READ = 'it is being read';

/** What is under way with one, and what would be worth nothing without it. By path, with the reason. */
function pinnedOf(
  service: string,
  { catalogue, pins, journal }: KeepParts,
): ReadonlyMap<string, string> {
  const pinned = new Map<string, string>();
  const all = catalogue.all();
  const members = journal.state.intent?.members ?? [];
  const open = Object.values(journal.state.requests).flatMap(({ request, outcome }) =>
    request === undefined || outcome !== undefined ? [] : [request],
  );
  for (const { name, path } of all.filter((one) => one.service === service)) {
    const owner = all.find(({ databaseBackup }) => databaseBackup === `${service}/${name}`);
    if (owner !== undefined) pinned.set(path, `${owner.service}/${owner.name} needs it`);
    const act = open.find(
      (request) =>
        ('path' in request && request.path === path) ||
        ('backup' in request && request.backup === name),
    );
    if (act !== undefined) pinned.set(path, `${act.kind} is under way`);
    const seeded = members.find((one) => one.service === service && one.reseed?.backup === name);
    if (seeded !== undefined) pinned.set(path, `${seeded.member} is filled from it`);
    if (pins.isHeld(path)) pinned.set(path, READ);
  }
  return pinned;
}

async function liesIn(
  backups: readonly Backup[],
  directories: readonly string[],
): Promise<ReadonlySet<Backup>> {
  const real = (path: string): Promise<string | undefined> => realpath(path).catch(() => undefined);
  const places = new Set(await Promise.all(directories.map(real)));
  const found = new Set<Backup>();
  for (const backup of backups) {
    const home = await real(dirname(backup.path));
    if (home !== undefined && places.has(home)) found.add(backup);
  }
  return found;
}

function staysElsewhere({ name, path, sizeBytes }: Backup): KeepVerdict {
  const reason = 'it lies where no backups of the service are made on this host';
  return { name, path, sizeBytes, keeps: true, reason };
}

/** Undefined where they lie on several volumes: what is removed on one frees nothing on another. */
async function freeBytesOf(directories: readonly string[]): Promise<number | undefined> {
  const places = await Promise.all(directories.map(nearestExisting));
  const [first, ...others] = await Promise.all(places.map((place) => stat(place)));
  if (places[0] === undefined || others.some(({ dev }) => dev !== first?.dev)) return undefined;
  const { bavail, bsize } = await statfs(places[0]);
  return bavail * bsize;
}
