// Who may take over from a dead leader, best first. Pure; the same order when a failover is planned (with what
// was known) and when it is carried out (with positions received after the fence).
import { divergenceOf } from './divergence.js';
import type { MemberAt, ServiceAt } from './gather.js';
import { livingOf, mayRun } from './gather.js';
import { isOlder } from './versions.js';

export interface Candidate {
  readonly member: MemberAt;
  readonly position: number;
}

/**
 * Living mirrors whose position is known and whose program answers. What shall stop has no say: it may be a stranger. Nor
 * has one whose log is known to be another one than its leader's, nor one that is ordered to begin again: its agent deletes
 * what it has as soon as the order arrives, whoever has given the reseed up meanwhile.
 */
export function candidatesOf(service: ServiceAt): readonly Candidate[] {
  return livingOf(service).flatMap((member) => {
    const engine = member.fact?.engine;
    const isThere = member.isFresh && engine?.answered === true && mayRun(member);
    if (member.isLeader || !isThere || engine.position === undefined) return [];
    if (divergenceOf(service, member) !== undefined || isToBeginAgain(member)) return [];
    return [{ member, position: engine.position }];
  });
}

/** Its reseed was ordered and is not done, whether or not anybody still waits for it. */
export const isToBeginAgain = ({ intent, fact }: MemberAt): boolean =>
  intent?.reseed !== undefined && intent.reseed.id !== fact?.storage.reseeded;

/**
 * The most advanced first: what it has not got is lost. Within `near` offsets of each other: one that is not
 * newer than the rest (I3), then a direct mirror, then by name.
 */
export function ranked(
  service: ServiceAt,
  candidates: readonly Candidate[],
  near = 0,
): readonly Candidate[] {
  const most = Math.max(...candidates.map((candidate) => candidate.position));
  const versionRank = ({ member }: Candidate): number =>
    candidates.filter((other) =>
      isOlder(other.member.fact?.engine.version, member.fact?.engine.version),
    ).length;
  const positionRank = ({ position }: Candidate): number =>
    most - position <= near ? 0 : most - position;
  return [...candidates].sort(
    (a, b) =>
      positionRank(a) - positionRank(b) ||
      versionRank(a) - versionRank(b) ||
      Number(isIndirect(service, a)) - Number(isIndirect(service, b)) ||
      a.member.name.localeCompare(b.member.name),
  );
}

export const isIndirect = (service: ServiceAt, { member }: Candidate): boolean =>
  member.upstream !== service.topology.leader;
