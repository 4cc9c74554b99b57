// Programs that a rig runs: short ones with a deadline, long ones with a log file. Ends only processes that it
// started itself, each by its id and start time, since ids are used again.
import { execFile, spawn } from 'node:child_process';
import { appendFileSync, openSync, closeSync, readFileSync } from 'node:fs';
import { eventually } from './conditions.js';

/** Nothing of this machine's environment leaks into a host: PATH is what a root shell has. */
export const plainEnvironment: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
  HOME: '/root',
};

export interface RunOptions {
  readonly timeoutMs?: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
}

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, whatever its exit code. Killed at the deadline (default 30 s): code −1. */
export function tryRun(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
  const [file = '', ...rest] = argv;
  return new Promise((resolve) => {
    const child = execFile(
      file,
      rest,
      {
        timeout: options.timeoutMs ?? 30_000,
        killSignal: 'SIGKILL',
        maxBuffer: 16 << 20,
        env: { ...plainEnvironment, ...options.environment },
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        const why = code === -1 ? `\n${error?.message ?? ''}` : '';
        resolve({ code, stdout, stderr: stderr + why });
      },
    );
    child.stdin?.on('error', () => undefined); // it may not read at all
    child.stdin?.end(options.input ?? '');
  });
}

/** Its stdout. @throws Error with what it wrote when it fails */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await tryRun(argv, options);
  if (result.code === 0) return result.stdout;
  throw new Error(
    `${argv.join(' ')} ended with ${result.code}\n${result.stderr}${result.stdout}`.slice(0, 4000),
  );
}

export interface RigProcess {
  readonly pid: number;
  readonly logPath: string;
  isRunning(): boolean;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL after the grace (default 10 s); returns when it is gone. */
  stop(graceMs?: number): Promise<void>;
  /** Returns its exit code, or −1 for a death by signal. @throws Error after timeoutMs */
  ended(timeoutMs?: number): Promise<number>;
}

export interface StartOptions {
  readonly logPath: string;
  /** File to which `pid startTicks` is added, so that a later run can end what this one left. */
  readonly recordPath: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Starts a program in a session of its own, output to its log. */
export function start(argv: readonly string[], options: StartOptions): RigProcess {
  const [file = '', ...rest] = argv;
  const log = openSync(options.logPath, 'a');
  const child = spawn(file, rest, {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...plainEnvironment, ...options.environment },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  closeSync(log);
  let code: number | undefined;
  child.on('exit', (status) => (code = status ?? -1));
  child.on('error', (error) => {
    appendFileSync(options.logPath, `${String(error)}\n`);
    code = -1;
  });
  child.unref();
  const { pid = -1 } = child;
  appendFileSync(options.recordPath, `${pid} ${startTicks(pid) ?? 0}\n`);
  const process: RigProcess = {
    pid,
    logPath: options.logPath,
    isRunning: () => code === undefined,
    kill: (signal) => {
      if (code === undefined) child.kill(signal);
    },
    stop: async (graceMs = 10_000) => {
      process.kill('SIGTERM');
      try {
        await process.ended(graceMs);
      } catch {
        process.kill('SIGKILL');
        await process.ended();
      }
    },
    ended: async (timeoutMs = 10_000) => {
      const what = `${file} (pid ${pid}) ends`;
      await eventually(what, () => code !== undefined, { timeoutMs, everyMs: 10 });
      return code ?? -1;
    },
  };
  return process;
}

/** Field 22 of /proc/PID/stat; undefined when there is no such process or it is a zombie. */
export function startTicks(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}

/** True while this very process lives; a zombie is dead. */
export function isAlive(pid: number, ticks: number): boolean {
  return startTicks(pid) === ticks;
}

/** SIGKILL, and returns when it is gone. Nothing happens to another process that got its id. */
export async function killProcess(pid: number, ticks: number): Promise<void> {
  if (!isAlive(pid, ticks)) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return; // gone between the two
  }
  await eventually(`process ${pid} is gone`, () => !isAlive(pid, ticks), { everyMs: 10 });
}
