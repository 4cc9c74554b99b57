// Control groups of a rig: one tree per hierarchy (version 1 with `systemd` and `unified`, or version 2 alone).
// Everything that runs in them is the rig's own, so that they also tell what is left to end.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from './conditions.js';
import { killProcess, startTicks } from './processes.js';

const ROOT = '/sys/fs/cgroup';

/** Controllers whose mount inside a host must be made writable after its boot; none with version 2. */
export function controllers(): readonly string[] {
  if (existsSync(join(ROOT, 'cgroup.controllers'))) return [];
  return readdirSync(ROOT).filter(
    (name) => existsSync(join(ROOT, name, 'tasks')) && name !== 'systemd',
  );
}

function hierarchies(): readonly string[] {
  if (existsSync(join(ROOT, 'cgroup.controllers'))) return [ROOT];
  return readdirSync(ROOT)
    .map((name) => join(ROOT, name))
    .filter((path) => statSync(path).isDirectory() && existsSync(join(path, 'cgroup.procs')));
}

/** Makes the group everywhere; returns the files to which a process writes its id to join it. */
export async function makeGroup(name: string): Promise<readonly string[]> {
  const files: string[] = [];
  for (const root of hierarchies()) {
    const path = join(root, name);
    await mkdir(path, { recursive: true });
    // A new cpuset group is empty, and nothing can join it until it has processors and memory.
    if (root.endsWith('/cpuset'))
      for (const file of ['cpuset.cpus', 'cpuset.mems'])
        await writeFile(join(path, file), readFileSync(join(root, file), 'utf8'));
    files.push(join(path, 'cgroup.procs'));
  }
  return files;
}

/** Groups at the top level, in every hierarchy. */
function groupsOf(isWanted: (name: string) => boolean): readonly string[] {
  return hierarchies().flatMap((root) =>
    readdirSync(root)
      .filter(isWanted)
      .map((name) => join(root, name)),
  );
}

/** Kills everything in the top-level groups of these names and takes them away. */
export async function removeGroups(isWanted: (name: string) => boolean): Promise<void> {
  await eventually(
    'nothing runs in the control groups',
    async () => {
      const pids = new Set(groupsOf(isWanted).flatMap(treeOf).flatMap(processesIn));
      await Promise.all([...pids].map((pid) => killProcess(pid, startTicks(pid) ?? -1)));
      return pids.size === 0;
    },
    { everyMs: 20 },
  );
  await eventually('the control groups are removed', async () => {
    for (const path of groupsOf(isWanted).flatMap(treeOf)) await rmdir(path).catch(() => undefined);
    return groupsOf(isWanted).length === 0;
  });
}

/** The group and all below, deepest first. */
function treeOf(path: string): readonly string[] {
  try {
    const below = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [...below.flatMap((entry) => treeOf(join(path, entry.name))), path];
  } catch {
    return []; // gone meanwhile
  }
}

function processesIn(path: string): readonly number[] {
  try {
    const text = readFileSync(join(path, 'cgroup.procs'), 'utf8');
    const pids = text.split('\n').filter((line) => line !== '' && line !== '0');
    return pids.map(Number).filter((pid) => startTicks(pid) !== undefined);
  } catch {
    return [];
  }
}
