// Starts Leafward's three programs as separate processes, for the demo and the end-to-end tests. Each has its own
// state directory and log file; every one that was started is ended again, by its own id.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freshBundle } from '../bundle.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
export const programs = {
  controller: join(root, 'packages/controller/dist/bin.js'),
  cli: join(freshBundle(), 'leafward.cjs'),
  agent: join(freshBundle(), 'leafward-agent.cjs'),
} as const;

export interface Program {
  readonly name: string;
  readonly pid: number;
  readonly logPath: string;
  /** Resolves with the exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  isRunning(): boolean;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, then SIGKILL after `graceMs`. */
  stop(graceMs?: number): Promise<number | string>;
}

export interface StartOptions {
  readonly name: string;
  readonly script: string;
  readonly args: readonly string[];
  readonly logPath: string;
  readonly environment?: Readonly<Record<string, string>>;
}

const living = new Set<ChildProcess>();

/** Ends what startProgram and runProgram began and what still runs, wherever its owner is just now. */
export async function endPrograms(): Promise<void> {
  await Promise.all(
    [...living].map(async (child) => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await ended;
    }),
  );
}

function keepTrack(child: ChildProcess): void {
  living.add(child);
  for (const event of ['exit', 'error'] as const) child.once(event, () => living.delete(child));
}

export function startProgram(options: StartOptions): Program {
  mkdirSync(dirname(options.logPath), { recursive: true });
  const log = openSync(options.logPath, 'a');
  const child = spawn(process.execPath, [options.script, ...options.args], {
    stdio: ['ignore', log, log],
    env: { ...process.env, ...options.environment },
  });
  closeSync(log);
  keepTrack(child);
  return programOf(child, options);
}

function programOf(child: ChildProcess, options: StartOptions): Program {
  const ended = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
    child.once('error', (error) => resolve(error.message));
  });
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    name: options.name,
    pid: child.pid ?? -1,
    logPath: options.logPath,
    ended,
    isRunning,
    signal: (signal) => void child.kill(signal),
    stop: async (graceMs = 5000) => {
      if (isRunning()) child.kill('SIGTERM');
      const timer = setTimeout(() => isRunning() && child.kill('SIGKILL'), graceMs);
      const result = await ended;
      clearTimeout(timer);
      return result;
    },
  };
}

export interface RunResult {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one of the programs to its end; output is kept whole. */
export function runProgram(
  script: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  timeoutMs = 120_000,
): Promise<RunResult> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', ...environment },
    });
    keepTrack(child);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? signal ?? 'unknown', stdout, stderr });
    });
  });
}

/** Ports that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', () => resolve(server));
      });
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Asks again and again until the answer is there. @throws Error that says what was waited for. */
export async function eventually<T>(
  what: string,
  timeoutMs: number,
  ask: () => Promise<T | undefined | false>,
  everyMs = 100,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline)
      throw new Error(
        `${what}: not so after ${timeoutMs / 1000} s${last instanceof Error ? ` (${last.message})` : ''}`,
      );
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
