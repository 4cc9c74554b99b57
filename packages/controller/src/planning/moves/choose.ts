// choose: who takes over. Needs the fence proven first; compares positions that were seen after it, and one log
// entry of every candidate, since equal positions do not prove equal histories. Phases: 1 positions, 2 histories.
import type { Operation } from '@leafward/shared/gen/domain.js';
import { isAble } from '@leafward/shared/manifest/abilities.js';
import { ranked, type Candidate } from '../candidates.js';
import { divergenceOf } from '../divergence.js';
import { mayRun, memberOf, type MemberAt, type ServiceAt } from '../gather.js';
import { CANDIDATE_MS, OUTCOME_MS, START_GRACE_MS } from '../thresholds.js';
import { evidence, listed } from '../words.js';
import {
  isSeenAfter,
  outcomeOf,
  sendRequest,
  serviceAt,
  wait,
  waitsSince,
  type MoveContext,
  type MoveOf,
  type MoveRow,
  type Step,
} from './move.js';

type Context = MoveContext<MoveOf<'choose'>>;

export const choose: MoveRow<MoveOf<'choose'>> = {
  begin: (context) =>
    fencedAt(context.operation) === undefined
      ? { kind: 'failed', reason: 'the old leader is not proven to be stopped; plan again' }
      : { kind: 'go', phase: 1, effects: [] },
  check: (context) => {
    const service = serviceAt(context);
    if (service === undefined)
      return {
        kind: 'failed',
        reason: `${context.move.service} is not known any more; plan again`,
      };
    return context.progress.phase === 1
      ? collect(context, service)
      : compare(context, service, probedCandidates(context, service));
  },
};

/** When the fence of this operation was proven. */
export function fencedAt(operation: Operation): number | undefined {
  const index = operation.moves.findIndex((move) => move.kind === 'fence');
  const progress = operation.progress[index];
  return progress?.state === 'done' ? progress.endedAt : undefined;
}

function collect(context: Context, service: ServiceAt): Step {
  const { move } = context;
  // One that was told to stop has another history: that it still runs, or runs again, makes it nobody's successor.
  const members = move.candidates.flatMap((name) => memberOf(service, name) ?? []).filter(mayRun);
  const ready = members.flatMap((member) => candidate(context, member) ?? []);
  const missing = members.filter((member) => !ready.some((one) => one.member === member));
  const awaited = missing.filter((member) => !isLostWithLeader(context, member));
  const isWaiting = awaited.length > 0 && isPatient(context, 'positions', awaited);
  if (isWaiting || (missing.length > 0 && ready.length === 0))
    return wait(context, {
      code: 'positions',
      subject: move.service,
      message: `${listed(missing.map((member) => member.name))} ${missing.length === 1 ? 'has' : 'have'} not told a position since the fence`,
      timeoutMs: 30 * CANDIDATE_MS,
      unblock: `bring ${listed([...new Set(missing.map((member) => member.host))])} back; those that stay silent are left out`,
      evidence: members.map((member) =>
        evidence(`position of ${member.name}`, member.fact?.engine.position, {
          seenAt: member.receivedAt,
        }),
      ),
    });
  const active = ready.find((one) => one.member.fact?.engine.active === true);
  if (
    active !== undefined &&
    context.operation.goal.kind === 'failover' &&
    context.operation.goal.to !== active.member.name
  )
    return {
      kind: 'failed',
      reason: `${active.member.name} leads already without an order; abort, look at it, and if it shall lead: leafward plan failover ${move.service} --to ${active.member.name}`,
    };
  const left = missing.map((member) => member.name);
  // One that has nothing yet, since it is being filled, must not keep the others from being compared.
  const filled = ready.filter((one) => one.position > 0);
  const offset = Math.min(...filled.map((one) => one.position)) - 1;
  const isComparable = isAble('compare-histories', service.declaration);
  const sound = isNamed(context) ? ready : ready.filter((one) => !isDiverged(service, one));
  if (sound.length === 0) return { kind: 'failed', reason: nobodySound(service, ready) };
  if (filled.length <= 1 || !isComparable) return decide(context, service, sound, left, undefined);
  return {
    kind: 'go',
    phase: 2,
    event: `compares the histories of ${listed(filled.map((one) => one.member.name))} at ${offset}`,
    effects: filled.map((one) =>
      sendRequest(context, {
        host: one.member.host,
        suffix: one.member.name,
        act: {
          kind: 'probe-history',
          member: one.member.name,
          term: service.topology.term,
          offset,
        },
      }),
    ),
  };
}

/** On the host that was lost with the leader: its silence was waited out by the fence already. */
function isLostWithLeader(
  { operation, snapshot }: Context,
  { host, hostState }: MemberAt,
): boolean {
  const fence = operation.moves.find((move) => move.kind === 'fence');
  const isSettled = snapshot.now - snapshot.controllerStartedAt >= START_GRACE_MS;
  return isSettled && fence?.host === host && hostState?.connected !== true;
}

/** Silence decides nothing at once, nor while agents are on their way back to a controller that was restarted. */
function isPatient(context: Context, code: string, silent: readonly MemberAt[]): boolean {
  const { now, controllerStartedAt } = context.snapshot;
  const waited = now - (waitsSince(context, code) ?? now);
  return (
    waited < CANDIDATE_MS ||
    now - controllerStartedAt < START_GRACE_MS ||
    silent.some((member) => isOutOfTime(member, now))
  );
}

/**
 * Connected, and heard neither now nor a while ago: the controller's clock was set, and the wait was none. Its next
 * report is here soon, or its session ends for silence, which no time of day decides.
 */
function isOutOfTime({ hostState }: MemberAt, now: number): boolean {
  if (hostState?.connected !== true || hostState.lastSeenAt === undefined) return false;
  return hostState.lastSeenAt > now || now - hostState.lastSeenAt >= CANDIDATE_MS;
}

/** A mirror that runs, answers and has told its position after the fence. */
function candidate(context: Context, member: MemberAt): Candidate | undefined {
  const engine = member.fact?.engine;
  const isUsable =
    isSeenAfter(member, fencedAt(context.operation)) &&
    member.fact?.container.state === 'running' &&
    engine?.answered === true;
  return isUsable && engine.position !== undefined
    ? { member, position: engine.position }
    : undefined;
}

/** Those that were asked in this attempt, whatever happened to them since. */
function probedCandidates(context: Context, service: ServiceAt): readonly Candidate[] {
  return context.move.candidates.flatMap((name): readonly Candidate[] => {
    const member = memberOf(service, name);
    const isAsked = requestOf(context, name) !== undefined;
    if (member === undefined || !isAsked) return [];
    return [{ member, position: member.fact?.engine.position ?? 0 }];
  });
}

const requestOf = (context: Context, member: string) =>
  context.snapshot.requests[
    `${context.operation.id}.${context.move.id}.${context.progress.attempt}.${member}`
  ];

function compare(context: Context, service: ServiceAt, asked: readonly Candidate[]): Step {
  const { move } = context;
  const open = asked.filter((one) => {
    const state = outcomeOf(context, one.member.name)?.state;
    return state === undefined || state === 'running';
  });
  const silent = open.map((one) => one.member);
  if (open.length > 0 && isPatient(context, 'histories', silent))
    return wait(context, {
      code: 'histories',
      subject: move.service,
      message: `${listed(open.map((one) => one.member.name))} ${open.length === 1 ? 'has' : 'have'} not told the log entry that is compared`,
      timeoutMs: CANDIDATE_MS + OUTCOME_MS,
      unblock: 'wait; those that stay silent are left out',
    });
  const told = asked.flatMap((one) => {
    const history = outcomeOf(context, one.member.name)?.history;
    const request = requestOf(context, one.member.name)?.request;
    const isSameOffset = request?.kind === 'probe-history' && history?.offset === request.offset;
    return history !== undefined && isSameOffset ? [{ ...one, sha256: history.sha256 }] : [];
  });
  const goalTo = namedBy(context.operation);
  const left = move.candidates.filter((name) => !told.some((one) => one.member.name === name));
  if (told.length === 0)
    return {
      kind: 'failed',
      reason: `no history could be compared (${asked.map((one) => `${one.member.name}: ${outcomeOf(context, one.member.name)?.message ?? 'silent'}`).join('; ')}); resume to try again, or abort and name one with --to`,
    };
  // Whose log was known to be another one has no say, unless the operator has named it.
  const sound = goalTo === undefined ? told.filter((one) => !isDiverged(service, one)) : told;
  if (sound.length === 0) return { kind: 'failed', reason: `${nobodySound(service, told)}` };
  if (historiesIn(sound) > 1 && goalTo === undefined)
    return { kind: 'failed', reason: disagreement(context, service, sound) };
  return decide(context, service, sound, left, historiesIn(told) > 1 ? told : undefined);
}

const isNamed = ({ operation }: Context): boolean => namedBy(operation) !== undefined;

const historiesIn = (told: readonly Told[]): number =>
  new Set(told.map(({ sha256 }) => sha256)).size;

const isDiverged = (service: ServiceAt, { member }: Candidate): boolean =>
  divergenceOf(service, member) !== undefined;

const nobodySound = ({ name }: ServiceAt, candidates: readonly Candidate[]): string =>
  `the log of ${listed(candidates.map(({ member }) => member.name))} is another one than that of the old leader, and nobody else is in sight: resume when somebody is, or abort and name one: leafward plan failover ${name} --to MIRROR`;

const namedBy = ({ goal }: Operation): string | undefined =>
  goal.kind === 'failover' ? goal.to : undefined;

interface Told extends Candidate {
  readonly sha256: string;
}

function disagreement(context: Context, service: ServiceAt, told: readonly Told[]): string {
  const figures = ranked(service, told).map(
    (one) =>
      `${one.member.name} at position ${one.position} has ${told.find((t) => t.member === one.member)?.sha256.slice(0, 12) ?? ''}`,
  );
  return `the histories of the mirrors differ: ${figures.join(', ')}; which of them is right is yours to say: abort, then leafward plan failover ${context.move.service} --to MIRROR`;
}

function decide(
  context: Context,
  service: ServiceAt,
  ready: readonly Candidate[],
  left: readonly string[],
  differing: readonly Told[] | undefined,
): Step {
  const to = namedBy(context.operation);
  const order = ranked(service, ready);
  const best = to === undefined ? order[0] : order.find((one) => one.member.name === to);
  if (best === undefined)
    return { kind: 'failed', reason: `${to ?? 'nobody'} is not in sight; resume when it is` };
  const others = order
    .filter((one) => one !== best)
    .map((one) => `${one.member.name} ${one.position}`);
  const own = differing?.find((one) => one.member === best.member)?.sha256;
  const strangers = (differing ?? []).filter((one) => one.sha256 !== own);
  const because = [
    to === undefined
      ? `most advanced at position ${best.position}`
      : `named by the operator, at position ${best.position}`,
    ...(others.length === 0 ? [] : [`others: ${others.join(', ')}`]),
    ...(left.length === 0 ? [] : [`left out, silent: ${left.join(', ')}`]),
    ...(order.length <= 1 || isAble('compare-histories', service.declaration)
      ? []
      : [`by positions alone: ${service.declaration.kind} has no command history`]),
    ...(strangers.length === 0
      ? []
      : [`another history: ${strangers.map((one) => one.member.name).join(', ')}, kept stopped`]),
  ].join('; ');
  return {
    kind: 'done',
    note: `${best.member.name}: ${because}`,
    operation: { chosen: best.member.name, chosenBecause: because },
  };
}

/** Members whose log entry differs from the chosen one's: mirroring it would hide the difference for ever. */
export function strangersTo(context: MoveContext, chosen: string): readonly string[] {
  const { operation, snapshot } = context;
  const index = operation.moves.findIndex((move) => move.kind === 'choose');
  const move = operation.moves[index];
  const attempt = operation.progress[index]?.attempt ?? 0;
  if (move?.kind !== 'choose') return [];
  const shaOf = (member: string): string | undefined =>
    snapshot.requests[`${operation.id}.${move.id}.${attempt}.${member}`]?.outcome?.history?.sha256;
  const own = shaOf(chosen);
  const service = serviceAt(context);
  // Two that were compared where both still agreed: that they part later was seen before.
  const isKnown = (name: string): boolean => {
    const member = service === undefined ? undefined : memberOf(service, name);
    return member !== undefined && divergenceOf(service as ServiceAt, member) !== undefined;
  };
  return move.candidates.filter(
    (name) =>
      name !== chosen &&
      (isKnown(name) || (own !== undefined && shaOf(name) !== undefined && shaOf(name) !== own)),
  );
}
