// What the kernel says of processes. A zombie is dead: whoever should reap it may be slow. Reads only.
import { readdir, readFile } from 'node:fs/promises';

export interface ProcessStat {
  readonly pid: number;
  readonly state: string;
  readonly session: number;
  /** Clock ticks after boot at which it began; with the pid it names a process for one boot. */
  readonly startTicks: number;
}

/** Undefined when there is no such process. proc(5), field numbers of /proc/PID/stat. */
export async function readStat(pid: number): Promise<ProcessStat | undefined> {
  let text: string;
  try {
    text = await readFile(`/proc/${pid}/stat`, 'latin1');
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

export async function allPids(): Promise<readonly number[]> {
  return (await readdir('/proc')).map(Number).filter((pid) => Number.isInteger(pid) && pid > 0);
}

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
export async function livingInSession(
  session: number,
  startTicks: number,
): Promise<readonly ProcessStat[]> {
  const leader = await readStat(session);
  if (leader !== undefined && leader.startTicks !== startTicks) return [];
  const living: ProcessStat[] = [];
  for (const pid of await allPids()) {
    const stat = await readStat(pid);
    if (stat !== undefined && stat.session === session && isAlive(stat)) living.push(stat);
  }
  return living;
}

export async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim();
}

/** When a process began, milliseconds since 1970: exact to a clock tick (10 ms). */
export async function startedAtOf(startTicks: number): Promise<number> {
  const stat = await readFile('/proc/stat', 'latin1');
  const bootSeconds = Number(/^btime (\d+)$/m.exec(stat)?.[1] ?? 0);
  return bootSeconds * 1000 + startTicks * 10; // USER_HZ is 100 on every architecture that Node runs on
}
