// When a member has settled: its host has taken the intent, it runs what it should in the role that it should,
// is ready and has caught up. Pure; shared by every move that changes members.
import type { Image, Role } from '@leafward/shared/gen/domain.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import { memberOf, type MemberAt, type ServiceAt } from '../gather.js';
import { evidenceOf } from '../diagnose.js';
import { ACCEPT_MS, REFUSAL_MS, SEED_MS } from '../thresholds.js';
import { isStack } from '../stack.js';
import { isOlder } from '../versions.js';
import { evidence } from '../words.js';
import {
  generationEvidence,
  hasTakenIntent,
  isSeenAfter,
  refusalText,
  wait,
  waitForHost,
  type MoveContext,
  type Step,
} from './move.js';

export interface Wanted {
  readonly member: string;
  readonly role: Role;
  /** Run id before a restart; the same one afterwards is the old program's last word. */
  readonly runIdBefore?: string | undefined;
  /** The version before; a lower one is a mistake that must not go on (I5). */
  readonly versionBefore?: string | undefined;
  /** A new mirror copies everything from its upstream before it answers. */
  readonly isNew?: boolean | undefined;
  /** Its upstream is newer: it follows, and replicates nothing before its own update. */
  readonly standsStill?: boolean | undefined;
  /** Of the reseed that its storage must have been filled by, to the end. */
  readonly reseeded?: string | undefined;
}

/** A step that is not `done` yet, or undefined when it has settled. */
export function settle(context: MoveContext, service: ServiceAt, wanted: Wanted): Step | undefined {
  const member = memberOf(service, wanted.member);
  if (member === undefined)
    return { kind: 'failed', reason: `${wanted.member} is not known in ${service.name} any more` };
  return (
    settleIntent(context, member) ??
    settleSeed(context, service, member, wanted) ??
    settleProgram(context, service, member, wanted) ??
    settleRole(context, service, member, wanted) ??
    (wanted.standsStill === true ? undefined : settlePosition(context, service, member))
  );
}

function settleIntent(context: MoveContext, member: MemberAt): Step | undefined {
  if (member.hostState?.connected !== true) return waitForHost(context, member);
  if (!hasTakenIntent(member) || !isSeenAfter(member, context.progress.begunAt))
    return wait(context, {
      code: 'intent-not-taken',
      subject: member.host,
      message: `host ${member.host} has not told yet that it took the newest intent${refusalText(member)}`,
      timeoutMs: ACCEPT_MS,
      unblock: `look at its agent: leafward why ${member.host}`,
      evidence: [generationEvidence(member)],
    });
  const [refusal] = member.fact?.refusals ?? [];
  if (refusal === undefined) return undefined;
  return wait(context, {
    code: 'agent-refuses',
    subject: member.name,
    message: `the agent of ${member.host} refuses: ${refusal.message}`,
    timeoutMs: REFUSAL_MS,
    unblock: refusal.unblock,
    evidence: refusal.evidence,
  });
}

function settleSeed(
  context: MoveContext,
  service: ServiceAt,
  member: MemberAt,
  { reseeded }: Wanted,
): Step | undefined {
  if (reseeded === undefined || member.fact?.storage.reseeded === reseeded) return undefined;
  const activity = member.fact?.activity;
  return wait(context, {
    code: 'seeding',
    subject: member.name,
    message: `${member.name} is not filled anew yet${activity === undefined ? '' : `: its agent is at ${activity}`}`,
    timeoutMs: SEED_MS,
    unblock: `wait; a copy that was cut short begins anew by itself; look at it with: leafward why ${member.name}`,
    evidence: [...evidenceOf(service, member, context.snapshot.now), ...agentWaits(member)],
  });
}

function settleProgram(
  context: MoveContext,
  service: ServiceAt,
  member: MemberAt,
  wanted: Wanted,
): Step | undefined {
  const { fact, intent } = member;
  if (fact === undefined || intent === undefined) return waitForHost(context, member);
  const { container, engine } = fact;
  const { update } = service.declaration;
  const facts = evidenceOf(service, member, context.snapshot.now);
  if (container.state === 'running' && engine.migrating !== undefined)
    return wait(context, {
      code: 'migrating',
      subject: member.name,
      message: `${member.name} migrates its data: ${engine.migrating}`,
      timeoutMs: update.migrationTimeoutMs,
      unblock: 'let it end; a migrating member is never killed',
      evidence: facts,
    });
  const isNewRun = wanted.runIdBefore === undefined || engine.runId !== wanted.runIdBefore;
  // What its agent is still at may stop it again: a mirror that is pointed elsewhere runs until then (I4).
  const isAtWork = fact.activity !== undefined;
  const isUp = container.state === 'running' && engine.answered;
  if (!isUp || isAtWork || !isWantedContainer(member) || !isNewRun)
    return wait(context, {
      code: 'starting',
      subject: member.name,
      message: `${member.name} ${startWord(member, isNewRun)}`,
      timeoutMs: update.readyTimeoutMs + (wanted.isNew === true ? update.catchUpTimeoutMs : 0),
      unblock: `look at it with: leafward why ${member.name}`,
      evidence: [...facts, ...agentWaits(member)],
    });
  if (isOlder(engine.version, wanted.versionBefore))
    return {
      kind: 'failed',
      reason: `${member.name} answers with version ${engine.version ?? ''} and had ${wanted.versionBefore ?? ''}: versions never go down (I5); take a newer image`,
    };
  return undefined;
}

function startWord(member: MemberAt, isNewRun: boolean): string {
  const { container, engine, activity } = member.fact ?? {};
  if (container?.state !== 'running')
    return `is ${container?.state ?? 'not seen'}${container?.error === undefined ? '' : `: ${container.error}`}`;
  if (!isNewRun || !isWantedContainer(member)) return 'still runs as before';
  if (engine?.answered === true) return `answers, and its agent is at ${activity ?? ''}`;
  return `runs and does not answer yet${engine?.error === undefined ? '' : `: ${engine.error}`}`;
}

const agentWaits = (member: MemberAt) =>
  (member.fact?.waits ?? []).map((waits) => evidence(`agent waits: ${waits.code}`, waits.message));

/** Made from the spec that is wanted, where the agent says from which; else at least from its image. */
function isWantedContainer(member: MemberAt): boolean {
  const container = member.fact?.container;
  const spec = member.intent?.spec;
  if (container === undefined || spec === undefined) return false;
  if (container.specDigest !== undefined) return container.specDigest === specDigestOf(spec);
  return isImage(container.imageDigest, spec.image);
}

const isImage = (digest: string | undefined, image: Image): boolean =>
  digest === undefined || digest === image.digest;

function settleRole(
  context: MoveContext,
  service: ServiceAt,
  member: MemberAt,
  wanted: Wanted,
): Step | undefined {
  const engine = member.fact?.engine;
  const leads = wanted.role === 'leader';
  const { update } = service.declaration;
  const facts = evidenceOf(service, member, context.snapshot.now);
  const notYet = (code: string, message: string, timeoutMs: number): Step =>
    wait(context, {
      code,
      subject: member.name,
      message: `${member.name} ${message}`,
      timeoutMs,
      unblock: `look at it with: leafward why ${member.name}`,
      evidence: facts,
    });
  if (isStack(service)) {
    // Nobody mirrors here: a main process leads by being there, a worker follows by being ready.
    if (engine?.ready === false)
      return notYet('not-ready', 'answers and is not ready yet', update.readyTimeoutMs);
    return undefined;
  }
  if (leads && engine?.active !== true)
    return notYet('not-leading', 'answers and does not lead yet', update.readyTimeoutMs);
  if (!leads && engine?.active === true)
    return notYet('leads-wrongly', 'leads although it must mirror (I1)', REFUSAL_MS);
  if (wanted.standsStill === true) return undefined;
  if (engine?.ready === false)
    return notYet('not-ready', 'answers and is not ready yet', update.readyTimeoutMs);
  if (engine?.readOnly === true) return notYet('read-only', 'is read-only', update.readyTimeoutMs);
  if (!leads && engine?.uplink === false)
    return notYet('no-uplink', 'has no link to its upstream yet', update.readyTimeoutMs);
  return undefined;
}

/**
 * Caught up: it has reached what its leader had when it was first seen ready. The leader's log may grow for ever,
 * so that mark is written down once and not moved.
 */
function settlePosition(
  context: MoveContext,
  service: ServiceAt,
  member: MemberAt,
): Step | undefined {
  if (member.isLeader || isStack(service)) return undefined;
  const position = member.fact?.engine.position;
  const leads = service.leader?.fact?.engine.position;
  if (leads === undefined || (position !== undefined && position >= leads)) return undefined;
  // A move with several members keeps one mark: the highest is enough for all of them.
  const target = context.progress.targetPosition ?? leads;
  if (position !== undefined && position >= target) return undefined;
  const step = wait(context, {
    code: 'catching-up',
    subject: member.name,
    message: `${member.name} is ready and catches up: ${position ?? 'no position'} of ${target}`,
    timeoutMs: service.declaration.update.catchUpTimeoutMs,
    unblock: `wait, or look whether its link holds: leafward why ${member.name}`,
    evidence: [
      evidence('position', position, { wanted: `≥ ${target}`, seenAt: member.receivedAt }),
      evidence(`position of ${service.topology.leader}`, leads, {
        seenAt: service.leader?.receivedAt,
      }),
    ],
  });
  return step.kind === 'wait' ? { ...step, progress: { targetPosition: target } } : step;
}

export const settledNote = (service: ServiceAt, member: string): string => {
  const engine = memberOf(service, member)?.fact?.engine;
  const parts = [
    ...(engine?.version === undefined ? [] : [`version ${engine.version}`]),
    ...(engine?.position === undefined ? [] : [`position ${engine.position}`]),
  ];
  return `${member} is ready${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`;
};
