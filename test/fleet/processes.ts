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

/** Pulls the plug: SIGKILL to every process that runs from the directory. */
export async function killProcessesOn(storage: string): Promise<number> {
  const pids = await processesOn(storage);
  for (const pid of pids)
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // it was gone already
    }
  return pids.length;
}
