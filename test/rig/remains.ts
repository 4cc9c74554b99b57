// Everything that a rig can leave behind, found again by its name alone, so that one function serves a normal
// end, a failed test and the next run after a crash.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { removeGroups } from './cgroups.js';
import { thawBelow } from './volume.js';
import { isAlive, killProcess, run, startTicks, tryRun } from './processes.js';

const PREFIX = 'lwrig-';
/** From the machine's own namespace the hosts' addresses must lead nowhere. */
export const HOSTS_NETWORK = '10.77.0.0/24';

/** A new directory whose name is also the prefix of the rig's namespaces and control groups. */
export async function makeRigDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), PREFIX));
  await writeFile(join(directory, 'owner'), `${process.pid} ${startTicks(process.pid) ?? 0}`);
  await writeFile(recordPathOf(directory), '');
  return directory;
}

export function recordPathOf(directory: string): string {
  return join(directory, 'processes');
}

/** Ends rigs whose owner died without doing so. */
export async function sweepRemains(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const directory = join(tmpdir(), name);
    const owner = await readFile(join(directory, 'owner'), 'utf8').catch(() => '');
    const [pid = 0, ticks = 0] = owner.split(' ').map(Number);
    if (owner === '' || isAlive(pid, ticks)) continue;
    await removeRemains(directory);
  }
}

export async function removeRemains(directory: string): Promise<void> {
  const name = basename(directory);
  // Whoever waits for a volume that hangs cannot even be killed.
  await thawBelow(mountsBelow(directory).filter((point) => point.includes('/disk/')));
  for (const line of (await readFile(recordPathOf(directory), 'utf8').catch(() => '')).split(
    '\n',
  )) {
    const [pid = 0, ticks = 0] = line.split(' ').map(Number);
    if (pid > 1) await killProcess(pid, ticks);
  }
  await removeGroups((group) => group.startsWith(`${name}-`));
  // An Engine's shims leave its process tree; they carry the rig's directory in their arguments.
  for (const [pid, ticks] of processesNaming(directory)) await killProcess(pid, ticks);
  await unmountBelow(directory);
  await removeNamespaces(name);
  await rm(directory, { recursive: true, force: true });
}

function processesNaming(directory: string): readonly (readonly [number, number])[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 1 && pid !== process.pid && namesDirectory(pid, directory))
    .map((pid) => [pid, startTicks(pid) ?? -1] as const);
}

function namesDirectory(pid: number, directory: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${directory}/`);
  } catch {
    return false;
  }
}

/** Deepest first. @throws Error while anything is still mounted: nothing may then be deleted. */
async function unmountBelow(directory: string): Promise<void> {
  for (const point of mountsBelow(directory)) await tryRun(['umount', point]);
  for (const point of mountsBelow(directory)) await tryRun(['umount', '--lazy', point]);
  const left = mountsBelow(directory);
  if (left.length > 0) throw new Error(`still mounted: ${left.join(' ')}; unmount by hand`);
}

function mountsBelow(directory: string): readonly string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${directory}/`))
    .reverse();
}

async function removeNamespaces(name: string): Promise<void> {
  const all = (await run(['ip', 'netns', 'list'])).split('\n').map((line) => line.split(' ')[0]);
  const own = all.filter((namespace) => namespace?.startsWith(`${name}-`) === true);
  for (const namespace of own) await run(['ip', 'netns', 'delete', namespace ?? '']);
  const others = all.some((namespace) => namespace?.startsWith(PREFIX) && !own.includes(namespace));
  if (!others && own.length > 0) await tryRun(['ip', 'route', 'del', 'unreachable', HOSTS_NETWORK]);
}
