// A promotion that was ordered and that nobody has seen the end of. Pure. Whoever was asked may lead in the very term
// that a failover would begin, without the controller knowing (I1).
import type { Snapshot } from '../snapshot.js';
import { livingOf, type MemberAt, type ServiceAt } from './gather.js';
import { evidence, renderDuration, type Objection } from './words.js';

/** `to`: the one that the operator names to lead; that it may lead already is then no harm. */
export function objectToOpenPromotion(
  snapshot: Snapshot,
  service: ServiceAt,
  to: string | undefined,
): readonly Objection[] {
  return livingOf(service).flatMap((member) => {
    if (member.isLeader || member.name === to) return [];
    const orders = Object.values(snapshot.requests).filter(
      ({ request, outcome }) =>
        request.kind === 'promote' &&
        request.member === member.name &&
        request.term > service.topology.term &&
        outcome?.state !== 'refused',
    );
    const newest = Math.max(...orders.map(({ createdAt }) => createdAt));
    const isEnded = orders.every(({ request, outcome }) =>
      outcome === undefined ? request.expiresAt < snapshot.now : outcome.state !== 'running',
    );
    if (orders.length === 0 || (isEnded && isSeenNotToLead(member, newest))) return [];
    return [objection(snapshot, member, newest)];
  });
}

function isSeenNotToLead({ isFresh, fact, receivedAt = 0 }: MemberAt, since: number): boolean {
  if (!isFresh || fact === undefined || receivedAt <= since) return false;
  return (
    ['exited', 'created', 'absent'].includes(fact.container.state) || fact.engine.active === false
  );
}

function objection(snapshot: Snapshot, member: MemberAt, at: number): Objection {
  return {
    code: 'promotion-open',
    subject: member.name,
    message: `${member.name} was asked to take over ${renderDuration(Math.max(0, snapshot.now - at))} ago, and nobody has seen since that it does not lead (I1)`,
    unblock: `bring host ${member.host} into sight; or let that very member lead: --to ${member.name}`,
    evidence: [
      evidence('agent', member.hostState?.connected === true ? 'connected' : 'not connected', {
        wanted: 'connected',
        seenAt: member.hostState?.lastSeenAt,
      }),
      evidence('leads', member.fact?.engine.active, { wanted: 'false', seenAt: member.receivedAt }),
    ],
  };
}
