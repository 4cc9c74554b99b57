// Latency of every storage volume: the kernel's counters all the time, a small probe now and then.
// One child process at a time for a volume, none where the disk is busy, slow or nearly full.
import type { Clock } from '@leafward/shared/clock.js';
import { isAbort, messageOf } from '@leafward/shared/errors.js';
import type { Logger } from '@leafward/shared/log.js';
import { startLoop } from '@leafward/shared/loop.js';
import type { DiskLatency, HostRoots } from './check.js';
import { PROBE_LIMITS, startProbe, type Probe, type ProbeLimits } from './disk-probe.js';
import { activityBetween, countersOf, readDiskCounters, type DiskCounters } from './diskstats.js';
import { formatMs } from './figures.js';
import { createLatencySamples, type LatencySamples } from './latency-samples.js';
import { readVolume, type Volume } from './volumes.js';

export interface DiskWatcherOptions {
  readonly roots: HostRoots;
  readonly clock: Clock;
  readonly log: Logger;
  /** Storage paths that matter now. */
  readonly paths: () => readonly string[];
  /**
   * Time between two probes of a volume, milliseconds; the counters are read at least every 10 s.
   */
  readonly everyMs: number;
  readonly limits?: ProbeLimits;
  /** A sync that takes longer is reported as hanging while it lasts. Default 5 s. */
  readonly hangMs?: number;
  readonly startProbe?: (directory: string, limits: ProbeLimits) => Probe;
}

export interface DiskWatcher {
  /** By storage path; paths on one device share one measurement. */
  latency(): ReadonlyMap<string, DiskLatency>;
  /** Ends the loop; a child that hangs is left to the kernel. */
  stop(): Promise<void>;
}

/** Ten volleys: a p99 of a thousand samples is the tenth slowest. */
const KEPT_SAMPLES = 1280;
const PASSIVE_MS = 10_000;
/** What a path is on, and how full, is looked at less often than the counters: it costs most of a look. */
const FOLLOW_MS = 60_000;
const HANG_MS = 5000;
/** A child that has not begun by then was not started by a healthy machine. */
const START_MS = 30_000;
const MAX_VOLUMES = 64;
/** Busier than this, or slower, and a probe would be one more load and measure the queue. */
const MAX_BUSY = 0.8;
const MAX_AWAIT_MS = 100;
/** Nearly full: the last room is for the services. */
const MIN_FREE_FRACTION = 0.05;
const MIN_FREE_BYTES = 64 << 20;

/** What is known of one device. */
interface Track {
  volume: Volume;
  readonly samples: LatencySamples;
  counters?: { readonly at: number; readonly value: DiskCounters } | undefined;
  writeAwaitMs?: number | undefined;
  busy: number;
  probedAt: number;
  /** Monotonic; of the next probe. */
  dueAt: number;
  probe?: Probe | undefined;
  hungSince?: number | undefined;
}

export function startDiskWatcher(options: DiskWatcherOptions): DiskWatcher {
  const { clock, log } = options;
  const tracks = new Map<string, Track>();
  let devices: ReadonlyMap<string, string> = new Map();
  let followed: string | undefined;
  let followedAt = 0;
  const loop = startLoop({
    name: 'disk-watcher',
    clock,
    log,
    everyMs: Math.min(options.everyMs, PASSIVE_MS),
    deadlineMs: START_MS + PASSIVE_MS * 2,
    pass: async (signal) => {
      const wanted = [...new Set(options.paths())].join('\n');
      const isDue = clock.monotonic() - followedAt >= FOLLOW_MS || devices.size === 0;
      if (isDue || wanted !== followed) {
        devices = await followPaths(options, tracks, signal);
        // One that is not there yet is looked for at the next pass.
        followed = [...devices.keys()].join('\n');
        followedAt = clock.monotonic();
      }
      readPassively(options, tracks);
      for (const [device, track] of tracks) {
        if (signal.aborted) break;
        await probeIfDue(options, device, track, signal);
      }
      return undefined;
    },
  });
  return {
    latency: () => {
      const found = new Map<string, DiskLatency>();
      for (const [path, device] of devices) {
        const track = tracks.get(device);
        if (track !== undefined) found.set(path, toLatency(track));
      }
      return found;
    },
    stop: async () => {
      for (const { probe } of tracks.values()) probe?.kill();
      await loop.stop();
    },
  };
}

/** Device of each path; tracks of devices that no path is on any more are forgotten. */
async function followPaths(
  { paths, roots, log, clock }: DiskWatcherOptions,
  tracks: Map<string, Track>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const devices = new Map<string, string>();
  for (const path of [...new Set(paths())].slice(0, MAX_VOLUMES)) {
    try {
      const volume = await readVolume(roots, path, signal);
      if (!volume.exists) continue;
      devices.set(path, volume.device);
      const track = tracks.get(volume.device);
      if (track !== undefined) track.volume = volume;
      else tracks.set(volume.device, newTrack(volume, clock.monotonic()));
    } catch (error) {
      if (isAbort(error)) throw error;
      log.debug({ path }, `latency of ${path} is not measured: ${messageOf(error)}`);
    }
  }
  const used = new Set(devices.values());
  for (const [device, track] of tracks)
    if (!used.has(device) && track.probe === undefined) tracks.delete(device);
  return devices;
}

function newTrack(volume: Volume, dueAt: number): Track {
  return { volume, samples: createLatencySamples(KEPT_SAMPLES), busy: 0, probedAt: 0, dueAt };
}

function readPassively({ roots, clock }: DiskWatcherOptions, tracks: Map<string, Track>): void {
  const counters = readDiskCounters(roots);
  const at = clock.monotonic();
  for (const track of tracks.values()) {
    const value = countersOf(counters, track.volume);
    const before = track.counters;
    track.counters = value === undefined ? undefined : { at, value };
    if (value === undefined || before === undefined) continue;
    const activity = activityBetween(before.value, value, at - before.at);
    track.busy = activity?.busy ?? 0;
    // An interval without a write says nothing new; the last one that had some stands.
    track.writeAwaitMs = activity?.writeAwaitMs ?? track.writeAwaitMs;
  }
}

async function probeIfDue(
  options: DiskWatcherOptions,
  device: string,
  track: Track,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, everyMs } = options;
  if (track.probe !== undefined || clock.monotonic() < track.dueAt) return;
  track.dueAt = clock.monotonic() + everyMs;
  const reason = reasonAgainst(track);
  if (reason !== undefined) {
    log.debug({ device }, `no probe of ${track.volume.path}: ${reason}`);
    return;
  }
  await runProbe(options, track, signal);
}

function reasonAgainst({ volume, busy, writeAwaitMs }: Track): string | undefined {
  if (volume.freeBytes < Math.max(MIN_FREE_BYTES, volume.totalBytes * MIN_FREE_FRACTION))
    return 'it is nearly full';
  if (busy > MAX_BUSY) return `it is ${Math.round(busy * 100)} % busy`;
  if (busy > 0 && (writeAwaitMs ?? 0) > MAX_AWAIT_MS)
    return `writes wait ${formatMs(writeAwaitMs ?? 0)} already`;
  return undefined;
}

/**
 * Returns when the volley is over or known to hang; a hanging one is settled whenever it comes
 * back.
 */
async function runProbe(
  options: DiskWatcherOptions,
  track: Track,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = options;
  const limits = options.limits ?? PROBE_LIMITS;
  const probe = (options.startProbe ?? startProbe)(track.volume.realPath, limits);
  track.probe = probe;
  const path = track.volume.path;
  const over = probe.result
    .then(
      ({ samplesMs }) => {
        track.samples.add(samplesMs);
        track.probedAt = clock.now();
      },
      (error: unknown) => {
        if (!isAbort(error)) log.warn({ path }, messageOf(error));
      },
    )
    .finally(() => {
      if (track.hungSince !== undefined) log.warn({ path }, `fdatasync on ${path} came back`);
      track.hungSince = undefined;
      track.probe = undefined;
    });
  if ((await firstOf(clock, probe.begun, START_MS, signal)) === 'late') {
    if (!signal.aborted) log.warn({ path }, `the probe of ${path} did not begin in ${START_MS} ms`);
    return probe.kill();
  }
  const begunAt = clock.now();
  const patienceMs = limits.budgetMs + (options.hangMs ?? HANG_MS);
  if ((await firstOf(clock, over, patienceMs, signal)) === 'done') return;
  if (signal.aborted || track.probe === undefined) return;
  track.hungSince = begunAt;
  log.error({ path }, `fdatasync on ${path} has hung since ${new Date(begunAt).toISOString()}`);
}

async function firstOf(
  clock: Clock,
  work: Promise<void>,
  ms: number,
  signal: AbortSignal,
): Promise<'done' | 'late'> {
  const timer = new AbortController();
  const done = work.then(() => 'done' as const);
  const either = AbortSignal.any([signal, timer.signal]);
  const late = clock.sleep(ms, either).then(
    () => 'late' as const,
    () => 'late' as const,
  );
  try {
    return await Promise.race([done, late]);
  } finally {
    timer.abort();
  }
}

function toLatency({ samples, probedAt, writeAwaitMs, hungSince }: Track): DiskLatency {
  return {
    p50Ms: samples.quantile(0.5),
    p99Ms: samples.quantile(0.99),
    samples: samples.count(),
    probedAt,
    writeAwaitMs,
    hungSince,
  };
}
