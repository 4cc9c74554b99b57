// The witnesses of a silent leader: who is asked, when, and what their answers are worth. Pure. Must never take a
// question that was not answered, or an answer of before the leader's lease was over, for a leader that is gone.
import type { Request } from '@leafward/shared/gen/domain.js';
import type { ProbeRound, Snapshot } from '../snapshot.js';
import { livingOf, type MemberAt, type ServiceAt } from './gather.js';
import { leaseLeftMs, untilFencedOf } from './lease.js';
import {
  PROBE_AGAIN_MS,
  PROBE_COUNTS_MS,
  PROBE_SETTLE_MS,
  PROBE_TIMEOUT_MS,
} from './thresholds.js';

/** Of the ids of all questions to witnesses. */
export const PROBE_PREFIX = 'probe-';

/** What one host said, or why it said nothing that counts. */
export interface Testimony {
  readonly host: string;
  readonly kind: 'answers' | 'silent' | 'failed' | 'open';
  readonly said: string;
}

export interface Heard {
  readonly testimonies: readonly Testimony[];
  readonly ageMs: number;
  /** Young enough to act on. */
  readonly isYoung: boolean;
  /** Until the next round may be asked; 0: now. */
  readonly againInMs: number;
}

/** One living member of each other host that is connected and told of it lately. */
export function witnessesOf(service: ServiceAt): readonly MemberAt[] {
  const hosts = new Set<string>(service.leader === undefined ? [] : [service.leader.host]);
  return livingOf(service).filter((member) => {
    if (!member.isFresh || hosts.has(member.host)) return false;
    hosts.add(member.host);
    return true;
  });
}

/** Undefined: nobody was asked since this leader's lease was over. */
export function heardOf(snapshot: Snapshot, service: ServiceAt): Heard | undefined {
  const round = roundOf(snapshot, service);
  if (round === undefined || snapshot.monotonicMs === undefined) return undefined;
  const ageMs = snapshot.monotonicMs - round.askedAtMs;
  return {
    testimonies: Object.entries(round.requests)
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([host, id]) => testimonyOf(snapshot, { host, id, ageMs })),
    ageMs,
    isYoung: ageMs <= PROBE_COUNTS_MS,
    againInMs: Math.max(0, pauseMs(round) - ageMs),
  };
}

/** The newest one, if the leader was out of its lease when it was asked, in this very term. */
function roundOf(snapshot: Snapshot, { name, topology, ...service }: ServiceAt) {
  const round = snapshot.services[name]?.automatic?.memory?.round;
  const { leader } = service;
  if (round === undefined || leader === undefined || round.term !== topology.term) return undefined;
  if (round.askedAtMs > (snapshot.monotonicMs ?? -Infinity)) return undefined;
  const untilFencedMs = untilFencedOf({ name, topology, ...service }, leader);
  if (untilFencedMs === undefined) return undefined;
  const then = { ...snapshot, monotonicMs: round.askedAtMs };
  return leaseLeftMs(then, leader.host, untilFencedMs) > 0 ? undefined : round;
}

const pauseMs = ({ attempt }: ProbeRound): number =>
  Math.min(PROBE_AGAIN_MS.most, PROBE_AGAIN_MS.least * 2 ** Math.max(0, attempt - 1));

function testimonyOf(
  { requests }: Snapshot,
  { host, id, ageMs }: { readonly host: string; readonly id: string; readonly ageMs: number },
): Testimony {
  const outcome = requests[id]?.outcome;
  if (outcome === undefined || outcome.state === 'running')
    return ageMs <= PROBE_SETTLE_MS
      ? { host, kind: 'open', said: 'is asking' }
      : { host, kind: 'failed', said: 'did not say in time' };
  const { leaderProbe: probe } = outcome;
  if (outcome.state !== 'succeeded' || probe === undefined)
    return { host, kind: 'failed', said: `could not ask: ${outcome.message ?? outcome.state}` };
  return { host, kind: probe.answered ? 'answers' : 'silent', said: probe.said };
}

/** The next question to everybody who can be asked; undefined while it is not time for one, or nobody is there. */
export function nextRound(snapshot: Snapshot, service: ServiceAt): ProbeRound | undefined {
  const { name, topology } = service;
  const heard = heardOf(snapshot, service);
  const witnesses = witnessesOf(service);
  if (snapshot.monotonicMs === undefined || witnesses.length === 0) return undefined;
  if (heard !== undefined && heard.againInMs > 0) return undefined;
  const last = snapshot.services[name]?.automatic?.memory?.round;
  const number = (last?.number ?? 0) + 1;
  // The epoch makes it another one than those of a controller before this one.
  const id = (host: string): string =>
    `${PROBE_PREFIX}${name}-${topology.term}-${snapshot.epoch}-${number}-${host}`;
  return {
    number,
    term: topology.term,
    askedAtMs: snapshot.monotonicMs,
    requests: Object.fromEntries(witnesses.map(({ host }) => [host, id(host)])),
    attempt: heard === undefined ? 1 : (last?.attempt ?? 0) + 1,
  };
}

/** What the hosts of a round are sent. */
export function requestsOf(
  snapshot: Snapshot,
  service: ServiceAt,
  round: ProbeRound,
): readonly { readonly host: string; readonly request: Request }[] {
  const { declaration, topology } = service;
  const url = declaration.members.find(({ name }) => name === topology.leader)?.probeUrl ?? '';
  return witnessesOf(service).flatMap(({ name, host }) => {
    const id = round.requests[host];
    if (id === undefined) return [];
    const request: Request = {
      kind: 'probe-leader',
      id,
      epoch: snapshot.epoch,
      expiresAt: snapshot.now + PROBE_SETTLE_MS,
      member: name,
      term: topology.term,
      url,
      timeoutMs: PROBE_TIMEOUT_MS,
    };
    return [{ host, request }];
  });
}
