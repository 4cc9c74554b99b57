// A stand-in cell as a child process, for tests: started, watched, stopped, killed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { connectCell } from './client.js';

export interface CellProcess {
  readonly pid: number;
  readonly storage: string;
  /** What it has written so far. */
  lines(): readonly string[];
  /** Undefined while it runs, null when a signal ended it. */
  exitCode(): number | null | undefined;
  /** Returns the exit code, null for a signal. */
  ended(): Promise<number | null>;
  stop(): Promise<number | null>;
  kill(signal?: NodeJS.Signals): Promise<void>;
}

export interface CellProcessOptions {
  readonly image: string;
  readonly storage: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export function startCell(options: CellProcessOptions): CellProcess {
  const child = spawn(process.execPath, [options.image, options.storage], {
    env: { PATH: process.env['PATH'], SYN_CELL_START_MS: '0', ...options.environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  let code: number | null | undefined;
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const exit = once(child, 'close').then(([exitCode]) => (code = exitCode as number | null));
  if (child.pid === undefined) throw new Error(`${options.image} did not start`);
  return {
    pid: child.pid,
    storage: options.storage,
    lines: () => text.split('\n').filter((line) => line !== ''),
    exitCode: () => code,
    ended: () => exit,
    stop: async () => {
      if (code === undefined) child.kill('SIGTERM');
      return exit;
    },
    kill: async (signal = 'SIGKILL') => {
      if (code === undefined) child.kill(signal);
      if (signal === 'SIGKILL') await exit;
    },
  };
}

/** Returns when it answers on its socket. Throws with its output when it ended or took too long. */
export async function untilAnswers(cell: CellProcess, patienceMs = 10_000): Promise<void> {
  const giveUpAt = Date.now() + patienceMs;
  for (;;) {
    try {
      (await connectCell({ url: cell.storage, deadlineMs: 1_000 })).close();
      return;
    } catch (error) {
      if (cell.exitCode() !== undefined || Date.now() > giveUpAt) {
        throw new Error(`cell in ${cell.storage} does not answer:\n${cell.lines().join('\n')}`, {
          cause: error,
        });
      }
      await delay(20);
    }
  }
}
