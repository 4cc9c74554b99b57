// One restic repository, as its service declares it: its calls, its locks, its absence. Must never make a new one where
// one was: a volume that is not mounted looks like a place for one.
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Clock } from '@leafward/shared/clock.js';
import type { Offsite } from '@leafward/shared/gen/domain.js';
import { replaceFile } from '../checks/durable-file.js';
import { classify, errorOf, type ResticEnd } from './restic-error.js';
import { parseSnapshots, type ResticSnapshot } from './restic-output.js';
import { runRestic, type ResticRun } from './run-restic.js';

export interface RepositoryParts {
  /** Of this agent, for restic's cache and what is remembered of repositories. */
  readonly directory: string;
  readonly host: string;
  readonly clock: Clock;
  readonly redact: (text: string) => string;
  readonly secretsOf: (
    what: string,
    variables: Offsite['secretEnvironment'],
  ) => Readonly<Record<string, string>>;
  /** Of this agent. */
  readonly path: string;
  /** How long a lock is waited for. */
  readonly lockWaitMs?: number | undefined;
}

export interface Call {
  readonly what: string;
  readonly arguments: readonly string[];
  readonly directory?: string | undefined;
  readonly onLine?: ((line: string) => void) | undefined;
  readonly onProgress: (text: string) => void;
}

const LOCK_WAIT_MS = 60_000;
const LOCK_POLL_MS = 2000;
/** As restic's own files: only their owner reads them. */
const PRIVATE = { recursive: true, mode: 0o700 } as const;

/** As it may be shown: a password in a URL is none of anybody's business. */
export const shownRepository = ({ repository }: Pick<Offsite, 'repository'>): string =>
  repository.replace(/\/\/[^/@]*@/, '//***@');

export class Repository {
  readonly shown: string;

  constructor(
    readonly offsite: Offsite,
    readonly parts: RepositoryParts,
  ) {
    this.shown = shownRepository(offsite);
  }

  /** Makes it where there never was one. @throws LeafwardError `not-found` when one was, what restic says. */
  async ensure(call: Pick<Call, 'onProgress'>, signal: AbortSignal): Promise<void> {
    const what = `look at the repository ${this.shown}`;
    const looked = await this.attempt(
      { ...call, what, arguments: ['cat', 'config', '--no-lock'] },
      signal,
    );
    if (looked.exitCode === 0) return this.#remember();
    if (classify(looked) !== 'absent' || (await this.wasThere()))
      throw await this.failure(what, looked);
    call.onProgress(`making the repository ${this.shown}`);
    const making = `make the repository ${this.shown}`;
    const made = await this.#run({ ...call, what: making, arguments: ['init'] }, signal);
    // Two hosts may copy their first backup at once.
    if (made.exitCode !== 0 && !/already (exists|initialized)/i.test(made.stderr))
      throw errorOf(making, made);
    return this.#remember();
  }

  /** It has been used from this host before. */
  async wasThere(): Promise<boolean> {
    return (await this.#known()).includes(this.shown);
  }

  /** In no order. @throws LeafwardError what restic says. */
  async snapshots(
    filter: { readonly tags: string } | { readonly id: string },
    signal: AbortSignal,
  ): Promise<readonly ResticSnapshot[]> {
    const what = `list the copies in ${this.shown}`;
    const which = 'id' in filter ? [filter.id] : ['--tag', filter.tags];
    const call = {
      what,
      arguments: ['snapshots', '--json', '--no-lock', ...which],
      onProgress: silent,
    };
    const { stdout } = await this.call(call, signal);
    try {
      return parseSnapshots(stdout);
    } catch (error) {
      throw new LeafwardError('failed', `${what}: restic’s answer is not understood`, {
        cause: error,
      });
    }
  }

  /** Waits for a lock that somebody holds. @throws LeafwardError what restic says. */
  async call(call: Call, signal: AbortSignal): Promise<ResticEnd> {
    const end = await this.attempt(call, signal);
    if (end.exitCode !== 0) throw await this.failure(call.what, end);
    await this.#remember();
    return end;
  }

  /** Why it was not done; one that was there and is not is told otherwise than one that never was. */
  async failure(what: string, end: ResticEnd): Promise<LeafwardError> {
    if (classify(end) !== 'absent' || !(await this.wasThere())) return errorOf(what, end);
    return new LeafwardError(
      'not-found',
      `${what}: the repository ${this.shown} was there and is gone; bring it back (is its volume mounted?). If it ` +
        'shall be a new one, make it by hand: restic init',
      { retry: 'later' },
    );
  }

  /** As `call`, with whatever it ended with. */
  async attempt(call: Call, signal: AbortSignal): Promise<ResticEnd> {
    const { clock, lockWaitMs = LOCK_WAIT_MS } = this.parts;
    const until = clock.monotonic() + lockWaitMs;
    for (let tries = 1; ; tries += 1) {
      const end = await this.#run(call, signal);
      if (end.exitCode === 0 || classify(end) !== 'locked') return end;
      // Takes away only locks of processes that have ended, by restic's own rule.
      await this.#run({ ...call, what: 'unlock', arguments: ['unlock'] }, signal);
      if (tries > 1 && clock.monotonic() >= until) return end;
      call.onProgress(`waiting for the lock of ${this.shown}`);
      await clock.sleep(Math.min(LOCK_POLL_MS, lockWaitMs), signal);
    }
  }

  async #run(call: Call, signal: AbortSignal): Promise<ResticEnd> {
    const { what, onLine, directory } = call;
    const { parts } = this;
    const run: ResticRun = {
      what,
      arguments: call.arguments,
      environment: await this.#environment(what),
      onLine,
      redact: parts.redact,
      directory,
    };
    return runRestic(run, signal);
  }

  /** What is declared wins: somebody may need another cache. The repository is no argument, as is no secret. */
  async #environment(what: string): Promise<Readonly<Record<string, string>>> {
    const { directory, path, secretsOf } = this.parts;
    const [cache, scratch] = [join(directory, 'cache'), join(directory, 'tmp')];
    await mkdir(cache, PRIVATE);
    await mkdir(scratch, PRIVATE);
    const { repository, environment, secretEnvironment } = this.offsite;
    return {
      PATH: path,
      HOME: directory,
      TMPDIR: scratch,
      RESTIC_CACHE_DIR: cache,
      RESTIC_PROGRESS_FPS: '1',
      RESTIC_REPOSITORY: repository,
      ...environment,
      ...secretsOf(what, secretEnvironment),
    };
  }

  async #known(): Promise<readonly string[]> {
    const text = await readFile(this.#memory(), 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }

  async #remember(): Promise<void> {
    const known = await this.#known();
    if (known.includes(this.shown)) return;
    replaceFile(this.#memory(), `${[...known, this.shown].join('\n')}\n`, 0o600);
  }

  #memory(): string {
    return join(this.parts.directory, 'repositories');
  }
}

const silent = (): void => undefined;
