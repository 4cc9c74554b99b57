// One agent for each state directory: two would start two of everything. The lock names a process by pid and
// start time, so one that a dead agent left is known for what it is.
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import { isFull, releaseReserve } from './journal/reserve.js';
import { isAlive, readBootId, readStat } from './runtimes/process/proc.js';

interface Holder {
  readonly pid: number;
  readonly startTicks: number;
  readonly bootId: string;
}

const ATTEMPTS = 5;

/** Returns what gives it back. @throws LeafwardError `already-exists` when another agent has it. */
export async function lockState(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'agent.lock');
  const own = `${path}.${process.pid}`;
  const stat = readStat(process.pid);
  const bootId = await readBootId();
  const holder: Holder = { pid: process.pid, startTicks: stat?.startTicks ?? 0, bootId };
  const note = (): Promise<void> => writeFile(own, JSON.stringify(holder), { mode: 0o600 });
  await note().catch(async (error: unknown) => {
    // An agent that cannot begin fences nobody: this is what the room was kept for.
    if (!isFull(error) || !(await releaseReserve(join(directory, 'journal.log')))) throw error;
    await note();
  });
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      if (await linked(own, path)) return () => rm(path, { force: true });
      const other = await readHolder(path);
      if (other !== undefined && holds(other, bootId))
        throw new LeafwardError(
          'already-exists',
          `use ${directory}: the agent with pid ${other.pid} uses it; stop that one first`,
        );
      await setAside(path, `${own}.old`, bootId);
    }
  } finally {
    await rm(own, { force: true });
  }
  throw new LeafwardError('failed', `lock ${directory}: others take it again and again`);
}

/** Moved and looked at again: somebody faster may have put a living one there meanwhile. */
async function setAside(path: string, aside: string, bootId: string): Promise<void> {
  await rename(path, aside).catch(() => undefined);
  const moved = await readHolder(aside);
  if (moved !== undefined && holds(moved, bootId)) await linked(aside, path);
  await rm(aside, { force: true });
}

async function linked(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

function holds(holder: Holder, bootId: string): boolean {
  if (holder.bootId !== bootId) return false;
  const stat = readStat(holder.pid);
  return stat?.startTicks === holder.startTicks && isAlive(stat);
}
