// Runs the operator's snapshot command on the host. The shipped unit lets the agent itself make no volumes, so where
// systemd is there the command is a unit of its own, which the agent only asks for and waits for.
import { existsSync } from 'node:fs';
import type { Clock } from '@leafward/shared/clock.js';
import type { CommandResult } from '../runtimes/runtime.js';
import { runChild } from '../runtimes/process/child.js';

const MAX_OUTPUT_BYTES = 16 * 1024;
/** systemd is told the time as well; it ends the command, and then says so. */
const UNIT_MS = 5_000;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface SnapshotCommand {
  readonly command: readonly string[];
  readonly timeoutMs: number;
  /** The member's, which the command is for. */
  readonly storage: string;
  readonly clock: Clock;
}

/** Where systemd is PID 1 and lets this user begin units. */
export const hasSystemd = (): boolean =>
  process.getuid?.() === 0 && existsSync('/run/systemd/system');

/** As a list of words; pure. */
export function commandLine(
  { command, timeoutMs }: Pick<SnapshotCommand, 'command' | 'timeoutMs'>,
  systemd: boolean,
): readonly string[] {
  if (!systemd) return command;
  return [
    'systemd-run',
    '--quiet',
    '--pipe',
    '--wait',
    '--collect',
    '--service-type=exec',
    `--property=RuntimeMaxSec=${Math.ceil(timeoutMs / 1000)}`,
    '--property=TimeoutStopSec=1',
    '--description=Leafward: snapshot command',
    '--',
    ...command,
  ];
}

/** @throws LeafwardError `not-found`, `timeout`; a bad exit code is a result. */
export function runSnapshotCommand(
  options: SnapshotCommand,
  signal: AbortSignal,
): Promise<CommandResult> {
  const systemd = hasSystemd();
  return runChild(
    {
      argv: commandLine(options, systemd),
      deadlineMs: options.timeoutMs + (systemd ? UNIT_MS : 0),
      maxOutputBytes: MAX_OUTPUT_BYTES,
      environment: { PATH },
      directory: '/',
      storage: options.storage,
      clock: options.clock,
    },
    signal,
  );
}
