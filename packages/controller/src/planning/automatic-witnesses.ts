// Whether what is known of a leader is proof enough for a failover that nobody ordered: its own agent's word, or a lease
// that is over and witnesses whom it does not answer. Pure.
import type { Evidence } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { heardOf, witnessesOf, type Heard, type Testimony } from './automatic-probes.js';
import { causeOf, type Cause } from './automatic-cause.js';
import type { GateCheck } from './draft.js';
import type { ServiceAt } from './gather.js';
import { leaseLeftMs, untilFencedOf } from './lease.js';
import { evidence, listed, renderDuration, type Objection } from './words.js';

/** Codes that more time and another question to the witnesses may take away. */
export const ASK_CODES: readonly string[] = ['witnesses-asked', 'leader-answers', 'no-witness'];

/** Two gates of a plan that nobody ordered; none of one that somebody did. */
export function witnessGates(
  snapshot: Snapshot,
  service: ServiceAt,
  automatic: string | undefined,
): readonly GateCheck[] {
  if (automatic === undefined) return [];
  const cause = causeOf(snapshot, service);
  return [
    {
      name: 'first witness',
      passed: firstWord(snapshot, cause),
      objections: objectToFirst(snapshot, service, cause),
      evidence: cause?.evidence ?? [],
    },
    {
      name: 'second witness',
      passed: secondWord(snapshot, service, cause),
      objections: cause?.kind === 'silent' ? objectToSecond(snapshot, service, cause) : [],
      evidence: cause?.kind === 'silent' ? evidenceOfHeard(heardOf(snapshot, service)) : [],
    },
  ];
}

/** What is known, in one sentence, for whoever asks later why it began. */
export const witnessWord = (snapshot: Snapshot, service: ServiceAt, cause: Cause): string =>
  cause.kind === 'died'
    ? cause.text
    : `${firstWord(snapshot, cause)}; ${secondWord(snapshot, service, cause)}`;

function firstWord(snapshot: Snapshot, cause: Cause | undefined): string {
  if (cause === undefined) return '';
  const { lastSeenAt } = cause.leader.hostState ?? {};
  return cause.kind === 'silent' && lastSeenAt !== undefined
    ? `${cause.text} for ${renderDuration(Math.max(0, snapshot.now - lastSeenAt))}, and its lease is over`
    : cause.text;
}

function secondWord(snapshot: Snapshot, service: ServiceAt, cause: Cause | undefined): string {
  if (cause?.kind !== 'silent') return 'nobody else is asked: its own agent stops it for good';
  const silent = named(heardOf(snapshot, service), 'silent');
  return `${listed(silent)} asked it, and it does not answer`;
}

function objectToFirst(
  snapshot: Snapshot,
  service: ServiceAt,
  cause: Cause | undefined,
): readonly Objection[] {
  if (cause === undefined)
    return [
      {
        code: 'no-failure',
        subject: service.name,
        message: `neither does an agent say that the leader of ${service.name} died, nor is its host silent`,
        unblock: `an operator may decide: leafward plan failover ${service.name}`,
        evidence: [],
      },
    ];
  if (cause.kind === 'died') return [];
  const { leader } = cause;
  const untilFencedMs = untilFencedOf(service, leader);
  // The word of today and the order that its agent has: both must make it stop.
  if (service.declaration.failover.isolation.onIsolation !== 'stop' || untilFencedMs === undefined)
    return [
      {
        code: 'leader-unproven',
        subject: leader.name,
        message: `${cause.text}, and nothing makes it stop ${leader.name} by itself (onIsolation: stop): it may still lead (I1)`,
        unblock: `make sure that it is off, then say so: leafward plan failover ${service.name} --leader-is-off "reason"`,
        evidence: cause.evidence,
      },
    ];
  const leftMs = leaseLeftMs(snapshot, leader.host, untilFencedMs);
  return leftMs <= 0 ? [] : [leaseRuns(cause, leftMs)];
}

const leaseRuns = ({ leader, text, evidence: seen }: Cause, leftMs: number): Objection => ({
  code: 'lease-runs',
  subject: leader.name,
  message: `${text}: ${leader.name} may still lead${Number.isFinite(leftMs) ? ` for ${renderDuration(leftMs)}` : ''}, then its own host has stopped it`,
  unblock: 'wait: witnesses are asked when it is over',
  evidence: seen,
});

function objectToSecond(
  snapshot: Snapshot,
  service: ServiceAt,
  cause: Cause,
): readonly Objection[] {
  const heard = heardOf(snapshot, service);
  const told = { evidence: evidenceOfHeard(heard), subject: cause.leader.name };
  const answers = named(heard, 'answers');
  if (answers.length > 0)
    return [
      {
        ...told,
        code: 'leader-answers',
        message: `${cause.text}, but ${cause.leader.name} answers ${listed(answers)}: it is not failed over`,
        unblock: `bring the agent of ${cause.leader.host} back; it is asked again${soon(heard)}`,
      },
    ];
  const open = named(heard, 'open');
  if (heard === undefined || open.length > 0 || !heard.isYoung)
    return witnessesOf(service).length === 0 && open.length === 0
      ? [nobodyThere(service, cause)]
      : [
          {
            ...told,
            code: 'witnesses-asked',
            message: `${cause.text}; whether ${cause.leader.name} answers is being asked by ${listed(open.length > 0 ? open : witnessesOf(service).map(({ host }) => host))}`,
            unblock: `wait for the answers${soon(open.length > 0 ? undefined : heard)}`,
          },
        ];
  if (named(heard, 'silent').length > 0) return [];
  return [
    {
      ...told,
      code: 'no-witness',
      message: `${cause.text}, and nobody could ask ${cause.leader.name}: ${heard.testimonies.map(({ host, said }) => `${host} ${said}`).join('; ')}`,
      unblock: `let another host reach failover.probe; it is asked again${soon(heard)}`,
    },
  ];
}

const nobodyThere = (service: ServiceAt, { text, leader, evidence: seen }: Cause): Objection => ({
  code: 'no-witness',
  subject: leader.name,
  message: `${text}, and no other host with a member of ${service.name} is here that could ask ${leader.name}`,
  unblock: 'bring one of the hosts of its mirrors back',
  evidence: seen,
});

const named = (heard: Heard | undefined, kind: Testimony['kind']): readonly string[] =>
  (heard?.testimonies ?? []).filter((one) => one.kind === kind).map(({ host }) => host);

const soon = (heard: Heard | undefined): string =>
  heard === undefined || heard.againInMs === 0 ? '' : ` in ${renderDuration(heard.againInMs)}`;

function evidenceOfHeard(heard: Heard | undefined): readonly Evidence[] {
  if (heard === undefined) return [];
  const age = `${renderDuration(heard.ageMs)} ago`;
  return heard.testimonies.map(({ host, kind, said }) =>
    evidence(`asked by ${host}, ${age}`, `${VERDICTS[kind]}${said}`, { wanted: 'does not answer' }),
  );
}

const VERDICTS: Readonly<Record<Testimony['kind'], string>> = {
  silent: 'does not answer: ',
  answers: 'answers: ',
  failed: '',
  open: '',
};
