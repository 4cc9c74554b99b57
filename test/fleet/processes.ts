// Who runs from a storage directory, as the kernel sees it: independent of everything that Leafward says.
import { readdir, readFile } from 'node:fs/promises';

const CELL = /\/cell-[\d.]+\.cjs$/;

/** Ids of cells that run from this directory. Others may name it too: an agent's disk probe does. */
export async function processesOn(storage: string): Promise<readonly number[]> {
  const pids: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const commandLine = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    const isZombie = / Z /.test(stat.slice(stat.lastIndexOf(')')));
    const words = commandLine.split('\0');
    const isCell = words.includes(storage) && words.some((word) => CELL.test(word));
    if (!isZombie && isCell) pids.push(Number(name));
  }
  return pids;
}

/** Kills whatever names a path below the directory, until nothing does: members, their shells, probes. */
export async function killProcessesBelow(directory: string): Promise<void> {
  for (let round = 0; round < 50; round += 1) {
    const pids = await processesBelow(directory);
    if (pids.length === 0) return;
    pids.forEach(kill);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function processesBelow(directory: string): Promise<readonly number[]> {
  const pids: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const commandLine = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    if (commandLine.split('\0').some((word) => word.startsWith(`${directory}/`)))
      pids.push(Number(name));
  }
  return pids;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it was gone already
  }
}

/** Pulls the plug: SIGKILL to every process that runs from the directory. */
export async function killProcessesOn(storage: string): Promise<number> {
  const pids = await processesOn(storage);
  pids.forEach(kill);
  return pids.length;
}
