// A stand-in homeserver's process as a child, for tests: started, watched, stopped, killed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface HomeserverProcess {
  readonly pid: number;
  lines(): readonly string[];
  /** Undefined while it runs, null when a signal ended it. */
  exitCode(): number | null | undefined;
  ended(): Promise<number | null>;
  stop(): Promise<number | null>;
  signal(signal: NodeJS.Signals): void;
}

export function startHomeserver(
  image: string,
  environment: Readonly<Record<string, string>>,
): HomeserverProcess {
  const child = spawn(process.execPath, [image], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (child.pid === undefined) throw new Error(`${image} did not start`);
  let text = '';
  let code: number | null | undefined;
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const exit = once(child, 'close').then(([exitCode]) => (code = exitCode as number | null));
  return {
    pid: child.pid,
    lines: () => text.split('\n').filter((line) => line !== ''),
    exitCode: () => code,
    ended: () => exit,
    stop: () => {
      if (code === undefined) child.kill('SIGTERM');
      return exit;
    },
    signal: (signal) => void child.kill(signal),
  };
}
