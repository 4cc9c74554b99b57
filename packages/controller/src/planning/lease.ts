// What is known of the lease of a leader whose host is silent: whether its own host stops it, and for how long it may
// still lead. By the controller's monotonic clock. Pure.
import type { HostIntent } from '@leafward/shared/gen/domain.js';
import { leaseOf, untilFenced } from '@leafward/shared/lease.js';
import type { HostLeases, Snapshot } from '../snapshot.js';
import type { MemberAt, ServiceAt } from './gather.js';

/** The leaders that an agent which has this order stops by itself when it hears no controller. */
export function leasesOf(order: HostIntent): HostLeases {
  const known = leases.get(order);
  if (known !== undefined) return known;
  const members = order.members
    .filter(({ role, mirrored, run, isolation }) => {
      return role === 'leader' && mirrored && run === 'running' && isolation.onIsolation === 'stop';
    })
    .map(({ member, term, isolation, spec }) => {
      const untilFencedMs = untilFenced(leaseOf(isolation, spec.stopGraceMs));
      return [member, { term, untilFencedMs }] as const;
    });
  const made = { generation: order.generation, members: Object.fromEntries(members) };
  leases.set(order, made);
  return made;
}
/** An order that stays is the same object at every report. */
const leases = new WeakMap<HostIntent, HostLeases>();

/**
 * What is certain once a newer order was committed: its agent may have it already, and not have said so. A lease is as
 * long as the longer of both; what the newer one lets run alone is bound by nothing; what it stops is stopped sooner.
 */
export function leasesAfter(told: HostLeases, order: HostIntent): HostLeases {
  const newer = leasesOf(order).members;
  const members = Object.entries(told.members).flatMap(([name, lease]) => {
    const runs = order.members.some(({ member, run }) => member === name && run === 'running');
    const other = newer[name];
    if (!runs) return [[name, lease] as const];
    if (other?.term !== lease.term) return [];
    const untilFencedMs = Math.max(lease.untilFencedMs, other.untilFencedMs);
    return [[name, { ...lease, untilFencedMs }] as const];
  });
  return { generation: told.generation, members: Object.fromEntries(members) };
}

/**
 * How long after a controller's last answer its own host has stopped the leader for certain; undefined when nothing
 * does: it is to be kept, or its agent never said that it has the order which says so. What was ordered of that host
 * since, and did not reach it, changes nothing.
 */
export function untilFencedOf({ topology }: ServiceAt, leader: MemberAt): number | undefined {
  const { leases: told, acceptedGeneration } = leader.hostState ?? {};
  const lease = told?.generation === acceptedGeneration ? told?.members[leader.name] : undefined;
  return lease?.term === topology.term ? lease.untilFencedMs : undefined;
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
