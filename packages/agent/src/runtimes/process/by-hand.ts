// Finds programs that somebody started by hand on a storage: what listens on a socket in it, or holds a lock of a file
// in it, runs it (I2, I9). Whoever only reads, copies or edits there does not. Asks the kernel only, never the storage:
// one on a dead volume must not hold the agent.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { isAlive, readStat, type ProcessStat } from './proc.js';

export interface HandStarted {
  readonly pid: number;
  readonly startTicks: number;
  readonly storage: string;
  readonly name: string;
}

/** SO_ACCEPTCON in the flags of /proc/net/unix (proc_net(5)). */
const LISTENS = 0x10000;

/** Storage by the inode of each listening socket that is bound in one. One read, whatever runs. */
export function socketsIn(storages: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  if (storages.length === 0) return found;
  for (const line of readText('/proc/net/unix').split('\n')) {
    const at = line.indexOf(' /');
    if (at < 0) continue;
    const [, , , flags = '', , , inode = ''] = line.slice(0, at).split(/\s+/);
    const storage = storageOf(line.slice(at + 1), storages);
    if (storage !== undefined && Number.parseInt(flags, 16) & LISTENS) found.set(inode, storage);
  }
  return found;
}

/**
 * `candidates`: processes that are nobody's, each with its command line; only those whose command line or working
 * directory names a storage, or all while a socket has no owner among them, are looked into.
 */
export function findHandStarted(
  candidates: readonly (ProcessStat & { readonly words: readonly string[] })[],
  storages: readonly string[],
): readonly HandStarted[] {
  const sockets = socketsIn(storages);
  const named = candidates.filter(({ pid, words }) =>
    [readLink(`/proc/${pid}/cwd`), ...words].some((word) => storageOf(word, storages)),
  );
  const found = named.flatMap((one) => lookInto(one, storages, sockets));
  const owned = new Set(found.map(({ storage }) => storage));
  const isOpen = [...sockets.values()].some((storage) => !owned.has(storage));
  if (!isOpen) return found;
  const others = candidates.filter((one) => !named.includes(one));
  return [...found, ...others.flatMap((one) => lookInto(one, [], sockets))];
}

export function isStillThere({
  pid,
  startTicks,
}: Pick<HandStarted, 'pid' | 'startTicks'>): boolean {
  const stat = readStat(pid);
  return stat?.startTicks === startTicks && isAlive(stat);
}

function lookInto(
  { pid, startTicks, words }: ProcessStat & { readonly words: readonly string[] },
  storages: readonly string[],
  sockets: ReadonlyMap<string, string>,
): readonly HandStarted[] {
  for (const descriptor of listOf(`/proc/${pid}/fd`)) {
    const target = readLink(`/proc/${pid}/fd/${descriptor}`);
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    const storage = inode === undefined ? storageOf(target, storages) : sockets.get(inode);
    if (storage === undefined) continue;
    if (inode === undefined && !holdsLock(pid, descriptor)) continue;
    const name = words[0]?.split('/').at(-1) ?? '';
    return [{ pid, startTicks, storage, name }];
  }
  return [];
}

/** The kernel lists the locks of an open file in its fdinfo (proc_pid_fdinfo(5)). */
function holdsLock(pid: number, descriptor: string): boolean {
  return /^lock:/m.test(readText(`/proc/${pid}/fdinfo/${descriptor}`));
}

function storageOf(path: string, storages: readonly string[]): string | undefined {
  return storages.find((storage) => path === storage || path.startsWith(`${storage}/`));
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // it has ended, or is none of ours to look at
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function listOf(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
