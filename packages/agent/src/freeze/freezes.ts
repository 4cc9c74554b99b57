// Freezes a member while something is done, and sees to its end before it begins: a dead-man of its own is armed first,
// and an agent that starts resumes what an earlier one left. Must never freeze what nobody would resume.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { Logger } from '@leafward/shared/log.js';
import type { Care } from '../engines/care.js';
import type { EngineMember } from '../engines/engine.js';
import { hostMonotonicMs } from '../permits.js';
import { freezeDirectory, type FreezeDirectory } from './record.js';
import { resumeCell } from './resume-cell.js';

export interface FreezesOptions {
  readonly stateDirectory: string;
  readonly bootId: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The agent's own, which is the dead-man's too. */
  readonly program?: string | undefined;
}

export interface Freezing {
  readonly member: EngineMember;
  readonly care: Care;
  /** How long writes may wait once they do. */
  readonly forMs: number;
}

export interface Freezes {
  /**
   * Freezes the member, does it, resumes it. @throws LeafwardError `unavailable` when no dead-man could be armed,
   * `failed` when it was resumed by that before it was done, what freezing throws, what `act` throws.
   */
  whileFrozen<T>(
    freezing: Freezing,
    act: () => Promise<T>,
    signal: AbortSignal,
  ): Promise<{ readonly value: T; readonly frozenMs: number }>;
}

/** A freeze waits for the writes that are under way: the service's own default. */
const FREEZE_WAIT_MS = 30_000;
/** Past the time of what is done: the agent comes first, if it lives. */
const AFTER_MS = 2_000;
/** The program starts in a fraction of a second; a busy host takes its time. */
const ARM_MS = 20_000;
const LOOK_EVERY_MS = 50;
const RESUME_MS = 15_000;

export function openFreezes(options: FreezesOptions): Freezes {
  const directory = freezeDirectory(join(options.stateDirectory, 'freezes'));
  resumeLeft(directory, options).catch((error: unknown) =>
    options.log.error(`resume what an earlier agent froze: ${messageOf(error)}`),
  );
  return {
    whileFrozen: (freezing, act, signal) =>
      whileFrozen({ ...freezing, directory, options }, act, signal),
  };
}

interface Job extends Freezing {
  readonly directory: FreezeDirectory;
  readonly options: FreezesOptions;
}

async function whileFrozen<T>(
  job: Job,
  act: () => Promise<T>,
  signal: AbortSignal,
): Promise<{ readonly value: T; readonly frozenMs: number }> {
  const { member, forMs, directory } = job;
  note(job, false, FREEZE_WAIT_MS + forMs + AFTER_MS);
  await arm(job, signal);
  await freeze(job, signal);
  const frozenAt = hostMonotonicMs();
  note(job, true, forMs + AFTER_MS);
  let value: T;
  try {
    value = await act();
  } catch (error) {
    await resume(job);
    throw error;
  }
  const isWhole = directory.read(member.member) !== undefined;
  await resume(job);
  const frozenMs = Math.round(hostMonotonicMs() - frozenAt);
  if (isWhole) return { value, frozenMs };
  throw new LeafwardError(
    'failed',
    `freeze ${member.member}: its dead-man resumed it before this was over, so writes went on meanwhile; give it more time`,
  );
}

function note({ directory, member, options }: Job, isFrozen: boolean, leftMs: number): void {
  const { spec } = member;
  const resumeAtMs = hostMonotonicMs() + leftMs;
  const { bootId } = options;
  const { member: name } = member;
  directory.write({ member: name, storage: spec.storage, bootId, resumeAtMs, isFrozen });
}

/** @throws LeafwardError `unavailable`: nothing was frozen. */
async function arm(job: Job, signal: AbortSignal): Promise<void> {
  const { directory, member, options } = job;
  const { member: name } = member;
  try {
    startThaw(directory, name, options.program);
    const until = options.clock.monotonic() + ARM_MS;
    while (!isWatched(directory, name)) {
      if (options.clock.monotonic() > until) throw new Error('it does not come up');
      await options.clock.sleep(LOOK_EVERY_MS, signal);
    }
  } catch (error) {
    directory.remove(name);
    throw new LeafwardError(
      'unavailable',
      `freeze ${name}: nobody would resume it if this agent died: ${messageOf(error)}; nothing was frozen`,
      { retry: 'later', cause: error },
    );
  }
}

async function freeze({ directory, member, care }: Job, signal: AbortSignal): Promise<void> {
  try {
    if (care.freeze === undefined || care.resume === undefined)
      throw new LeafwardError(
        'already-exists',
        `freeze ${member.member}: its kind cannot be frozen`,
      );
    await care.freeze(member, { timeoutMs: FREEZE_WAIT_MS }, signal);
  } catch (error) {
    // Somebody else's freeze is theirs to end. Of any other end nobody knows: the dead-man resumes it in its time.
    const isOthers = error instanceof LeafwardError && error.code === 'already-exists';
    if (isOthers) directory.remove(member.member);
    else await resumeCell(member.spec.storage).catch(() => undefined);
    throw error;
  }
}

/** By whatever way: what cannot be resumed now is the dead-man's, which tries on. */
async function resume({ directory, member, care }: Job): Promise<void> {
  await care.resume?.(member, AbortSignal.timeout(RESUME_MS));
  directory.remove(member.member);
}

function isWatched(directory: FreezeDirectory, member: string): boolean {
  const pid = directory.watcher(member);
  if (pid === undefined) return false;
  try {
    // Numbers of processes are given again, after a boot at the latest: somebody else's would resume nobody.
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return ['thaw', directory.path, member].every((word) => words.includes(word));
  } catch {
    return false;
  }
}

/** In a session of its own, so that what ends the agent does not end it. */
function startThaw(directory: FreezeDirectory, member: string, program: string | undefined): void {
  if (program === undefined) throw new Error('where the program of this agent lies is not known');
  if (isWatched(directory, member)) return;
  mkdirSync(directory.path, { recursive: true, mode: 0o700 });
  const output = openSync(join(directory.path, 'log'), 'w', 0o600);
  try {
    const child = spawn(process.execPath, [program, 'thaw', directory.path, member], {
      cwd: '/',
      detached: true,
      env: {},
      stdio: ['ignore', output, output],
    });
    child.once('error', () => undefined); // it does not come up: that is told
    child.unref();
  } finally {
    closeSync(output);
  }
}

/** What an agent that died left frozen: at once, and if that fails, by a dead-man that tries on. */
async function resumeLeft(directory: FreezeDirectory, options: FreezesOptions): Promise<void> {
  for (const member of directory.members()) {
    const record = directory.read(member);
    if (record?.bootId !== options.bootId) {
      directory.remove(member);
      continue;
    }
    try {
      await resumeCell(record.storage);
      options.log.warn({ member }, `resumed ${member}: an earlier agent froze it and ended`);
      // One that was asked for may still come: its dead-man is there for that.
      if (record.isFrozen) directory.remove(member);
      else startThaw(directory, member, options.program);
    } catch (error) {
      options.log.error({ member }, `resume ${member}: ${messageOf(error)}`);
      startLater(directory, member, options);
    }
  }
}

function startLater(directory: FreezeDirectory, member: string, options: FreezesOptions): void {
  try {
    startThaw(directory, member, options.program);
  } catch (error) {
    options.log.error({ member }, `resume ${member}: nobody tries on: ${messageOf(error)}`);
  }
}
