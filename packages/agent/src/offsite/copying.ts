// A backup of this host becomes a snapshot of a repository. Must never call an incomplete snapshot a copy, and never
// copy what lies there already.
import { basename, dirname } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Backup, OffsiteCopy } from '@leafward/shared/gen/domain.js';
import { MANIFEST_SUFFIX, RECORD_SUFFIX } from '../backups/catalogue.js';
import { backupOfSnapshot, filterOf, tagsOf } from './copy-tags.js';
import { createTeller } from './progress.js';
import type { Repository } from './repository.js';
import { parseProgress, parseSummary, type ResticSummary } from './restic-output.js';

export interface CopyTurn {
  readonly host: string;
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Whoever held it. @throws LeafwardError what restic says. */
export async function copyTo(
  repository: Repository,
  backup: Backup,
  turn: CopyTurn,
): Promise<OffsiteCopy> {
  const { onProgress, signal } = turn;
  await repository.ensure({ onProgress }, signal);
  const before = await newestCopy(repository, backup, signal);
  // Of an agent that ended before it could note it, or of another host that fetched it.
  if (before !== undefined) return before;
  const { clock } = repository.parts;
  const beganAt = clock.monotonic();
  const summary = await backUp(repository, backup, turn);
  const made = await newestCopy(repository, backup, signal);
  if (made === undefined)
    throw new LeafwardError(
      'failed',
      `copy ${backup.name} to ${repository.shown}: restic made ${summary.snapshot}, and the repository does not list it`,
      { retry: 'later' },
    );
  const tookMs = Math.round(clock.monotonic() - beganAt);
  return { ...made, tookMs, addedBytes: summary.addedBytes };
}

async function backUp(
  repository: Repository,
  backup: Backup,
  { host, onProgress, signal }: CopyTurn,
): Promise<ResticSummary> {
  const what = `copy ${backup.name} to ${repository.shown}`;
  const name = basename(backup.path);
  const names = [name, `${name}${RECORD_SUFFIX}`, `${name}${MANIFEST_SUFFIX}`];
  const tell = createTeller('copied', repository.parts.clock, onProgress);
  let summary: ResticSummary | undefined;
  const onLine = (line: string): void => {
    summary = parseSummary(line) ?? summary;
    tell(parseProgress(line));
  };
  const tags = tagsOf(backup).flatMap((tag) => ['--tag', tag]);
  onProgress('reading what is to be copied');
  const call = {
    what,
    // Names without a directory: a copy is brought back to any place.
    arguments: ['backup', '--json', '--host', host, ...tags, '--', ...names],
    directory: dirname(backup.path),
    onLine,
    onProgress,
  };
  const end = await repository.attempt(call, signal);
  if (end.exitCode === 0 && summary !== undefined) return summary;
  // What it could not read it left out, and said so only in its exit code.
  if (summary !== undefined) {
    const forget = ['forget', summary.snapshot];
    await repository.attempt({ ...call, arguments: forget, onLine: undefined }, signal);
  }
  throw await repository.failure(what, end);
}

async function newestCopy(
  repository: Repository,
  { service, name, manifestSha256 }: Backup,
  signal: AbortSignal,
): Promise<OffsiteCopy | undefined> {
  const tags = filterOf({ service, backup: name });
  const copies = (await repository.snapshots({ tags }, signal))
    .map((snapshot) => backupOfSnapshot(snapshot, repository.shown))
    // One of that name that was taken on another host is another backup.
    .filter((one) => one?.manifestSha256 === manifestSha256)
    .flatMap((one) => one?.copies?.copies ?? []);
  return copies.sort((a, b) => b.at - a.at)[0];
}
