// How the processes of a command are known again, also after they left their session and after their agent died: by
// one variable in their environment that says whose command they are. Reads /proc only.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { within } from '../checks/single-flight.js';
import { allPids, isAlive, readBootId, readStat, type ProcessStat } from './process/proc.js';

export const MARK_VARIABLE = 'LEAFWARD_COMMAND';

/** One that hangs in the kernel does not show its environment. */
const READ_MS = 200;
/** Reads at once: they take turns in libuv's few threads anyway. */
const AT_ONCE = 16;

export interface CommandMark {
  /** BOOT/PID/START of the agent's process: who waits for it. */
  readonly owner: string;
  /** Value of the variable: the owner, what tells this command from all others, and the storage that it may write. */
  readonly text: string;
}

export async function newMark(storage: string): Promise<CommandMark> {
  const owner = await ownOwner();
  return { owner, text: `${owner}/${randomUUID()} ${storage}` };
}

export function storageInMark(mark: string): string {
  return mark.slice(mark.indexOf(' ') + 1);
}

let own: Promise<string> | undefined;
/** This process, by a name that no other one ever has. */
export function ownOwner(): Promise<string> {
  return (own ??= readBootId().then(
    (boot) => `${boot}/${process.pid}/${readStat(process.pid)?.startTicks ?? 0}`,
  ));
}

/** False as well for an owner of another boot: in a container of its own an agent has other numbers. */
export async function isOrphan(owner: string): Promise<boolean> {
  const [boot, pid, startTicks] = owner.split('/');
  if (boot !== (await readBootId())) return false;
  const stat = readStat(Number(pid));
  return stat?.startTicks !== Number(startTicks) || !isAlive(stat);
}

export interface MarkedProcess extends ProcessStat {
  readonly mark: string;
}

/** Living processes whose mark satisfies; those that hide their environment are left out. */
export async function markedProcesses(
  satisfies: (mark: string) => boolean | Promise<boolean>,
): Promise<readonly MarkedProcess[]> {
  const found: MarkedProcess[] = [];
  const look = async (pid: number): Promise<void> => {
    const stat = readStat(pid);
    if (!isAlive(stat) || stat === undefined || pid === process.pid) return;
    const mark = await markOf(pid);
    if (mark !== undefined && (await satisfies(mark))) found.push({ ...stat, mark });
  };
  const pids = [...allPids()];
  while (pids.length > 0) await Promise.all(pids.splice(0, AT_ONCE).map(look));
  return found;
}

/** Undefined: it is no command, or hides its environment. */
export async function markOf(pid: number): Promise<string | undefined> {
  const text = await within(readFile(`/proc/${pid}/environ`, 'utf8'), {
    what: `environment of ${pid}`,
    deadlineMs: READ_MS,
  }).catch(() => '');
  const start = `${MARK_VARIABLE}=`;
  return text
    .split('\0')
    .find((entry) => entry.startsWith(start))
    ?.slice(start.length);
}
