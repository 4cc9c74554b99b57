// What is known of the lease of a leader whose host is silent: whether its own host stops it, and for how long it may
// still lead. By the controller's monotonic clock. Pure.
import { leaseOf, untilFenced } from '@leafward/shared/lease.js';
import type { Snapshot } from '../snapshot.js';
import type { MemberAt } from './gather.js';
import { hasTakenIntent } from './moves/move.js';

/**
 * How long after a controller's last answer its own host has stopped it for certain; undefined when nothing does: it
 * is to be kept, or its agent never said that it has the order which says so.
 */
export function untilFencedOf(member: MemberAt): number | undefined {
  const { intent } = member;
  const isBound =
    intent?.isolation.onIsolation === 'stop' &&
    intent.role === 'leader' &&
    intent.mirrored &&
    intent.run === 'running' &&
    hasTakenIntent(member) &&
    member.hostState?.acceptedGeneration !== undefined;
  return isBound ? untilFenced(leaseOf(intent.isolation, intent.spec.stopGraceMs)) : undefined;
}

/**
 * Milliseconds until the leader of a silent host is stopped for certain; 0: it is. Counts from this controller's last
 * answer to that host, and not from before an earlier controller can have given its last one. Infinity: not known.
 */
export function leaseLeftMs(snapshot: Snapshot, host: string, untilFencedMs: number): number {
  const { monotonicMs, aloneSinceMs } = snapshot;
  if (monotonicMs === undefined || aloneSinceMs === undefined) return Infinity;
  const since = Math.max(aloneSinceMs, snapshot.hosts[host]?.answeredAtMs ?? -Infinity);
  return Math.max(0, since + untilFencedMs - monotonicMs);
}
