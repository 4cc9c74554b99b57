// The programs that run on this host, from /proc. Reads names and limits; never an environment.
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { HostRoots } from './check.js';
import { readText } from './kernel-files.js';

/**
 * A host with more processes than this is looked at in part; the checks only look for well-known
 * programs.
 */
const MAX_PROCESSES = 8192;

export interface ProcessEntry {
  readonly pid: number;
  /**
   * Name of its program: the base name of its first argument, else the kernel's 15 characters of
   * it.
   */
  readonly program: string;
}

export function listPids(roots: HostRoots): readonly number[] {
  try {
    return readdirSync(roots.proc)
      .filter((name) => /^\d+$/.test(name))
      .slice(0, MAX_PROCESSES)
      .map(Number);
  } catch {
    return [];
  }
}

export function listProcesses(roots: HostRoots): readonly ProcessEntry[] {
  return listPids(roots).flatMap((pid) => {
    const name = readText(join(roots.proc, String(pid), 'comm'))?.trim();
    if (name === undefined) return [];
    // The kernel cuts names at 15 characters; only then is the command line worth another read.
    const first =
      name.length < 15
        ? undefined
        : readText(join(roots.proc, String(pid), 'cmdline'))?.split('\0')[0];
    return [{ pid, program: first === undefined || first === '' ? name : basename(first) }];
  });
}
