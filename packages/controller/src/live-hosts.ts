// What the agents said since this controller started, plus what was remembered from before. Memory only; the
// store gets a copy now and then (fleet.ts).
import type { Finding, HostFact, MemberFact, Report } from '@leafward/shared/gen/domain.js';
import type { Received } from './snapshot.js';

export interface LiveHost {
  readonly name: string;
  /** Undefined: no stream is open. */
  readonly session?: number | undefined;
  readonly lastSeenAt?: number | undefined;
  readonly clockOffsetMs?: number | undefined;
  readonly acceptedGeneration?: number | undefined;
  readonly fact?: HostFact | undefined;
  readonly members: Readonly<Record<string, Received<MemberFact>>>;
  readonly findings: readonly Finding[];
  readonly refusedOrders: number;
}

export const unknownHost = (name: string): LiveHost => ({
  name,
  members: {},
  findings: [],
  refusedOrders: 0,
});

/** The host as it is after a report that arrived at `receivedAt` (controller's clock). */
export function afterReport(host: LiveHost, report: Report, receivedAt: number): LiveHost {
  const members: Record<string, Received<MemberFact>> = {};
  for (const fact of report.members) {
    // Both times are of the agent's clock, so their difference is the age that the fact had when it was sent.
    const ageMs = Math.max(0, report.sentAt - fact.seenAt);
    members[fact.member] = { value: fact, receivedAt: receivedAt - ageMs };
  }
  return {
    ...host,
    lastSeenAt: receivedAt,
    clockOffsetMs: report.sentAt - receivedAt,
    acceptedGeneration: report.generation,
    fact: report.host ?? host.fact,
    members,
    findings: report.findings?.findings ?? host.findings,
    refusedOrders: report.refusedOrders,
  };
}
