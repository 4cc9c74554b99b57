// What is measured of a host's volumes at one moment, small enough to be kept for a year, and what a row of such
// moments says of growth: of each storage's data, of the backups kept, and of everything else on a volume. Pure.
import type { HostGrowth, HostState, Snapshot } from '../snapshot.js';
import { volumesOf } from './forecast-volumes.js';
import { DAY_MS, runsOf, trendOf, type Point, type Trend } from './forecast-trend.js';

export interface SpaceSample {
  readonly at: number;
  /** By storage: its bytes without the backups that are kept in it. */
  readonly data: Readonly<Record<string, number>>;
  /** By service and volume (`keptKey`): what its kept backups take there. */
  readonly backups: Readonly<Record<string, number>>;
  /** By volume: what is used by others, and the volume's size. Left out while a storage on it is not measured. */
  readonly others: Readonly<Record<string, readonly [usedBytes: number, totalBytes: number]>>;
}

/** Older ones are of another time of the service. */
const WINDOW_MS = 90 * DAY_MS;
/** A storage that has lost more than this share at once was emptied, optimised or restored. */
const DROP_SHARE = 0.05;
/** One that has gained more was filled. */
const RISE_SHARE = 0.25;
/** Of a volume: logs turn over, and data is not measured at the very moment that free space is. */
const OTHERS_SHARE = 0.05;

/** Undefined: nothing is known of its volumes. */
export function sampleOf(snapshot: Snapshot, host: HostState, at: number): SpaceSample | undefined {
  const volumes = volumesOf(snapshot, host);
  if (volumes.length === 0) return undefined;
  const data: Record<string, number> = {};
  const backups: Record<string, number> = {};
  const others: Record<string, readonly [number, number]> = {};
  for (const volume of volumes) {
    for (const { storage, dataBytes } of volume.rooms)
      if (dataBytes !== undefined) data[storage] = dataBytes;
    for (const { key, bytes } of volume.kept) backups[key] = bytes;
    const known = [
      ...volume.rooms.map(({ dataBytes }) => dataBytes),
      ...volume.kept.map(({ bytes }) => bytes),
    ];
    if (known.some((bytes) => bytes === undefined)) continue;
    const used = volume.totalBytes - volume.freeBytes;
    const own = known.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0);
    others[volume.name] = [Math.max(0, used - own), volume.totalBytes];
  }
  return { at, data, backups, others };
}

/** Any order of samples. Undefined: there are none. */
export function growthOf(samples: readonly SpaceSample[]): HostGrowth | undefined {
  if (samples.length === 0) return undefined;
  const sampledAt = samples.reduce((newest, { at }) => Math.max(newest, at), -Infinity);
  const recent = samples.filter(({ at }) => at >= sampledAt - WINDOW_MS);
  return {
    sampledAt,
    data: trends(recent, ({ data }) => data, isRefilled),
    backups: trends(recent, ({ backups }) => backups, isPruned),
    others: othersTrends(recent),
  };
}

const isRefilled = (before: Point, after: Point): boolean =>
  after.bytes < before.bytes * (1 - DROP_SHARE) || after.bytes > before.bytes * (1 + RISE_SHARE);

/** Their sizes are exact: less means that one of them is gone. */
const isPruned = (before: Point, after: Point): boolean => after.bytes < before.bytes;

function trends(
  samples: readonly SpaceSample[],
  of: (sample: SpaceSample) => Readonly<Record<string, number>>,
  beginsAnew: (before: Point, after: Point) => boolean,
): Readonly<Record<string, Trend>> {
  return trendsBy(
    samples,
    (sample) => Object.entries(of(sample)).map(([key, bytes]) => [key, { at: sample.at, bytes }]),
    beginsAnew,
  );
}

interface OthersPoint extends Point {
  readonly totalBytes: number;
}

/** A volume that was made larger or smaller begins anew; so does one on which somebody put or deleted a lot. */
function othersTrends(samples: readonly SpaceSample[]): Readonly<Record<string, Trend>> {
  return trendsBy<OthersPoint>(
    samples,
    ({ at, others }) =>
      Object.entries(others).map(([key, [bytes, totalBytes]]) => [key, { at, bytes, totalBytes }]),
    (before, after) =>
      before.totalBytes !== after.totalBytes ||
      Math.abs(after.bytes - before.bytes) > after.totalBytes * OTHERS_SHARE,
  );
}

function trendsBy<T extends Point>(
  samples: readonly SpaceSample[],
  pointsOf: (sample: SpaceSample) => readonly (readonly [string, T])[],
  beginsAnew: (before: T, after: T) => boolean,
): Readonly<Record<string, Trend>> {
  const series = new Map<string, T[]>();
  for (const sample of samples)
    for (const [key, point] of pointsOf(sample)) {
      const points = series.get(key) ?? [];
      points.push(point);
      series.set(key, points);
    }
  const found: Record<string, Trend> = {};
  for (const [key, points] of series) {
    const trend = trendOf(runsOf(points, beginsAnew));
    if (trend !== undefined) found[key] = trend;
  }
  return found;
}
