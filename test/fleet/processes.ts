// Who runs from a storage directory, as the kernel sees it: independent of everything that Leafward says.
import { readdir, readFile } from 'node:fs/promises';

/** Process ids whose command line names this directory; the asker itself is left out. */
export async function processesOn(storage: string): Promise<readonly number[]> {
  const pids: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const commandLine = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    const isZombie = / Z /.test(stat.slice(stat.lastIndexOf(')')));
    if (!isZombie && commandLine.split('\0').includes(storage)) pids.push(Number(name));
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
