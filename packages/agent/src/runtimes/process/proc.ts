// What the kernel says of processes. The kernel answers at once and a promise would cost ten times the read. A zombie is dead: whoever should reap it may be slow. Reads only.
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

export interface ProcessStat {
  readonly pid: number;
  readonly state: string;
  readonly session: number;
  /** Clock ticks after boot at which it began; with the pid it names a process for one boot. */
  readonly startTicks: number;
}

/** Undefined when there is no such process. proc(5), field numbers of /proc/PID/stat. */
export function readStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name in field 2 may hold spaces and brackets: what counts comes after the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    state: fields[0] ?? 'X',
    session: Number(fields[3]),
    startTicks: Number(fields[19]),
  };
}

export function isAlive(stat: ProcessStat | undefined): boolean {
  return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X';
}

/** The cheapest question of all; a zombie is still there, which the next inspection sees through. */
export function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** One system call: whether any process of the group that `pid` led is there. */
export function groupLives(pid: number): boolean {
  return exists(-pid);
}

export function allPids(): readonly number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid > 0);
}

/** Not at once: it takes a lock of the process, which one that hangs may hold. */
export async function readCommandLine(pid: number): Promise<readonly string[]> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
  } catch {
    return [];
  }
}

/**
 * Living processes of a session whose leader began at `startTicks`. A session's number is not given out
 * again while one of its processes lives, so a leader of another start means that all of ours are gone.
 */
export function livingInSession(session: number, startTicks: number): readonly ProcessStat[] {
  const leader = readStat(session);
  if (leader !== undefined && leader.startTicks !== startTicks) return [];
  const living: ProcessStat[] = [];
  for (const pid of allPids()) {
    const stat = readStat(pid);
    if (stat !== undefined && stat.session === session && isAlive(stat)) living.push(stat);
  }
  return living;
}

/**
 * Names one life of this system. The kernel's boot id alone would not do: a system in a container (LXC, nspawn)
 * reboots without its kernel, and a permit of the life before must start no leader. So the start of PID 1 is in it.
 */
export async function readBootId(): Promise<string> {
  const kernel = (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim();
  return `${kernel}.${readStat(1)?.startTicks ?? 0}`;
}

/** When a process began, milliseconds since 1970: exact to a clock tick (10 ms). */
export async function startedAtOf(startTicks: number): Promise<number> {
  const stat = await readFile('/proc/stat', 'latin1');
  const bootSeconds = Number(/^btime (\d+)$/m.exec(stat)?.[1] ?? 0);
  return bootSeconds * 1000 + startTicks * 10; // USER_HZ is 100 on every architecture that Node runs on
}
