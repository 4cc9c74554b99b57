// One run of restic: at the lowest priority, with an environment of its own, and gone when this agent is. Its arguments
// never hold a secret, and what it prints is told without any (I14).
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { ResticEnd } from './restic-error.js';

export interface ResticRun {
  /** For errors: what is tried, on what. */
  readonly what: string;
  readonly arguments: readonly string[];
  /** All of it; nothing of this agent's own is added. */
  readonly environment: Readonly<Record<string, string>>;
  readonly directory?: string | undefined;
  /** Each line of its standard output, which is then not kept. */
  readonly onLine?: ((line: string) => void) | undefined;
  readonly redact: (text: string) => string;
}

/** A list of many thousand snapshots is smaller. */
const MOST_OUTPUT_BYTES = 32 * 1024 * 1024;
/** A line of progress names the files that it is at. */
const MOST_LINE_CHARS = 1024 * 1024;
const MOST_ERROR_CHARS = 64 * 1024;
/** It takes its lock away when it is asked to end; one that writes to a dead server does not hear. */
const END_MS = 5000;
/** What is in a pipe when it ends is read in this time; one that it began (ssh) may hold it for ever. */
const DRAIN_MS = 2000;
/** Left out where a host has not got them. The first one ends restic with this agent, however that ends. */
const WRAPPERS = [
  ['setpriv', '--pdeathsig', 'KILL'],
  ['nice', '-n', '19'],
  ['ionice', '-t', '-c', '3'],
] as const;

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** @throws LeafwardError `not-found` without restic, `aborted`, `exhausted` for an answer without end. */
export async function runRestic(run: ResticRun, signal: AbortSignal): Promise<ResticEnd> {
  const { what, environment } = run;
  if (signal.aborted) throw new LeafwardError('aborted', `${what}: stopped by the caller`);
  const path = environment['PATH'] ?? '';
  if (!(await isOnPath('restic', path)))
    throw new LeafwardError(
      'not-found',
      `${what}: restic is not installed on this host: apt-get install restic`,
      { retry: 'later' },
    );
  const wrappers = [];
  for (const wrapper of WRAPPERS) if (await isOnPath(wrapper[0], path)) wrappers.push(...wrapper);
  // Nobody hears of an end that came meanwhile.
  if (signal.aborted) throw new LeafwardError('aborted', `${what}: stopped by the caller`);
  const [program = 'restic', ...rest] = [...wrappers, 'restic', ...run.arguments];
  const child = spawn(program, rest, {
    cwd: run.directory,
    detached: true,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return ended(child, run, signal);
}

function ended(child: Child, run: ResticRun, signal: AbortSignal): Promise<ResticEnd> {
  const { what, redact } = run;
  const output = collect(run, () => endAll(child, 'SIGKILL'));
  child.stdout.on('data', (chunk: Buffer) => output.stdout(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.stderr(chunk));
  return new Promise((resolve, reject) => {
    let last: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      child.kill('SIGINT');
      last = setTimeout(() => endAll(child, 'SIGKILL'), END_MS);
    };
    child.on('exit', () => {
      clearTimeout(last);
      last = setTimeout(() => {
        endAll(child, 'SIGKILL');
        child.stdout.destroy();
        child.stderr.destroy();
      }, DRAIN_MS);
    });
    signal.addEventListener('abort', onAbort, { once: true });
    const over = (): void => {
      clearTimeout(last);
      signal.removeEventListener('abort', onAbort);
    };
    child.on('error', (error) => {
      over();
      reject(new LeafwardError('failed', `${what}: ${messageOf(error)}`, { cause: error }));
    });
    child.on('close', (code, killedBy) => {
      over();
      const { stdout, stderr, isTooLong } = output.end();
      if (signal.aborted)
        reject(new LeafwardError('aborted', `${what}: stopped, or it took too long`));
      else if (isTooLong)
        reject(new LeafwardError('exhausted', `${what}: restic’s answer is too long`));
      else {
        const killed = killedBy === null ? '' : `killed by ${killedBy}`;
        resolve({ exitCode: code ?? 128, stdout, stderr: redact(`${stderr}${killed}`) });
      }
    });
  });
}

/** With what it began itself, as the ssh of a repository. */
function endAll({ pid }: Child, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // All of it has ended.
  }
}

interface Collected {
  stdout(chunk: Buffer): void;
  stderr(chunk: Buffer): void;
  end(): Omit<ResticEnd, 'exitCode'> & { readonly isTooLong: boolean };
}

function collect({ onLine }: ResticRun, onTooLong: () => void): Collected {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let line = '';
  let errors = '';
  let isTooLong = false;
  const lines = (chunk: Buffer): void => {
    const parts = (line + chunk.toString('utf8')).split('\n');
    line = (parts.pop() ?? '').slice(0, MOST_LINE_CHARS);
    for (const part of parts) onLine?.(part);
  };
  return {
    stdout(chunk) {
      if (onLine !== undefined) return lines(chunk);
      bytes += chunk.length;
      if (bytes <= MOST_OUTPUT_BYTES) chunks.push(chunk);
      else if (!isTooLong) {
        isTooLong = true;
        onTooLong();
      }
    },
    // The end says why.
    stderr: (chunk) => void (errors = (errors + chunk.toString('utf8')).slice(-MOST_ERROR_CHARS)),
    end() {
      if (line !== '') onLine?.(line);
      return { stdout: Buffer.concat(chunks).toString('utf8'), stderr: errors, isTooLong };
    },
  };
}

async function isOnPath(program: string, path: string): Promise<boolean> {
  for (const directory of path.split(delimiter).filter((one) => one !== '')) {
    const found = await access(join(directory, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}
