// What the agents said since this controller started, plus what was remembered from before. Memory only; the
// store gets a copy now and then (fleet.ts).
import type {
  CellCertificate,
  Finding,
  HostFact,
  MemberFact,
  Report,
} from '@leafward/shared/gen/domain.js';
import type { HostGrowth, HostLeases, HostSchedule, Received } from './snapshot.js';

export interface LiveHost {
  readonly name: string;
  /** Undefined: no stream is open, or nothing was reported on it yet. */
  readonly session?: number | undefined;
  readonly lastSeenAt?: number | undefined;
  readonly clockOffsetMs?: number | undefined;
  /** The last answer to it, monotonic: a leader's lease cannot have been renewed later. Of this process only. */
  readonly answeredAtMs?: number | undefined;
  /** Of the newest order that its agent said it has while it was the newest. */
  readonly leases?: HostLeases | undefined;
  readonly acceptedGeneration?: number | undefined;
  /** Why its agent refused the newest order; undefined: it did not. */
  readonly refusedIntent?: string | undefined;
  readonly fact?: HostFact | undefined;
  readonly members: Readonly<Record<string, Received<MemberFact>>>;
  readonly findings: readonly Finding[];
  /** Of its members' own; they come with the findings. */
  readonly certificates?: readonly CellCertificate[] | undefined;
  readonly refusedOrders: number;
  /** By the samples that the store has; undefined until they were read. */
  readonly growth?: HostGrowth | undefined;
  readonly schedule?: HostSchedule | undefined;
}

export const unknownHost = (name: string): LiveHost => ({
  name,
  members: {},
  findings: [],
  refusedOrders: 0,
});

/**
 * The host as it is after a report that arrived at `receivedAt` (controller's clock). Most of a report is what the
 * last one said: that is kept from the last one, so that of a thousand hosts' reports little lives longer than the
 * moment and the heap stays small.
 */
export function afterReport(host: LiveHost, report: Report, receivedAt: number): LiveHost {
  const members: Record<string, Received<MemberFact>> = {};
  for (const fact of report.members) {
    // Both times are of the agent's clock, so their difference is the age that the fact had when it was sent.
    const ageMs = Math.max(0, report.sentAt - fact.seenAt);
    members[fact.member] = {
      value: withEqualParts(host.members[fact.member]?.value, fact),
      receivedAt: receivedAt - ageMs,
    };
  }
  const { findings } = report.findings ?? host;
  const certificates =
    report.findings === undefined ? host.certificates : report.findings.certificates?.certificates;
  return {
    ...host,
    lastSeenAt: receivedAt,
    clockOffsetMs: report.sentAt - receivedAt,
    acceptedGeneration: report.generation,
    fact: report.host === undefined ? host.fact : withEqualParts(host.fact, report.host),
    members,
    findings: withEqualParts(host.findings, findings),
    certificates: withEqualParts(host.certificates, certificates),
    refusedOrders: report.refusedOrders,
    schedule: scheduleAfter(host, report),
  };
}

/** An outcome that no request of the controller asked for is of a backup that the agent began by itself. */
function scheduleAfter(host: LiveHost, report: Report): LiveHost['schedule'] {
  const { duties } = report.duties ?? host.schedule ?? { duties: [] };
  const running = report.outcomes.filter(
    ({ requestId, state }) => state === 'running' && requestId.startsWith('scheduled-'),
  );
  if (duties.length === 0 && running.length === 0) return undefined;
  return withEqualParts(host.schedule, { duties, running });
}

/**
 * `after` in value; every part that equals the one at the same place of `before` is that one. `after` is taken over:
 * its parts are replaced by equal ones, since a copy of every report would be most of what a report costs here.
 */
export function withEqualParts<T>(before: unknown, after: T): T {
  if (before === after) return before as T; // equal texts too: the older one is held already
  if (typeof after !== 'object' || after === null) return after;
  if (typeof before !== 'object' || before === null) return after;
  if (Array.isArray(after) !== Array.isArray(before)) return after;
  const [from, to] = [before as Parts, after as Parts];
  let keys = 0;
  let isEqual = true;
  for (const key in to) {
    keys += 1;
    const [old, next] = [from[key], to[key]];
    const part = old === next ? next : withEqualParts(old, next);
    if (part !== next) to[key] = part;
    isEqual &&= part === old && (old !== undefined || key in from);
  }
  return (isEqual && keys === countOf(from) ? before : after) as T;
}

function countOf(parts: Parts): number {
  let count = 0;
  for (const key in parts) if (key !== undefined) count += 1;
  return count;
}

type Parts = Record<string, unknown>;
