// What a host is and how it is doing, for each report: a few files of /proc and a statfs per
// volume. Starts no child process and costs less than a millisecond; what is slow to learn is
// learned once, at the start.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { DeadmanFact, HostFact, VolumeFact } from '@leafward/shared/gen/domain.js';
import type { DiskLatency, HostRoots } from './checks/check.js';
import { readMemory, readText } from './checks/kernel-files.js';
import { within } from './checks/single-flight.js';
import { readVolume } from './checks/volumes.js';

/** Texts for people; they do not change while the agent runs. */
export interface HostInventory {
  readonly os: string;
  readonly kernel: string;
}

export interface HostFactOptions {
  readonly roots: HostRoots;
  readonly now: number;
  readonly agentVersion: string;
  readonly agentStartedAt: number;
  /** 99th percentile of the event loop's delay since the last report, milliseconds. */
  readonly loopDelayP99Ms: number;
  /** Of storages and of backups; several on one volume give one entry each. */
  readonly paths: readonly string[];
  readonly latency: ReadonlyMap<string, DiskLatency>;
  readonly inventory: HostInventory;
  readonly deadman?: DeadmanFact | undefined;
}

/** Clock ticks of /proc/self/stat: USER_HZ is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
/** A volume that does not say its size by then is left out of this report. */
const VOLUME_DEADLINE_MS = 500;
const MAX_VOLUMES = 64;
const INVENTORY_DEADLINE_MS = 5000;

/** Never throws: what cannot be read is 0 or empty, a volume that hangs or is gone is left out. */
export async function observeHost(options: HostFactOptions): Promise<HostFact> {
  const { roots } = options;
  const memory = readMemory(roots);
  return {
    seenAt: options.now,
    bootId: readText(join(roots.proc, 'sys/kernel/random/boot_id'))?.trim() ?? '',
    agentVersion: options.agentVersion,
    agentStartedAt: options.agentStartedAt,
    memoryTotalBytes: memory?.totalBytes ?? 0,
    memoryAvailableBytes: memory?.availableBytes ?? 0,
    load1: Number.parseFloat(readText(join(roots.proc, 'loadavg')) ?? '0') || 0,
    cpus: availableParallelism(),
    agentRssBytes: process.memoryUsage.rss(),
    agentCpuSeconds: readCpuSeconds(roots),
    loopDelayP99Ms: options.loopDelayP99Ms,
    volumes: await observeVolumes(options),
    os: options.inventory.os,
    kernel: options.inventory.kernel,
    deadman: options.deadman,
  };
}

async function observeVolumes(options: HostFactOptions): Promise<readonly VolumeFact[]> {
  const paths = [...new Set(options.paths)].slice(0, MAX_VOLUMES);
  const found = await Promise.all(paths.map((path) => observeVolume(path, options)));
  return found.filter((volume) => volume !== undefined);
}

async function observeVolume(
  path: string,
  { roots, latency }: HostFactOptions,
): Promise<VolumeFact | undefined> {
  try {
    const limit = { what: `volume of ${path}`, deadlineMs: VOLUME_DEADLINE_MS };
    const volume = await within(readVolume(roots, path), limit);
    const measured = latency.get(path);
    const probed = measured !== undefined && measured.samples > 0 ? measured : undefined;
    return {
      path,
      device: volume.source,
      fileSystem: volume.fileSystem,
      totalBytes: volume.totalBytes,
      freeBytes: volume.freeBytes,
      fdatasyncP50Ms: probed?.p50Ms,
      fdatasyncP99Ms: probed?.p99Ms,
      probedAt: probed?.probedAt,
      writeAwaitMs: measured?.writeAwaitMs,
      hungSince: measured?.hungSince,
    };
  } catch {
    return undefined;
  }
}

/**
 * User and system time of the agent and of the children that it has waited for (proc_pid_stat(5)).
 */
function readCpuSeconds(roots: HostRoots): number {
  const text = readText(join(roots.proc, 'self/stat')) ?? '';
  // The program's name is in brackets and may hold spaces: fields are counted from behind it.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  if (ticks > 0) return ticks / TICKS_PER_SECOND;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/**
 * Names of the operating system and kernel. Asks systeminformation, which starts children, so once
 * at the start; without its answer the files that it would read. Never throws.
 */
export async function readInventory(roots: HostRoots): Promise<HostInventory> {
  const kernel = readText(join(roots.proc, 'sys/kernel/osrelease'))?.trim() ?? '';
  try {
    const { osInfo } = await import('systeminformation');
    const limit = { what: 'osInfo', deadlineMs: INVENTORY_DEADLINE_MS };
    const found = await within(osInfo(), limit);
    const os = [found.distro, found.release, found.arch].filter((part) => part !== '').join(' ');
    return { os, kernel: kernel === '' ? found.kernel : kernel };
  } catch {
    const release = readText(join(roots.etc, 'os-release')) ?? '';
    const os = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(release)?.[1] ?? 'Linux';
    return { os, kernel };
  }
}
