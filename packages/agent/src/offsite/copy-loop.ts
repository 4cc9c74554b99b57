// Each new backup goes off the host, newest first, one at a time, by this agent alone. What fails is tried again later
// and told as a finding. Must never begin beside a backup that is being taken.
import { backoffMs, type BackoffLimits } from '@leafward/shared/backoff.js';
import type { Clock } from '@leafward/shared/clock.js';
import { isAbort, LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { Backup, MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { startLoop } from '@leafward/shared/loop.js';
import type { OffsiteFact, ServiceCopies } from '../checks/check.js';
import type { Offsite } from './offsite.js';
import { shownRepository } from './repository.js';

export interface CopyLoopOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly offsite: Offsite;
  readonly backups: () => readonly Backup[];
  readonly members: () => readonly MemberIntent[];
  readonly isBackingUp: () => boolean;
  /** Something to tell: a copy more, or a failure. */
  readonly onChange: () => void;
  readonly everyMs?: number | undefined;
  readonly backoff?: BackoffLimits | undefined;
}

export interface CopyLoop {
  /** What the checks judge. Undefined: no member of this host has a repository. */
  fact(signal: AbortSignal): Promise<OffsiteFact | undefined>;
  stop(): Promise<void>;
}

interface Failing {
  readonly since: number;
  readonly attempts: number;
  readonly code: string;
  readonly error: string;
  /** Monotonic. */
  readonly againAt: number;
}

const EVERY_MS = 10_000;
/** Some TB over a slow line; a pass that takes longer goes on with what it has sent. */
const DEADLINE_MS = 3 * 24 * 60 * 60_000;
const BACKOFF: BackoffLimits = { minMs: 60_000, maxMs: 60 * 60_000 };

export function startCopyLoop(options: CopyLoopOptions): CopyLoop {
  const { clock, log, backoff = BACKOFF } = options;
  const failing = new Map<string, Failing>();
  const fail = (service: string, error: unknown): void => {
    const before = failing.get(service);
    const attempts = (before?.attempts ?? 0) + 1;
    const waitMs = backoffMs(attempts - 1, backoff, Math.random());
    failing.set(service, {
      since: before?.since ?? clock.now(),
      attempts,
      code: error instanceof LeafwardError ? error.code : 'failed',
      error: messageOf(error),
      againAt: clock.monotonic() + waitMs,
    });
  };
  const pass = async (signal: AbortSignal): Promise<string | undefined> => {
    if (options.isBackingUp()) return undefined;
    const isDue = (service: string): boolean =>
      (failing.get(service)?.againAt ?? -Infinity) <= clock.monotonic();
    const intents = withRepositories(options.members());
    const leaves = await leaving(options);
    const next = chooseCopy(options.backups().filter(leaves), intents, isDue);
    if (next === undefined) return keepCopies(options, { intents, isDue, fail, failing }, signal);
    const { backup, intent } = next;
    const onProgress = (): void => undefined;
    try {
      await options.offsite.copy(backup, intent, { onProgress, signal });
    } catch (error) {
      if (isAbort(error) && signal.aborted) throw error;
      fail(backup.service, error);
      options.onChange();
      throw error;
    }
    failing.delete(backup.service);
    options.onChange();
    loop.wake();
    return `copied ${backup.name} of ${backup.service} off this host`;
  };
  const everyMs = options.everyMs ?? EVERY_MS;
  const loop = startLoop({ name: 'copies', clock, log, everyMs, deadlineMs: DEADLINE_MS, pass });
  return {
    fact: (signal) => factOf(options, failing, signal),
    stop: () => loop.stop(),
  };
}

/** Not what the rules of its repository have let go. */
async function leaving({ offsite }: CopyLoopOptions): Promise<(backup: Backup) => boolean> {
  const takenOut = await offsite.takenOut();
  return ({ manifestSha256 }) => !takenOut.has(manifestSha256);
}

/** Rules change nothing within hours, and freeing room reads much of a repository. */
const KEEP_EVERY_MS = 24 * 60 * 60_000;

interface Keeping {
  readonly intents: readonly MemberIntent[];
  readonly isDue: (service: string) => boolean;
  readonly fail: (service: string, error: unknown) => void;
  readonly failing: Map<string, Failing>;
}

/** Once a day, by each host for its own copies. A clock that was set back is no reason to wait for it. */
async function keepCopies(
  { offsite, clock, backups, onChange }: CopyLoopOptions,
  { intents, isDue, fail, failing }: Keeping,
  signal: AbortSignal,
): Promise<string | undefined> {
  const now = clock.now();
  for (const intent of intents) {
    const { service, backupDuty } = intent;
    if (backupDuty?.offsite?.keep === undefined || !isDue(service)) continue;
    // Before the first copy there is no repository, which is no failure.
    if (!backups().some((one) => one.service === service && isCopied(one, intent))) continue;
    const keptAt = (await offsite.keptAt(intent)) ?? -Infinity;
    if (keptAt <= now && now - keptAt < KEEP_EVERY_MS) continue;
    try {
      const turn = { onProgress: (): void => undefined, signal };
      const { message } = await offsite.prune({ dryRun: false }, intent, turn);
      failing.delete(service);
      return `kept the copies of ${service}: ${message}`;
    } catch (error) {
      if (isAbort(error) && signal.aborted) throw error;
      fail(service, error);
      throw error;
    } finally {
      onChange();
    }
  }
  return undefined;
}

export interface NextCopy {
  readonly backup: Backup;
  readonly intent: MemberIntent;
}

/** The newest that lies in its service's repository not yet; damaged ones stay here. Pure. */
export function chooseCopy(
  backups: readonly Backup[],
  intents: readonly MemberIntent[],
  isDue: (service: string) => boolean,
): NextCopy | undefined {
  const found = intents
    .filter(({ backupDuty, service }) => backupDuty?.offsite?.each === true && isDue(service))
    .flatMap((intent) =>
      waitingOf(backups, intent).map((backup): NextCopy => ({ backup, intent })),
    );
  return found.sort((a, b) => b.backup.finishedAt - a.backup.finishedAt)[0];
}

function waitingOf(backups: readonly Backup[], intent: MemberIntent): readonly Backup[] {
  if (intent.backupDuty?.offsite === undefined) return [];
  return backups.filter(
    (one) =>
      one.service === intent.service && one.verification?.ok !== false && !isCopied(one, intent),
  );
}

/** Into the repository of that service. */
function isCopied({ copies }: Backup, { backupDuty }: MemberIntent): boolean {
  const offsite = backupDuty?.offsite;
  if (offsite === undefined) return false;
  const repository = shownRepository(offsite);
  return copies?.copies.some((copy) => copy.repository === repository) === true;
}

/** One for each service that has a repository. */
function withRepositories(members: readonly MemberIntent[]): readonly MemberIntent[] {
  const found = members.filter(
    ({ backupDuty, run }) =>
      backupDuty?.offsite !== undefined && (run === 'running' || run === 'stopped'),
  );
  return [...new Map(found.map((intent) => [intent.service, intent])).values()];
}

async function factOf(
  options: CopyLoopOptions,
  failing: ReadonlyMap<string, Failing>,
  signal: AbortSignal,
): Promise<OffsiteFact | undefined> {
  const { members, backups, offsite } = options;
  const intents = withRepositories(members());
  if (intents.length === 0) return undefined;
  const all = backups().filter(await leaving(options));
  const services = intents.map((intent): ServiceCopies => {
    const own = all.filter(({ service }) => service === intent.service);
    const waiting = waitingOf(own, intent).map(({ finishedAt }) => finishedAt);
    const { since, code, error } = failing.get(intent.service) ?? {};
    const copies = own.flatMap((backup) => backup.copies?.copies ?? []);
    return {
      service: intent.service,
      each: intent.backupDuty?.offsite?.each === true,
      copies: copies.length,
      waiting: waiting.length,
      damaged: copies.flatMap(({ problem }) => problem ?? []),
      failure:
        since === undefined ? undefined : { since, code: code ?? 'failed', error: error ?? '' },
    };
  });
  const restic = await offsite.version(signal).then(
    (version) => ({ version }),
    (error: unknown) => ({ error: messageOf(error) }),
  );
  return { restic, services };
}
