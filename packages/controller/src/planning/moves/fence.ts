// fence: the old leader is stopped for ever, on its host's disk and in its storage, before anybody else leads
// (I1, I2). Proof is its agent's word, or of a silent host its lease; the operator's word counts only while that agent
// is not there.
import { memberOf, type MemberAt, type ServiceAt } from '../gather.js';
import { evidenceOf } from '../diagnose.js';
import { BEGIN_PATIENCE_MS, START_GRACE_MS } from '../thresholds.js';
import { leaseLeftMs } from '../lease.js';
import { evidence, renderDuration } from '../words.js';
import {
  generationEvidence,
  hasTakenIntent,
  isSeenAfter,
  refusalText,
  serviceAt,
  wait,
  type MoveContext,
  type MoveOf,
  type MoveRow,
  type Step,
} from './move.js';
import { isStopped } from './stopped.js';

type Context = MoveContext<MoveOf<'fence'>>;

export const fence: MoveRow<MoveOf<'fence'>> = {
  begin: (context) => {
    const { move } = context;
    const service = serviceAt(context);
    const member = service === undefined ? undefined : memberOf(service, move.member);
    if (member?.intent === undefined)
      return { kind: 'failed', reason: `${move.member} is not placed any more; plan again` };
    return {
      kind: 'go',
      phase: 1,
      event: `fences ${move.member} on ${move.host}: it must never start again, term ${move.term}`,
      effects: [
        {
          kind: 'set-intents',
          host: member.host,
          intents: [
            { ...member.intent, run: 'retired', term: Math.max(move.term, member.intent.term) },
          ],
        },
      ],
    };
  },
  check: (context) => {
    const { move } = context;
    const service = serviceAt(context);
    const member = service === undefined ? undefined : memberOf(service, move.member);
    if (service === undefined || member === undefined)
      return { kind: 'failed', reason: `${move.member} is not known any more; plan again` };
    const proof = proofOf(context, member);
    if (proof !== undefined) return { kind: 'done', note: proof };
    const isConnected = member.hostState?.connected === true;
    if (!isConnected && move.untilFencedMs !== undefined)
      return waitForLease(context, member, move.untilFencedMs);
    return wait(context, {
      code: 'fence-unproven',
      subject: move.member,
      message: isConnected
        ? `the agent of ${move.host} has not proven yet that ${move.member} is stopped${refusalText(member)}`
        : `host ${move.host} is silent: ${move.member} may still lead behind a broken line`,
      timeoutMs: Math.max(BEGIN_PATIENCE_MS, 2 * service.declaration.stopGraceMs),
      unblock: isConnected
        ? `wait for its agent, or look at it: leafward why ${move.host}`
        : `bring the host back; or switch it off for certain, abort this operation and say so: leafward plan failover ${move.service} --leader-is-off "reason"`,
      evidence: [
        ...evidenceOf(service, member, context.snapshot.now),
        evidence('retired in its storage at term', member.fact?.storage.retiredAtTerm, {
          wanted: `≥ ${move.term}`,
          seenAt: member.receivedAt,
        }),
        generationEvidence(member),
      ],
    });
  },
};

/** Its own host stops it, be its agent well or not: all that is needed is time. */
function waitForLease(context: Context, member: MemberAt, untilFencedMs: number): Step {
  const { move, snapshot } = context;
  const leftMs = leaseLeftMs(snapshot, member.host, untilFencedMs);
  const left = Number.isFinite(leftMs) ? ` for ${renderDuration(leftMs)}` : '';
  const { answeredAtMs } = member.hostState ?? {};
  return wait(context, {
    code: 'lease-runs',
    subject: move.member,
    message: `host ${move.host} is silent: ${move.member} may still lead${left}, then its own host has stopped it`,
    timeoutMs: untilFencedMs + START_GRACE_MS + BEGIN_PATIENCE_MS,
    unblock: `wait: it goes on by itself; only for a host whose power is off for certain: leafward plan failover ${move.service} --leader-is-off "reason" --at-once`,
    evidence: [
      evidence('stopped at the latest', `${renderDuration(untilFencedMs)} after the last answer`),
      evidence(
        'last answer',
        answeredAtMs === undefined || snapshot.monotonicMs === undefined
          ? 'none of this controller; an earlier one’s may have been just before it began'
          : `${renderDuration(Math.max(0, snapshot.monotonicMs - answeredAtMs))} ago`,
      ),
    ],
  });
}

/**
 * The operator said that it is off, and its host is here: then its own agent must show it stopped before anybody
 * else leads (I1). Undefined: nothing stands against the proof.
 */
export function fenceAgain(context: MoveContext, service: ServiceAt): Step | undefined {
  const move = context.operation.moves.find((other) => other.kind === 'fence');
  const member = move?.kind === 'fence' ? memberOf(service, move.member) : undefined;
  if (member?.hostState?.connected !== true || (member.isFresh && isStopped(member)))
    return undefined;
  return wait(context, {
    code: 'fence-unproven',
    subject: member.name,
    message: `host ${member.host} is back, and its agent has not shown yet that ${member.name} is stopped${refusalText(member)}`,
    timeoutMs: BEGIN_PATIENCE_MS,
    unblock: `wait for its agent, or look at it: leafward why ${member.host}; or switch the host off for certain`,
    evidence: [...evidenceOf(service, member, context.snapshot.now), generationEvidence(member)],
  });
}

/** Why it is certain that the old leader is stopped and stays so; undefined while it is not. */
function proofOf(context: Context, member: MemberAt): string | undefined {
  const { move, snapshot, progress } = context;
  if (member.hostState?.connected === true) {
    if (!hasTakenIntent(member) || !isSeenAfter(member, progress.begunAt)) return undefined;
    const { container, storage } = member.fact ?? {};
    if (!isStopped(member)) return undefined;
    if ((storage?.retiredAtTerm ?? 0) >= move.term)
      return `${move.member} is ${container?.state ?? ''} and its storage says retired`;
    // A storage that cannot be written cannot be led from either; the agent's own disk has the intent.
    return storage?.error === undefined
      ? undefined
      : `${move.member} is ${container?.state ?? ''}; its storage cannot be marked: ${storage.error}`;
  }
  // After a start of the controller every agent is silent for a moment: that is no reason to believe anything.
  const isSettled = snapshot.now - snapshot.controllerStartedAt >= START_GRACE_MS;
  if (!isSettled) return undefined;
  const { untilFencedMs } = move;
  const word = move.leaderIsOff?.trim() ?? '';
  const said = `${move.host} is silent and the operator says that it is off: ${word}`;
  if (untilFencedMs !== undefined && leaseLeftMs(snapshot, member.host, untilFencedMs) <= 0)
    return word === ''
      ? `${move.host} has been silent for longer than ${renderDuration(untilFencedMs)}: it has stopped ${move.member} by itself`
      : `${said}; and its lease is over`;
  // A word is waited with as long as the host may prove it wrong by itself, unless it was meant for at once.
  const isEnough = untilFencedMs === undefined || move.atOnce === true;
  return word !== '' && isEnough ? said : undefined;
}
