// The forced failover of a dead leader: fence, prove, choose, promote, re-point (I1, I2). Pure. Must never be
// possible while the leader is healthy.
import type { Goal } from '@leafward/shared/gen/domain.js';
import { isAble } from '@leafward/shared/manifest/abilities.js';
import type { Snapshot } from '../snapshot.js';
import { objectToInability, unable } from './able.js';
import { realiasMove } from './alias.js';
import { witnessGates } from './automatic-witnesses.js';
import { candidatesOf, isToBeginAgain, ranked } from './candidates.js';
import { diagnose, evidenceOf, evidenceOfAll, lagOf, nearLag } from './diagnose.js';
import { divergenceOf, divergenceWarnings, objectToDivergence } from './divergence.js';
import { expectedMs, judge, type Draft, type DraftMove } from './draft.js';
import { leaseLeftMs, untilFencedOf } from './lease.js';
import { livingOf, memberOf, type MemberAt, type ServiceAt } from './gather.js';
import { objectToOpenPromotion } from './open-promotion.js';
import { objectToOthers, silent } from './safety.js';
import { evidence, listed, renderDuration, type Objection } from './words.js';

type FailoverGoal = Extract<Goal, { kind: 'failover' }>;

export function planFailover(snapshot: Snapshot, service: ServiceAt, asked: FailoverGoal): Draft {
  // A word without a reason is no word.
  const said = asked.leaderIsOff?.trim();
  const word = said === '' ? undefined : said;
  // Without a word there is nothing to count at once.
  const goal = {
    ...asked,
    leaderIsOff: word,
    atOnce: word === undefined ? undefined : asked.atOnce,
  };
  const { name, topology, leader } = service;
  const inability = objectToInability(service, ['promote-by-force'], 'be failed over');
  if (inability.length > 0) return unable(name, inability);
  const mirrors = livingOf(service).filter((member) => !member.isLeader);
  const candidates = goal.to === undefined ? mirrors : mirrors.filter((m) => m.name === goal.to);
  const expected = goal.to ?? expectedChoice(service);
  const draft = judge([
    {
      name: 'alone',
      passed: `no other operation is going on on ${name}`,
      objections: objectToOthers(snapshot, name, undefined),
    },
    {
      name: 'leader is dead',
      passed: leaderWord(snapshot, service),
      objections: objectToLiving(snapshot, service, goal),
      evidence: leader === undefined ? [] : evidenceOf(service, leader, snapshot.now),
    },
    {
      name: 'proof',
      passed: proofWord(service, goal),
      objections: objectToNoProof(snapshot, service, goal),
    },
    ...witnessGates(snapshot, service, goal.automatic),
    {
      name: 'nobody was promoted unseen',
      passed: 'no earlier promotion is open',
      objections: objectToOpenPromotion(snapshot, service, goal.to),
    },
    {
      name: 'candidates',
      passed: `${listed(candidates.map((member) => member.name))} could take over`,
      objections: objectToCandidates(service, candidates, goal),
      evidence: evidenceOfAll(service, candidates, snapshot.now),
    },
  ]);
  // Also with one that is named all histories are compared: those that differ must not follow it.
  const choice = { candidates: mirrors.map((member) => member.name).sort(), expected };
  return {
    services: [name],
    ...draft,
    warnings: [
      ...halfDeadWarning(snapshot, service),
      ...leaseWarning(snapshot, service, goal),
      ...lossOf(service, expected),
      ...silentOnes(candidates),
      ...divergenceWarnings(service, mirrors, goal.to),
      ...historiesWarning(service, candidates),
    ],
    unchanged: topology.retired.map((r) => `${r.member} stays retired since term ${r.term}`),
    moves: leader === undefined ? [] : movesOf(snapshot, service, leader, goal, choice),
    expectedDowntimeMs: downtimeOf(snapshot, name),
  };
}

const isDiverged = (service: ServiceAt, member: MemberAt): boolean =>
  divergenceOf(service, member) !== undefined;

/** Positions alone do not prove that two mirrors have the same log. */
const historiesWarning = (
  { declaration }: ServiceAt,
  candidates: readonly MemberAt[],
): readonly string[] =>
  candidates.length <= 1 || isAble('compare-histories', declaration)
    ? []
    : [
        `${declaration.kind} has no command history: mirrors are compared by their positions alone, and one that has gone another way is not noticed`,
      ];

function movesOf(
  snapshot: Snapshot,
  service: ServiceAt,
  leader: MemberAt,
  goal: FailoverGoal,
  choice: { readonly candidates: readonly string[]; readonly expected: string },
): readonly DraftMove[] {
  const { name, topology } = service;
  const term = topology.term + 1;
  const expected = (kind: DraftMove['kind']) => expectedMs(snapshot, name, kind);
  const rest = livingOf(service)
    .map((member) => member.name)
    .filter((member) => member !== leader.name)
    .sort();
  return [
    {
      kind: 'fence',
      service: name,
      cause: `${leader.name} must be proven stopped before anybody else leads (I1)`,
      expectedMs: expected('fence'),
      member: leader.name,
      host: leader.host,
      term,
      leaderIsOff: goal.leaderIsOff,
      untilFencedMs: untilFencedOf(service, leader),
      atOnce: goal.atOnce,
    },
    {
      kind: 'choose',
      service: name,
      cause:
        goal.to === undefined
          ? 'the most advanced mirror, by positions seen after the fence'
          : 'named by the operator',
      expectedMs: expected('choose'),
      ...choice,
    },
    {
      kind: 'force-promote',
      service: name,
      cause: `term ${term} begins, ${leader.name} is retired (I2)`,
      expectedMs: expected('force-promote'),
      term,
    },
    {
      kind: 'repoint',
      service: name,
      cause: 'the other mirrors follow the new leader',
      expectedMs: expected('repoint'),
      members: rest,
    },
    ...realiasMove(service, 'whoever uses the alias must find the new leader'),
  ];
}

/** Mirrors within a moment's offsets of each other count as equal, so that a plan does not age by the second. */
function expectedChoice(service: ServiceAt): string {
  const [best] = ranked(service, candidatesOf(service), nearLag(service));
  return best?.member.name ?? livingOf(service).find((member) => !member.isLeader)?.name ?? '';
}

const leaderWord = (snapshot: Snapshot, service: ServiceAt): string =>
  service.leader === undefined
    ? 'it has no leader'
    : `${service.leader.name} is ${diagnose(service, service.leader, snapshot.now).state}`;

function objectToLiving(
  snapshot: Snapshot,
  service: ServiceAt,
  goal: FailoverGoal,
): readonly Objection[] {
  const { leader } = service;
  if (leader === undefined)
    return [
      {
        code: 'no-leader',
        subject: service.name,
        message: `${service.name} was never placed`,
        unblock: 'deploy it first',
        evidence: [],
      },
    ];
  const { state } = diagnose(service, leader, snapshot.now);
  // Said to be off although its agent sees it lead: the fence will stop it for real, so nothing can go wrong
  // but the loss, and that was ordered.
  if (goal.leaderIsOff !== undefined || !['leading', 'migrating'].includes(state)) return [];
  return [
    {
      code: 'leader-lives',
      subject: leader.name,
      message: `${leader.name} is ${state}: a forced failover would throw a living leader away`,
      unblock:
        state === 'leading'
          ? `hand over gracefully: leafward plan promote ${service.name} --to MIRROR`
          : 'wait until it leads, or stop its container if it never will',
      evidence: evidenceOf(service, leader, snapshot.now),
    },
  ];
}

function proofWord(service: ServiceAt, goal: FailoverGoal): string {
  const { leader } = service;
  if (leader?.hostState?.connected === true)
    return `the agent of ${leader.host} will fence it and say so`;
  if (goal.leaderIsOff !== undefined)
    return `the operator says that it is off: ${goal.leaderIsOff}`;
  const untilFencedMs = leader === undefined ? undefined : untilFencedOf(service, leader);
  return `its own host stops it, at the latest ${renderDuration(untilFencedMs ?? 0)} after the last answer of a controller (onIsolation: stop)`;
}

/** It can still pass its leadership on, perhaps: then nothing is lost and nobody is retired. */
function halfDeadWarning(snapshot: Snapshot, service: ServiceAt): readonly string[] {
  const { leader, name } = service;
  if (leader === undefined || diagnose(service, leader, snapshot.now).state !== 'half-dead')
    return [];
  return [
    `${leader.name} is half-dead and still leads: what its mirrors have not got is lost with it, and it is retired. Try first whether it can hand over: leafward plan promote ${name} --to MIRROR`,
  ];
}

/** How long it may still lead; changes by the second, so it is for the reader and no part of what a plan rests on. */
function leaseWarning(
  snapshot: Snapshot,
  service: ServiceAt,
  goal: FailoverGoal,
): readonly string[] {
  const { leader } = service;
  const untilFencedMs = leader === undefined ? undefined : untilFencedOf(service, leader);
  if (leader === undefined || leader.hostState?.connected === true || untilFencedMs === undefined)
    return [];
  const leftMs = leaseLeftMs(snapshot, leader.host, untilFencedMs);
  if (leftMs <= 0) return [`the lease of ${leader.name} is over: its own host has stopped it`];
  const left = Number.isFinite(leftMs) ? ` for ${renderDuration(leftMs)}` : '';
  return [
    goal.atOnce === true
      ? `${leader.name} may still lead${left} if your word is wrong: its last permit is not over, and --at-once does not wait for it`
      : `${leader.name} may still lead${left}: the fence waits until its last permit and its time for stopping are over`,
  ];
}

function objectToNoProof(
  snapshot: Snapshot,
  service: ServiceAt,
  goal: FailoverGoal,
): readonly Objection[] {
  const { leader, name } = service;
  if (leader === undefined || leader.hostState?.connected === true) return [];
  if (goal.leaderIsOff !== undefined || untilFencedOf(service, leader) !== undefined) return [];
  const lastSeenAt = leader.hostState?.lastSeenAt;
  const silence =
    lastSeenAt === undefined
      ? ''
      : ` for ${renderDuration(Math.max(0, snapshot.now - lastSeenAt))}`;
  return [
    {
      code: 'leader-unproven',
      subject: leader.name,
      message: `host ${leader.host} has been silent${silence}: ${leader.name} may still lead behind a broken line (I1)`,
      unblock: `make sure that it is off, then say so: leafward plan failover ${name} --leader-is-off "reason"`,
      evidence: silent(leader).evidence,
    },
  ];
}

function objectToCandidates(
  service: ServiceAt,
  candidates: readonly MemberAt[],
  goal: FailoverGoal,
): readonly Objection[] {
  if (goal.to !== undefined && candidates.length === 0) {
    const known = memberOf(service, goal.to);
    return [
      {
        code: 'no-such-mirror',
        subject: goal.to,
        message:
          known === undefined
            ? `${goal.to} is not a member of ${service.name}`
            : `${goal.to} is ${known.isRetired ? 'retired' : 'the leader'} and cannot take over`,
        unblock: 'leave it out and let the most advanced mirror be chosen',
        evidence: [],
      },
    ];
  }
  const inSight = candidates.filter((member) => member.isFresh);
  // One that is named is the operator's word: its plan says that its log is another one.
  const diverged = goal.to === undefined ? inSight.filter((one) => isDiverged(service, one)) : [];
  if (diverged.length > 0 && diverged.length === inSight.length)
    return diverged.flatMap((member) => objectToDivergence(service, member));
  const keeps = inSight.filter((member) => !isToBeginAgain(member));
  if (keeps.some((member) => member.fact?.engine.position !== undefined)) return [];
  if (inSight.length > 0) return [nothingToTakeOver(service, inSight)];
  return [
    {
      code: 'no-candidate',
      subject: service.name,
      message: `no mirror of ${service.name} is in sight, so nobody can take over`,
      unblock:
        candidates.length === 0
          ? 'it has no mirrors: restore it from a backup'
          : `bring one of their hosts back: ${listed([...new Set(candidates.map((m) => m.host))])}`,
      evidence: candidates.flatMap((member) => silent(member).evidence),
    },
  ];
}

/** Once the leader is fenced there is no way back to it: somebody must have shown that it has the data. */
const nothingToTakeOver = (service: ServiceAt, inSight: readonly MemberAt[]): Objection => ({
  code: 'no-position',
  subject: service.name,
  message: `no mirror of ${service.name} in sight says how far it is (${listed(inSight.map(({ name }) => name))}), so nobody is known to have its data`,
  unblock: `get one of them to answer: leafward why ${inSight[0]?.name ?? ''}; one that was begun again and is not filled has nothing, and the old leader must be started instead`,
  evidence: inSight.map((member) =>
    evidence(
      `position of ${member.name}`,
      isToBeginAgain(member)
        ? 'it is ordered to begin again, and deletes what it has'
        : (member.fact?.engine.error ?? 'not known'),
    ),
  ),
});

/** Figures are for the reader; they change with every report, so they are no part of what a plan rests on. */
function lossOf(service: ServiceAt, expected: string): readonly string[] {
  const member = memberOf(service, expected);
  if (member === undefined || service.leader === undefined) return [];
  const lag = lagOf(service, member);
  return [
    lag === undefined
      ? `how much would be lost is not known: the position of ${expected} or of its old leader is not`
      : `expected to be chosen: ${expected}, ${lag === 0 ? 'with nothing known to be lost' : `${lag} offsets behind what ${service.leader.name} last told, which would be lost`}`,
  ];
}

const silentOnes = (candidates: readonly MemberAt[]): readonly string[] =>
  candidates
    .filter((member) => !member.isFresh)
    .map(
      (member) => `${member.name} is silent: it is left out if it stays so, even if it has more`,
    );

/** Writes are refused from the death to the end of the promotion; only what the plan itself takes is known. */
function downtimeOf(snapshot: Snapshot, service: string): number | undefined {
  const parts = (['fence', 'choose', 'force-promote'] as const).map((kind) =>
    expectedMs(snapshot, service, kind),
  );
  return parts.every((part) => part !== undefined)
    ? parts.reduce<number>((sum, part) => sum + part, 0)
    : undefined;
}
