// Reads the small files of /proc, /sys and /etc. Never throws: a file that is not there is
// undefined.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostRoots } from './check.js';

/** These files are made in memory or are a few lines: larger ones are not what they should be. */
const MAX_BYTES = 1 << 20;

/** Text of a file, or undefined when it cannot be read. */
export function readText(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    return text.length > MAX_BYTES ? text.slice(0, MAX_BYTES) : text;
  } catch {
    return undefined;
  }
}

export interface MemoryReading {
  readonly totalBytes: number;
  readonly availableBytes: number;
  readonly swapTotalBytes: number;
  readonly swapFreeBytes: number;
}

/** /proc/meminfo; undefined when it has no MemTotal. */
export function readMemory(roots: HostRoots): MemoryReading | undefined {
  const text = readText(join(roots.proc, 'meminfo')) ?? '';
  const bytesOf = (key: string): number | undefined => {
    const found = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text);
    return found === null ? undefined : Number(found[1]) * 1024;
  };
  const totalBytes = bytesOf('MemTotal');
  if (totalBytes === undefined) return undefined;
  return {
    totalBytes,
    availableBytes: bytesOf('MemAvailable') ?? bytesOf('MemFree') ?? 0,
    swapTotalBytes: bytesOf('SwapTotal') ?? 0,
    swapFreeBytes: bytesOf('SwapFree') ?? 0,
  };
}

/** vm.dirty_ratio → <proc>/sys/vm/dirty_ratio. */
export function sysctlPath(roots: HostRoots, key: string): string {
  return join(roots.proc, 'sys', ...key.split('.'));
}

/** The kernel's value now, trimmed; undefined when there is none. */
export function readSysctl(roots: HostRoots, key: string): string | undefined {
  return readText(sysctlPath(roots, key))?.trim();
}
