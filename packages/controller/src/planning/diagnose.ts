// From facts to words: in which state a member is and what is wrong with it. Pure. Everything that is decided on
// health is decided on these words, so that status, plans and waits never disagree.
import type { Evidence, MemberFact } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { divergenceEvidence, divergenceOf, divergenceText } from './divergence.js';
import { livingOf, mayRun, memberOf, type MemberAt, type ServiceAt } from './gather.js';
import { impairmentsOf } from './half-dead.js';
import { isStack } from './stack.js';
import { LAG_BYTES, LAG_MS, LAG_OFFSETS } from './thresholds.js';
import { isOlder } from './versions.js';
import { evidence, renderDuration } from './words.js';

export type StateWord =
  | 'leading'
  /** Leads, answers, and takes no writes or will soon take none. */
  | 'half-dead'
  | 'mirroring'
  | 'working'
  | 'behind'
  /** Mirrors, and its log is another one than its leader's. */
  | 'diverged'
  | 'starting'
  | 'migrating'
  | 'stopped'
  | 'retired'
  | 'down'
  | 'silent'
  | 'unknown';

export interface Diagnosis {
  readonly state: StateWord;
  readonly problems: readonly string[];
  /** Leader's position − this one's, at least 0; undefined while one of them is not known. */
  readonly lag?: number | undefined;
  /** Leads or mirrors, near its leader, proven by a young fact. */
  readonly isHealthy: boolean;
  /** Stopped replicating because its upstream is newer: its own update is the cure. */
  readonly needsUpdate: boolean;
}

export function diagnose(service: ServiceAt, member: MemberAt, now: number): Diagnosis {
  const lag = isStack(service) ? undefined : lagOf(service, member);
  const state = stateOf(service, member, now, lag);
  const upstream = service.members.find((other) => other.name === member.upstream);
  return {
    state,
    lag,
    problems: problemsOf(service, member, state, { lag, now }),
    // One that came back and was told to stop may have another history: it counts for nothing while it still runs.
    isHealthy: mayRun(member) && state === healthyWord(service, member),
    needsUpdate:
      !isStack(service) &&
      member.isFresh &&
      isOlder(member.fact?.engine.version, upstream?.fact?.engine.version) &&
      // Before 2.232 one that stands still does not say that it is read-only.
      (member.fact?.engine.readOnly ?? state === 'behind'),
  };
}

/** The member above it that stands still until its own update: one that mirrors it has no other way than to wait. */
export function standsStillBelow(
  service: ServiceAt,
  member: MemberAt,
  now: number,
): string | undefined {
  if (diagnose(service, member, now).state !== 'behind') return undefined;
  let above = memberOf(service, member.upstream ?? '');
  while (above !== undefined && !above.isLeader) {
    if (diagnose(service, above, now).needsUpdate) return above.name;
    above = memberOf(service, above.upstream ?? '');
  }
  return undefined;
}

const healthyWord = (service: ServiceAt, member: MemberAt): StateWord =>
  isStack(service) ? 'working' : member.isLeader ? 'leading' : 'mirroring';

export function lagOf(service: ServiceAt, member: MemberAt): number | undefined {
  const leads = service.leader?.fact?.engine.position;
  const own = member.fact?.engine.position;
  if (leads === undefined || own === undefined) return undefined;
  return Math.max(0, leads - own);
}

/** A lag that is none: what a mirror catches up with at once. */
export const nearLag = ({ declaration }: ServiceAt): number =>
  declaration.lag ?? (declaration.exec?.positions === 'lsn' ? LAG_BYTES : LAG_OFFSETS);

/** What a lag may be: facts of two hosts are of two instants, and the leader's log grew in between. */
export function allowedLag(service: ServiceAt, member: MemberAt): number {
  const skewMs = Math.max(0, (service.leader?.receivedAt ?? 0) - (member.receivedAt ?? 0));
  const near = nearLag(service);
  return near + Math.floor((Math.min(skewMs, 10_000) * near) / LAG_MS);
}

function stateOf(
  service: ServiceAt,
  member: MemberAt,
  now: number,
  lag: number | undefined,
): StateWord {
  const { fact } = member;
  if (member.isRetired || member.intent?.run === 'retired') return 'retired';
  if (fact === undefined) return member.hostState?.connected === true ? 'unknown' : 'silent';
  if (!member.isFresh) return 'silent';
  const { container, engine } = fact;
  if (container.state === 'unknown') return 'unknown';
  if (engine.migrating !== undefined && container.state === 'running') return 'migrating';
  if (container.state !== 'running') {
    if (member.intent?.run === 'stopped' || member.intent?.run === 'removed') return 'stopped';
    return fact.activity === undefined && container.state !== 'restarting' ? 'down' : 'starting';
  }
  if (!engine.answered) return isYoung(service, member, now) ? 'starting' : 'down';
  if (isStack(service))
    return engine.ready !== false ? 'working' : isYoung(service, member, now) ? 'starting' : 'down';
  if (engine.active === true)
    return impairmentsOf(member, now).length > 0 ? 'half-dead' : 'leading';
  if (member.isLeader) return isYoung(service, member, now) ? 'starting' : 'down';
  if (divergenceOf(service, member) !== undefined) return 'diverged';
  if (engine.readOnly === true || engine.uplink === false) return 'behind';
  if (engine.ready === false) return isYoung(service, member, now) ? 'starting' : 'behind';
  return lag !== undefined && lag > allowedLag(service, member) ? 'behind' : 'mirroring';
}

/** Not longer up than a start may take. */
function isYoung(service: ServiceAt, member: MemberAt, now: number): boolean {
  const startedAt = member.fact?.container.startedAt;
  if (startedAt === undefined) return member.fact?.activity !== undefined;
  const hostNow = now + (member.hostState?.clockOffsetMs ?? 0);
  return hostNow - startedAt < service.declaration.update.readyTimeoutMs;
}

function problemsOf(
  service: ServiceAt,
  member: MemberAt,
  state: StateWord,
  { lag, now }: { readonly lag: number | undefined; readonly now: number },
): readonly string[] {
  const { fact, hostState } = member;
  const problems: string[] = [];
  const say = (condition: boolean, text: () => string): void => {
    if (condition) problems.push(text());
  };
  say(hostState === undefined || !hostState.enrolled, () => `host ${member.host} is not enrolled`);
  say(state === 'silent', () => `nothing was heard of it ${agoOf(member, now)}`);
  say(state === 'unknown', () =>
    fact === undefined
      ? `host ${member.host} has not said anything of it`
      : `the runtime of ${member.host} does not answer: ${fact.container.error ?? 'no reason given'}`,
  );
  if (fact === undefined) return problems;
  const { container, engine } = fact;
  const runs = container.state === 'running' && member.isFresh;
  say(state === 'retired' && runs, () => 'it is retired and runs: stop it now (I2)');
  say(
    fact.startsSinceRetired > 0,
    () => `it was started ${fact.startsSinceRetired} times since it was retired (I2)`,
  );
  if (state === 'retired' || !member.isFresh) return problems;
  say(state === 'down', () => downText(service, fact, runs));
  say(runs && !mayRun(member), () => 'it runs and was told to stop');
  say(
    runs && engine.active === true && !member.isLeader && !isStack(service),
    () => 'it leads although it must not (I1)',
  );
  const split = divergenceOf(service, member);
  if (split !== undefined) problems.push(divergenceText(service, split));
  for (const { message } of impairmentsOf(member, now)) problems.push(message);
  say(
    runs && engine.readOnly === true && !member.isLeader,
    () => 'it is read-only: is its upstream newer, or its disk full?',
  );
  say(
    runs && engine.paused === true && !member.isLeader,
    () => 'it is frozen: it takes nothing from its upstream until it is resumed',
  );
  say(
    runs && engine.uplink === false && !member.isLeader && !isStack(service),
    () => `its link to ${member.upstream ?? 'its upstream'} is down`,
  );
  const main = isStack(service) ? service.leader?.fact?.engine.version : undefined;
  say(
    runs && !member.isLeader && isOther(engine.version, main),
    () =>
      `it runs version ${engine.version ?? ''}, ${service.topology.leader}, the main process, ${main ?? ''}: what goes through both fails`,
  );
  say(runs && engine.health === 'failed', () => 'its health check says failed');
  say(
    state === 'behind' && lag !== undefined && lag > 0,
    () => `it is ${lag ?? 0} offsets behind ${service.topology.leader}`,
  );
  say(
    container.restartPolicy !== undefined && !isNoPolicy(container.restartPolicy),
    () =>
      `its restart policy is ${container.restartPolicy ?? ''}: it could start without asking (I2)`,
  );
  say(fact.storage.error !== undefined, () => `its storage: ${fact.storage.error ?? ''}`);
  for (const refusal of fact.refusals) problems.push(`its agent refuses: ${refusal.message}`);
  return problems;
}

function downText(service: ServiceAt, { container, engine }: MemberFact, runs: boolean): string {
  if (!runs) {
    const code = container.exitCode === undefined ? '' : ` with exit code ${container.exitCode}`;
    return `its container is ${container.state}${code}${container.error === undefined ? '' : `: ${container.error}`}`;
  }
  const lacks = isStack(service) ? 'is not ready' : 'does not lead';
  return `its program ${engine.answered ? lacks : 'does not answer'}: ${engine.error ?? 'no reason given'}`;
}

const isOther = (a: string | undefined, b: string | undefined): boolean =>
  isOlder(a, b) || isOlder(b, a);

const isNoPolicy = (policy: string): boolean => policy === 'no' || policy === '';

const agoOf = (member: MemberAt, now: number): string => {
  const seenAt = member.receivedAt ?? member.hostState?.lastSeenAt;
  return seenAt === undefined ? 'yet' : `for ${renderDuration(Math.max(0, now - seenAt))}`;
};

/** The same for several members, each with its name before its facts. */
export function evidenceOfAll(
  service: ServiceAt,
  members: readonly MemberAt[],
  now: number,
): readonly Evidence[] {
  return members.flatMap((member) => [
    evidence('member', member.name, { seenAt: member.hostState?.lastSeenAt }),
    ...evidenceOf(service, member, now),
  ]);
}

/** The facts that a diagnosis rests on, with their thresholds. */
export function evidenceOf(service: ServiceAt, member: MemberAt, now: number): readonly Evidence[] {
  const { fact, receivedAt: seenAt } = member;
  const host = evidence(
    'agent',
    member.hostState?.connected === true ? 'connected' : 'not connected',
    { wanted: 'connected', seenAt: member.hostState?.lastSeenAt },
  );
  if (fact === undefined) return [host];
  const { container, engine } = fact;
  const wantsRunning = member.intent?.run === 'running';
  const { lag } = diagnose(service, member, now);
  return [
    host,
    evidence('container', container.state, { wanted: wantsRunning ? 'running' : 'exited', seenAt }),
    evidence('engine', engineWord(fact), { wanted: wantsRunning ? 'answers' : undefined, seenAt }),
    ...(engine.version === undefined ? [] : [evidence('version', engine.version, { seenAt })]),
    ...(engine.position === undefined ? [] : [evidence('position', engine.position, { seenAt })]),
    ...divergenceEvidence(service, member),
    ...impairmentsOf(member, now).map((impairment) => impairment.evidence),
    ...(lag === undefined || member.isLeader
      ? []
      : [evidence('lag', lag, { wanted: `≤ ${allowedLag(service, member)}`, seenAt })]),
  ];
}

function engineWord({ container, engine }: MemberFact): string {
  if (engine.answered) return 'answers';
  if (container.state !== 'running') return 'not asked, it does not run';
  return `does not answer: ${engine.error ?? 'no reason given'}`;
}

/** Member names by whether they are healthy; retired ones are in neither. */
export function unhealthyOf(
  snapshot: Snapshot,
  service: ServiceAt,
): readonly { readonly member: MemberAt; readonly diagnosis: Diagnosis }[] {
  return livingOf(service)
    .map((member) => ({ member, diagnosis: diagnose(service, member, snapshot.now) }))
    .filter(({ diagnosis }) => !diagnosis.isHealthy);
}
