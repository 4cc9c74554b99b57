// Two hosts on this machine, each with a catalogue and a state directory of its own, and one repository off both.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openCatalogue, type Catalogue } from '@leafward/agent/backups/catalogue.js';
import { createPins } from '@leafward/agent/backups/pins.js';
import { createOffsite, type Offsite } from '@leafward/agent/offsite/offsite.js';
import { openSecrets } from '@leafward/agent/secrets.js';
import { systemClock } from '@leafward/shared/clock.js';
import type { Backup, MemberIntent } from '@leafward/shared/gen/domain.js';
import { createLogger } from '@leafward/shared/log.js';

/** For a process of a test: an argument would be seen by everybody. */
export const PASSWORD_VARIABLE = 'TEST_PASSWORD';

export const log = createLogger('test', 'silent');

export interface StageHost {
  readonly host: string;
  readonly directory: string;
  readonly backups: string;
  readonly catalogue: Catalogue;
  readonly offsite: Offsite;
  readonly intent: MemberIntent;
  /** What was told as progress. */
  readonly told: string[];
  /** A turn that tells into `told`. */
  turn(signal?: AbortSignal): {
    readonly onProgress: (text: string) => void;
    readonly signal: AbortSignal;
  };
  /** A whole backup of this host, of some MB that nothing can compress. */
  take(name: string, megabytes?: number): Promise<Backup>;
}

export interface HostOptions {
  readonly root: string;
  readonly host: string;
  readonly password: string;
  readonly lockWaitMs?: number;
  readonly path?: string;
  /** Default: a directory below the root. */
  readonly repository?: string;
  /** Rules for copies. */
  readonly keep?: object | undefined;
}

export const makeRoot = (): Promise<string> => mkdtemp(join(tmpdir(), 'leafward-offsite-'));
export const removeRoot = (root: string): Promise<void> =>
  rm(root, { recursive: true, force: true });
export const repositoryOf = (root: string): string => join(root, 'repository');

export async function openHost(options: HostOptions): Promise<StageHost> {
  const { root, host, password, lockWaitMs = 500 } = options;
  const directory = join(root, host);
  const backups = join(directory, 'backups');
  const state = join(directory, 'state');
  await mkdir(backups, { recursive: true });
  const catalogue = await openCatalogue({
    directory: join(state, 'catalogue'),
    host,
    clock: systemClock,
    log,
  });
  const secrets = await openSecrets(join(state, 'secrets'), log);
  await secrets.keep({ name: 'copies', version: 1, plaintext: password });
  const offsite = createOffsite({
    directory: join(state, 'offsite'),
    host,
    clock: systemClock,
    catalogue,
    pins: createPins(),
    secrets,
    path: options.path ?? process.env['PATH'] ?? '',
    redact: (text) => secrets.redact(text),
    lockWaitMs,
  });
  const told: string[] = [];
  return {
    host,
    directory,
    backups,
    catalogue,
    offsite,
    intent: intentOf(options.repository ?? repositoryOf(root), backups, host, options.keep),
    told,
    turn: (signal = new AbortController().signal) => ({
      onProgress: (text) => void told.push(text),
      signal,
    }),
    take: (name, megabytes = 2) => take({ catalogue, backups, host, name, megabytes }),
  };
}

function intentOf(
  repository: string,
  backupDirectory: string,
  host: string,
  rules?: object,
): MemberIntent {
  const none = { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, minFreeBytes: 0 };
  return {
    member: `${host}.cortex`,
    service: 'cortex',
    run: 'running',
    spec: { backupDirectory, storage: join(backupDirectory, '..', 'storage') },
    backupDuty: {
      timeZone: 'UTC',
      jitterMs: 0,
      rank: 0,
      takeoverMs: 0,
      offsite: {
        repository,
        environment: {},
        secretEnvironment: { variables: { RESTIC_PASSWORD: { name: 'copies', version: 1 } } },
        each: true,
        ...(rules === undefined ? {} : { keep: { ...none, ...rules } }),
      },
    },
  } as unknown as MemberIntent;
}

interface Taking {
  readonly catalogue: Catalogue;
  readonly backups: string;
  readonly host: string;
  readonly name: string;
  readonly megabytes: number;
}

async function take({ catalogue, backups, host, name, megabytes }: Taking): Promise<Backup> {
  const path = join(backups, name);
  await mkdir(join(path, 'slabs'), { recursive: true });
  await writeFile(join(path, 'cell.guid'), name);
  await writeFile(join(path, 'slabs', 'data.lmdb'), randomBytes(megabytes * 1_000_000));
  await writeFile(join(path, 'slabs', 'holes.lmdb'), 'begin');
  await truncate(join(path, 'slabs', 'holes.lmdb'), 8_000_000);
  const startedAt = Date.now();
  return catalogue.add(
    {
      name,
      service: 'cortex',
      member: `${host}.cortex`,
      host,
      path,
      position: 7,
      version: '2.113.0',
      iden: 'a'.repeat(32),
      term: 3,
      startedAt,
    },
    () => undefined,
    new AbortController().signal,
  );
}

/** restic itself, as an operator would call it. */
export async function restic(
  root: string,
  password: string,
  args: readonly string[],
): Promise<string> {
  const { stdout } = await promisify(execFile)('restic', args, {
    env: {
      ...process.env,
      RESTIC_REPOSITORY: repositoryOf(root),
      RESTIC_PASSWORD: password,
      RESTIC_CACHE_DIR: join(root, 'cache'),
    },
  });
  return stdout;
}

/** Names in a directory; none where there is no directory. */
export const namesIn = (directory: string): Promise<string[]> => readdir(directory).catch(() => []);

/** Half a minute: a busy machine is slow, and nothing here depends on how slow. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 3000; tries += 1) {
    if (await isSo()) return;
    await systemClock.sleep(10);
  }
  throw new Error(`${what}: not within half a minute`);
}
