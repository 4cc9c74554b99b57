// Rule: an fdatasync on a storage volume is fast. Judges what the disk watcher measured; measures
// nothing.
import type { Severity } from '@leafward/shared/gen/domain.js';
import type { Check, CheckResult, DiskLatency } from './check.js';
import { formatMs } from './figures.js';
import { storagesOf } from './volumes.js';

/**
 * etcd's advice for a log on disk: 99 % of its syncs under 10 ms. A good SSD stays under 2 ms at
 * the median.
 */
const WARN_P50_MS = 2;
const WARN_P99_MS = 10;
/**
 * One turn of a disk at 7,200 rpm is 8.3 ms: a median above it is a mechanical disk or a network in
 * between.
 */
const CRITICAL_P50_MS = 8;
const CRITICAL_P99_MS = 100;
/** From the kernel's own counters, queueing included, so more lenient. */
const WARN_AWAIT_MS = 50;
/** Below this a p99 is the slowest sample, which one hiccup makes. */
const MIN_SAMPLES = 50;

const WANTED = `p50 ≤ ${WARN_P50_MS} ms, p99 ≤ ${WARN_P99_MS} ms`;
const FIX =
  'move the storage to a local SSD or NVMe volume; find what else writes there (iostat -x 5, pidstat -d 5)';

export const diskLatency: Check = {
  id: 'disk-latency',
  why: 'Every committed write waits for one fdatasync: storage with low latency is critical to performance (deployment guide, “Preparing Hosts”; devops guide, “Performance Tuning”)',
  source: 'deployment guide, Preparing Hosts; etcd hardware advice (p99 of fdatasync under 10 ms)',
  fixable: false,
  run: async ({ members, latency, now }) =>
    [...storagesOf(members).keys()].map((path) => judge(path, latency.get(path), now)),
};

function judge(path: string, latency: DiskLatency | undefined, now: number): CheckResult {
  if (latency?.hungSince !== undefined) {
    return {
      subject: path,
      severity: 'critical',
      seen: `fdatasync has hung since ${new Date(latency.hungSince).toISOString()} (${formatMs(now - latency.hungSince)})`,
      wanted: WANTED,
      fix: 'look at dmesg, the volume and, if it is attached over a network, its server; services there stand still',
    };
  }
  if (latency === undefined || latency.samples === 0) return unmeasured(path, latency);
  const severity = severityOf(latency);
  return {
    subject: path,
    severity,
    seen: describe(latency),
    wanted: WANTED,
    fix: severity === 'ok' ? '' : FIX,
  };
}

/**
 * Never probed: the disk may be too full or too busy for a probe, and the kernel's counters may say
 * which.
 */
function unmeasured(path: string, latency: DiskLatency | undefined): CheckResult {
  const slow = (latency?.writeAwaitMs ?? 0) > WARN_AWAIT_MS;
  const passive =
    latency?.writeAwaitMs === undefined
      ? ''
      : `; writes wait ${formatMs(latency.writeAwaitMs)} by the kernel’s counters`;
  return {
    subject: path,
    severity: slow ? 'warning' : 'unknown',
    seen: `not probed yet${passive}`,
    wanted: WANTED,
    fix: slow
      ? FIX
      : 'wait for the first probe; a volume that is nearly full or too busy is not probed',
  };
}

function severityOf(latency: DiskLatency): Severity {
  const { p50Ms, p99Ms, samples, writeAwaitMs } = latency;
  const tail = samples >= MIN_SAMPLES ? p99Ms : 0;
  if (p50Ms > CRITICAL_P50_MS || tail > CRITICAL_P99_MS) return 'critical';
  if (p50Ms > WARN_P50_MS || tail > WARN_P99_MS) return 'warning';
  return (writeAwaitMs ?? 0) > WARN_AWAIT_MS ? 'warning' : 'ok';
}

function describe({ p50Ms, p99Ms, samples, writeAwaitMs }: DiskLatency): string {
  const passive = writeAwaitMs === undefined ? '' : `, writes wait ${formatMs(writeAwaitMs)}`;
  return `fdatasync p50 ${formatMs(p50Ms)}, p99 ${formatMs(p99Ms)} of ${samples} samples${passive}`;
}
