// Database servers as the kernel sees them: who runs from a storage, and how their power is cut. Independent of
// everything that Leafward says.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '../fleet/programs.js';

/** Ids of processes that work in this directory or below it. */
export async function processesIn(directory: string): Promise<readonly number[]> {
  const found = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name))
      .map(async (name) => {
        const cwd = await readlink(`/proc/${name}/cwd`).catch(() => '');
        return `${cwd}/`.startsWith(`${directory}/`) ? [Number(name)] : [];
      }),
  );
  return found.flat();
}

/** SIGKILL to every one of them; returns when the kernel knows none of them any more, not even as a zombie. */
export async function cutPowerOf(directory: string): Promise<void> {
  const killed = new Set<number>();
  await eventually(
    `nothing runs in ${directory}`,
    20_000,
    async () => {
      for (const pid of await processesIn(directory)) {
        killed.add(pid);
        send(pid, 'SIGKILL');
      }
      return [...killed].every((pid) => !existsSync(`/proc/${pid}`));
    },
    20,
  );
}

/** Processes whose title begins so, as `postgres: 00.db: walsender`. */
export async function titled(title: string): Promise<readonly number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const words = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    if (words.startsWith(title)) found.push(Number(name));
  }
  return found;
}

export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended
  }
}

/** The one small segment of shared memory that a killed PostgreSQL leaves in the kernel, by its own pid file. */
export async function removeSharedMemory(storage: string): Promise<void> {
  const text = await readFile(join(storage, 'data/postmaster.pid'), 'utf8').catch(() => '');
  const id = /^\s*\d+\s+(\d+)\s*$/.exec(text.split('\n')[6] ?? '')?.[1];
  if (id !== undefined) await promisify(execFile)('ipcrm', ['-m', id]).catch(() => undefined); // gone already
}
