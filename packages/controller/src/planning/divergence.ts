// A mirror whose log is another one than its leader's, in the words of status, plans and explanations. Pure. Such a
// mirror says that it is ready and healthy, so nobody else notices.
import type { Evidence, Finding } from '@leafward/shared/gen/domain.js';
import type { ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { MemberAt, ServiceAt } from './gather.js';
import { comparedAt, splitOf, type Split } from './histories.js';
import { COMPARE_EVERY_MS } from './thresholds.js';
import { evidence, type Objection } from './words.js';

/**
 * 0: never. A kind that is described with commands has no log of entries: what it says of an old position may change
 * with its history, and differ on two members that are the same.
 */
export const compareEveryMs = ({ shape, exec, compareEveryMs: ms }: ServiceDeclaration): number =>
  shape === 'stack' || exec !== undefined ? 0 : (ms ?? COMPARE_EVERY_MS);

/** Undefined: it leads, is retired, or has its leader's history as far as is known. */
export function divergenceOf(service: ServiceAt, member: MemberAt): Split | undefined {
  if (member.isLeader || member.isRetired || service.leader === undefined) return undefined;
  if (member.fact?.history === undefined) return undefined;
  return splitOf(service.leader.fact, member.fact);
}

/** By the controller's clock. */
export function comparedWithLeaderAt(service: ServiceAt, member: MemberAt): number | undefined {
  if (member.isLeader || member.isRetired) return undefined;
  const at = comparedAt(service.leader?.fact, member.fact);
  return at === undefined ? undefined : at - (member.hostState?.clockOffsetMs ?? 0);
}

export function divergenceText(service: ServiceAt, split: Split): string {
  const { offset, equalAt, isExact } = split;
  const { leader } = service.topology;
  const from = isExact
    ? `from entry ${offset} on`
    : equalAt === undefined
      ? `at entry ${offset} at the latest`
      : `from an entry after ${equalAt} on, and at ${offset} at the latest`;
  return `its log is another one than that of ${leader} ${from}: what it has from there on is not what ${leader} has`;
}

const cureOf = ({ name }: ServiceAt, member: MemberAt): string =>
  `begin it again as a mirror, which sets aside what only it has: leafward plan reseed ${name} ${member.name}`;

/** It must not lead: what it has is not what was acknowledged. */
export function objectToDivergence(service: ServiceAt, member: MemberAt): readonly Objection[] {
  const split = divergenceOf(service, member);
  if (split === undefined) return [];
  return [
    {
      code: 'diverged',
      subject: member.name,
      message: `${member.name} must not lead: ${divergenceText(service, split)}`,
      unblock: cureOf(service, member),
      evidence: divergenceEvidence(service, member),
    },
  ];
}

/** Of a failover: who is left out, or leads by the operator's word alone. */
export const divergenceWarnings = (
  service: ServiceAt,
  mirrors: readonly MemberAt[],
  to: string | undefined,
): readonly string[] =>
  mirrors.flatMap((member) => {
    const split = divergenceOf(service, member);
    if (split === undefined) return [];
    const fate = member.name === to ? 'leads by your word' : 'is not chosen and kept stopped';
    return [`${member.name} ${fate}: ${divergenceText(service, split)}`];
  });

export function divergenceEvidence(service: ServiceAt, member: MemberAt): readonly Evidence[] {
  const split = divergenceOf(service, member);
  const seenAt = comparedWithLeaderAt(service, member);
  if (split === undefined)
    return seenAt === undefined
      ? []
      : [evidence('log compared', `the same as that of ${service.topology.leader}`, { seenAt })];
  const { offset, own, leaders } = split;
  return [
    evidence(`log entry ${offset}`, shortly(own.sha256), {
      wanted: `${shortly(leaders.sha256) ?? ''} (${service.topology.leader})`,
      seenAt,
    }),
  ];
}

const shortly = (sha256: string | undefined): string | undefined => sha256?.slice(0, 12);

export function divergenceFindings(service: ServiceAt, member: MemberAt): readonly Finding[] {
  const split = divergenceOf(service, member);
  if (split === undefined) return [];
  const { leader } = service.topology;
  return [
    {
      check: 'history',
      subject: member.name,
      severity: 'critical',
      seen: divergenceText(service, split),
      wanted: `the same entries as ${leader}`,
      why: 'it says that it is ready and healthy all the same; promoted, it would serve other data',
      fix: cureOf(service, member),
      fixable: false,
      seenAt: comparedWithLeaderAt(service, member) ?? member.receivedAt ?? 0,
      source: `the same log entry of ${leader} and ${member.name}, compared byte by byte`,
    },
  ];
}
