// One child process with a deadline: a session of its own, bounded output, and nothing of it left when this is over.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError, messageOf, type ErrorCode } from '@leafward/shared/errors.js';
import { endCommand } from '../command-end.js';
import { MARK_VARIABLE, newMark } from '../command-mark.js';
import { collectOutput } from '../command-output.js';
import type { Command, CommandResult } from '../runtime.js';
import { groupLives, readStat } from './proc.js';
import type { ProcessUser } from './user.js';

export interface ChildOptions extends Command {
  readonly environment: Readonly<Record<string, string>>;
  readonly user?: ProcessUser | undefined;
  readonly directory: string;
  /** What it may write. */
  readonly storage: string;
  readonly clock: Clock;
  readonly onBegin?: ((child: Begun) => void) | undefined;
}

export interface Begun {
  readonly pid: number;
  readonly startTicks: number;
  readonly mark: string;
}

/** What is in a pipe when its program ends is read in this time; a busy host needs more than a moment. */
const DRAIN_MS = 250;
const CLOSE_MS = 2_000;

type Child = ChildProcessByStdio<null, Readable, Readable>;
type Exit = readonly [code: number | null, signal: NodeJS.Signals | null];

/**
 * What a program leaves behind in the background when it ends is killed, as a container ends with its first process.
 * @throws LeafwardError `not-found` no such program or directory, `timeout`, `aborted`, `exhausted`, `failed`.
 */
export async function runChild(options: ChildOptions, signal: AbortSignal): Promise<CommandResult> {
  const { argv, clock, directory } = options;
  const what = `run ${argv[0] ?? ''}`;
  if (signal.aborted) throw new LeafwardError('aborted', `${what}: aborted`);
  await requireDirectory(what, directory);
  const mark = await newMark(options.storage);
  const beganAt = clock.monotonic();
  const child = begin(what, options, mark.text);
  const output = collectOutput(options);
  child.stdout.on('data', (chunk: Buffer) => output.stdout(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.stderr(chunk));
  const closed = once(child, 'close').then(() => true);
  closed.catch(() => undefined); // a failed spawn is told by `exited`
  const exited = once(child, 'exit') as unknown as Promise<Exit>;
  exited.catch(() => undefined);
  const pid = child.pid;
  if (pid === undefined) throw await whyNot(what, options, exited);
  const leader = { pid, startTicks: readStat(pid)?.startTicks ?? -1 };
  options.onBegin?.({ ...leader, mark: mark.text });
  const over = await endOf(exited, options.deadlineMs, signal);
  if (typeof over === 'string' || !(await within(closed, DRAIN_MS)) || groupLives(pid))
    await end(child, { closed, isProven: await endCommand({ leader, mark: mark.text, clock }) });
  if (typeof over === 'string') throw broken(what, over, options.deadlineMs);
  const tookMs = Math.round(clock.monotonic() - beganAt);
  return { exitCode: exitCodeOf(over), ...output.end(), tookMs };
}

function begin(what: string, options: ChildOptions, mark: string): Child {
  const { argv, user, environment, directory } = options;
  try {
    return spawn(argv[0] ?? '', argv.slice(1), {
      cwd: directory,
      detached: true,
      env: { ...environment, [MARK_VARIABLE]: mark },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    });
  } catch (error) {
    throw new LeafwardError('failed', `${what}: ${messageOf(error)}`, { cause: error });
  }
}

async function endOf(
  exited: Promise<Exit>,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<Exit | 'timeout' | 'aborted'> {
  let forget = (): void => undefined;
  const broken = new Promise<'timeout' | 'aborted'>((resolve) => {
    const timer = setTimeout(() => resolve('timeout'), deadlineMs);
    const onAbort = (): void => resolve('aborted');
    signal.addEventListener('abort', onAbort, { once: true });
    forget = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
  });
  try {
    return await Promise.race([exited, broken]);
  } finally {
    forget();
  }
}

/** Whoever still holds its pipes is no longer listened to. */
async function end(
  child: Child,
  after: { readonly closed: Promise<boolean>; readonly isProven: boolean },
): Promise<void> {
  if (after.isProven) await within(after.closed, CLOSE_MS);
  child.stdout.destroy();
  child.stderr.destroy();
}

async function within(closed: Promise<boolean>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
  try {
    return await Promise.race([closed, late]);
  } finally {
    clearTimeout(timer);
  }
}

function exitCodeOf([code, signal]: Exit): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

async function requireDirectory(what: string, directory: string): Promise<void> {
  const isThere = await stat(directory).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isThere)
    throw new LeafwardError('not-found', `${what}: there is no directory ${directory}`, {
      retry: 'later',
    });
}

const meanings: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOENT: ['not-found', 'there is no such program, or what interprets it is missing'],
  EACCES: ['failed', 'its user may not run it: look at its mode and at the directories above it'],
  EAGAIN: ['exhausted', 'the host has no room for another process'],
  ENOMEM: ['exhausted', 'the host is out of memory'],
  EMFILE: ['exhausted', 'this agent has too many open files'],
};

async function whyNot(
  what: string,
  options: ChildOptions,
  exited: Promise<unknown>,
): Promise<LeafwardError> {
  const error: unknown = await exited.catch((cause: unknown) => cause);
  const code = String((error as NodeJS.ErrnoException | undefined)?.code);
  const [meant, text] = meanings[code] ?? ['failed', messageOf(error)];
  const path = options.argv[0]?.includes('/') ? '' : ` (PATH ${options.environment.PATH ?? ''})`;
  return new LeafwardError(meant, `${what}: ${text}${meant === 'not-found' ? path : ''}`, {
    retry: meant === 'exhausted' ? 'later' : 'never',
  });
}

function broken(what: string, why: 'timeout' | 'aborted', deadlineMs: number): LeafwardError {
  const text =
    why === 'aborted' ? 'aborted' : `not over after ${deadlineMs} ms; all that it began was killed`;
  return new LeafwardError(why, `${what}: ${text}`, { retry: 'later' });
}
