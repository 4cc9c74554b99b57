// How long writes wait and how busy a disk is, by the kernel's counters. Pure but for the read.
import { basename, join } from 'node:path';
import type { HostRoots } from './check.js';
import { readText } from './kernel-files.js';

/** Counters since boot of one device; all only grow (and wrap). */
export interface DiskCounters {
  readonly writes: number;
  readonly writingMs: number;
  /** Milliseconds with at least one request in flight. */
  readonly busyMs: number;
}

/** By major:minor and by name. Source: kernel Documentation/admin-guide/iostats.rst. */
export function readDiskCounters(roots: HostRoots): ReadonlyMap<string, DiskCounters> {
  const counters = new Map<string, DiskCounters>();
  for (const line of (readText(join(roots.proc, 'diskstats')) ?? '').split('\n')) {
    const fields = line.trim().split(/\s+/);
    const [major, minor, name] = fields;
    if (major === undefined || minor === undefined || name === undefined) continue;
    const entry = {
      writes: Number(fields[7]),
      writingMs: Number(fields[10]),
      busyMs: Number(fields[12]),
    };
    if (!Object.values(entry).every(Number.isFinite)) continue;
    counters.set(`${major}:${minor}`, entry);
    counters.set(name, entry);
  }
  return counters;
}

/** A file system with an anonymous device number (btrfs) is found by its source's name. */
export function countersOf(
  counters: ReadonlyMap<string, DiskCounters>,
  volume: { readonly device: string; readonly source: string },
): DiskCounters | undefined {
  return counters.get(volume.device) ?? counters.get(basename(volume.source));
}

export interface DiskActivity {
  /** Mean time of a write in the interval, queueing included; undefined when there was none. */
  readonly writeAwaitMs: number | undefined;
  /** Share of the interval in which the device had work, 0 to 1. */
  readonly busy: number;
}

/**
 * What happened between two readings; undefined when the counters went back (wrapped, or another
 * device).
 */
export function activityBetween(
  before: DiskCounters,
  after: DiskCounters,
  elapsedMs: number,
): DiskActivity | undefined {
  const writes = after.writes - before.writes;
  const writingMs = after.writingMs - before.writingMs;
  const busyMs = after.busyMs - before.busyMs;
  if (writes < 0 || writingMs < 0 || busyMs < 0 || elapsedMs <= 0) return undefined;
  return {
    writeAwaitMs: writes === 0 ? undefined : writingMs / writes,
    busy: Math.min(1, busyMs / elapsedMs),
  };
}
