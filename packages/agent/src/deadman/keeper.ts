// Whether somebody looks at the deadlines, and a dead-man of the agent's own where nobody does: in a session of its
// own, so that it outlives the agent; it ends by itself when nothing is armed any more.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import { DEADMAN_LOOK_MS } from '@leafward/shared/lease.js';
import type { Logger } from '@leafward/shared/log.js';
import type { DeadmanDirectory } from './directory.js';

export interface KeeperOptions {
  readonly directory: DeadmanDirectory;
  readonly monotonic: () => number;
  readonly log: Logger;
  /** The program; undefined: there is none, and nobody is started. */
  readonly program: string | undefined;
  /** Somebody else starts it: it is given this long before this agent does. */
  readonly patienceMs: number;
}

export interface Keeper {
  isAlive(): boolean;
  /** Called again and again with those that are armed. @throws when nobody is there and nobody can be started. */
  keep(members: readonly string[]): void;
}

/** Longer than one look on a loaded host. */
const ALIVE_MS = 4 * DEADMAN_LOOK_MS;
const START_AGAIN_MS = 5000;

export function createKeeper(options: KeeperOptions): Keeper {
  const { directory, monotonic, log, program, patienceMs } = options;
  let child: ChildProcess | undefined;
  let missingSince: number | undefined;
  let startedAt = -Infinity;
  const isAlive = (): boolean => {
    const at = directory.aliveAtMs();
    return at !== undefined && monotonic() - at < ALIVE_MS;
  };
  const start = (): number | undefined => {
    if (program === undefined)
      throw new LeafwardError('not-found', 'there is no leafward-deadman beside this agent');
    child = startDeadman(program, directory.path, (error) => {
      child = undefined;
      if (error !== undefined) log.error(`start ${program}: ${error.message}`);
    });
    return child.pid;
  };
  return {
    isAlive,
    keep(members) {
      if (members.length === 0 || isAlive()) {
        missingSince = undefined;
        return;
      }
      missingSince ??= monotonic();
      const isDue =
        monotonic() - missingSince >= patienceMs && monotonic() - startedAt >= START_AGAIN_MS;
      if (!isDue || child !== undefined) return;
      startedAt = monotonic();
      log.info({ pid: start() }, `started a dead-man for ${members.join(', ')}`);
    },
  };
}

function startDeadman(
  program: string,
  directory: string,
  onEnd: (error?: Error) => void,
): ChildProcess {
  const output = openSync(join(directory, 'log'), 'a', 0o600);
  try {
    const child = spawn('/bin/sh', [program, '--until-idle', directory], {
      cwd: '/',
      detached: true,
      env: {},
      stdio: ['ignore', output, output],
    });
    child.once('exit', () => onEnd());
    child.once('error', onEnd);
    child.unref();
    return child;
  } finally {
    closeSync(output);
  }
}
