// The fdatasync histogram of each volume: each new probe adds its 99th percentile, the figure that commits wait
// for. Bounded by the hosts and volumes of the last snapshot.
import type { HostFact } from '@leafward/shared/gen/domain.js';
import { headOf, labelText, lineOf } from './family.js';

/** Seconds: from an NVMe disk (0.1 ms) over the guide's 20 ms to a disk that is failing. */
export const PROBE_BUCKETS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1,
];
const NAME = 'leafward_volume_fdatasync_seconds';
const HELP = 'fdatasync latency of the volume: the 99th percentile of each probe.';
const MOST_VOLUMES = 64; // per host, as for the volumes' gauges

interface Histogram {
  readonly labels: string;
  /** One a bucket, not cumulated; the last one is +Inf. */
  readonly counts: number[];
  sum: number;
  probedAt: number;
}

export interface ProbeHistograms {
  observe(host: string, fact: HostFact): void;
  /** Hosts that are no more lose their series. */
  keepOnly(hosts: ReadonlySet<string>): void;
  head(): string;
  /** The lines of one host. */
  linesOf(host: string): string;
}

export function createProbeHistograms(): ProbeHistograms {
  const byHost = new Map<string, Map<string, Histogram>>();
  return {
    observe(host, fact) {
      const known = byHost.get(host) ?? new Map<string, Histogram>();
      byHost.set(host, known);
      const volumes = fact.volumes.slice(0, MOST_VOLUMES);
      const paths = new Set(volumes.map(({ path }) => path));
      for (const path of known.keys()) if (!paths.has(path)) known.delete(path);
      for (const { path, probedAt, fdatasyncP99Ms } of volumes) {
        if (probedAt === undefined || fdatasyncP99Ms === undefined) continue;
        const histogram = known.get(path) ?? emptyHistogram(host, path);
        known.set(path, histogram);
        if (probedAt > histogram.probedAt) add(histogram, probedAt, fdatasyncP99Ms / 1000);
      }
    },
    keepOnly(hosts) {
      for (const host of byHost.keys()) if (!hosts.has(host)) byHost.delete(host);
    },
    head: () => headOf(NAME, HELP, 'histogram'),
    linesOf: (host) => [...(byHost.get(host)?.values() ?? [])].map(renderHistogram).join(''),
  };
}

function emptyHistogram(host: string, volume: string): Histogram {
  return {
    labels: labelText({ host, volume }),
    counts: PROBE_BUCKETS.map(() => 0).concat(0),
    sum: 0,
    probedAt: 0,
  };
}

function add(histogram: Histogram, probedAt: number, value: number): void {
  const at = PROBE_BUCKETS.findIndex((limit) => value <= limit);
  const bucket = at === -1 ? PROBE_BUCKETS.length : at;
  histogram.counts[bucket] = (histogram.counts[bucket] ?? 0) + 1;
  histogram.sum += value;
  histogram.probedAt = probedAt;
}

function renderHistogram({ labels, counts, sum }: Histogram): string {
  let total = 0;
  const buckets = counts.map((count, i) => {
    total += count;
    const limit = PROBE_BUCKETS[i];
    return lineOf(`${NAME}_bucket`, `${labels},le="${limit ?? '+Inf'}"`, total);
  });
  return (
    buckets.join('') + lineOf(`${NAME}_sum`, labels, sum) + lineOf(`${NAME}_count`, labels, total)
  );
}
