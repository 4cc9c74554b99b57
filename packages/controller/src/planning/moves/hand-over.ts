// hand-over: the two members pass leadership on by themselves; tree, term and intents follow once it happened.
// Where they cannot, the controller stops one and promotes the other: hand-over-by-stopping.ts.
// Phases: 1 asked, 2 the answer is no proof, so observation decides, 3 it happened, everybody settles.
import { memberOf, type ServiceAt } from '../gather.js';
import { evidenceOf } from '../diagnose.js';
import { OUTCOME_MS, PROMOTE_MS, SILENT_HOST_MS } from '../thresholds.js';
import { happened, isActive, isFollowed, isHandedOver, settled } from './handed-over.js';
import { beginByStopping, checkByStopping } from './hand-over-by-stopping.js';
import {
  isSeenAfter,
  outcomeOf,
  sendRequest,
  serviceAt,
  wait,
  waitForHost,
  waitsSince,
  type MoveContext,
  type MoveOf,
  type MoveRow,
  type Step,
} from './move.js';

type Context = MoveContext<MoveOf<'hand-over'>>;

export const handOver: MoveRow<MoveOf<'hand-over'>> = {
  begin: (context) => {
    const { move } = context;
    const service = serviceAt(context);
    const target = service === undefined ? undefined : memberOf(service, move.to);
    if (service === undefined || target === undefined)
      return { kind: 'failed', reason: `${move.to} is not known any more; plan again` };
    if (move.byStopping === true) return beginByStopping(context, service, target);
    // An earlier attempt ended as it was meant to, only nobody was there to see it.
    if (service.topology.term === move.term && service.topology.leader === move.to)
      return { kind: 'go', phase: 3, effects: [] };
    if (isHandedOver(service, move)) return happened(context, service, 3);
    return {
      kind: 'go',
      phase: 1,
      event: `asks ${move.to} to take over from ${move.from}, term ${move.term}`,
      effects: [
        sendRequest(context, {
          host: target.host,
          act: {
            kind: 'promote',
            member: move.to,
            term: move.term,
            graceful: true,
            timeoutMs: PROMOTE_MS,
          },
        }),
      ],
    };
  },
  check: (context) => {
    const service = serviceAt(context);
    if (service === undefined)
      return {
        kind: 'failed',
        reason: `${context.move.service} is not known any more; plan again`,
      };
    if (context.move.byStopping === true) return checkByStopping(context, service);
    if (context.progress.phase === 1) return answered(context, service);
    if (context.progress.phase === 2) return observed(context, service);
    return settled(context, service);
  },
};

/** Until the outcome is told nothing is concluded: the act may still be going on. */
function answered(context: Context, service: ServiceAt): Step {
  const { move } = context;
  const outcome = outcomeOf(context);
  if (outcome?.state === 'succeeded') return happened(context, service, 3);
  if (outcome?.state === 'refused')
    return {
      kind: 'failed',
      reason: `the agent of ${move.to} refused to promote it: ${outcome.message ?? 'no reason given'}; nothing has changed`,
    };
  if (outcome?.state === 'failed' || outcome?.state === 'unknown')
    return {
      kind: 'go',
      phase: 2,
      effects: [],
      event: `the promotion of ${move.to} ${outcome.state === 'unknown' ? 'has an unknown end' : `failed: ${outcome.message ?? 'no reason given'}`}; looks who leads`,
    };
  const target = memberOf(service, move.to);
  if (target !== undefined && target.hostState?.connected !== true)
    return waitForHost(context, target);
  return wait(context, {
    code: 'promoting',
    subject: move.to,
    message: `${move.to} takes over from ${move.from}`,
    timeoutMs: PROMOTE_MS + OUTCOME_MS,
    unblock: `look at its agent: leafward why ${move.to}`,
    evidence: target === undefined ? [] : evidenceOf(service, target, context.snapshot.now),
  });
}

/** Decides by what both members say of themselves after the answer, never by the answer alone. */
function observed(context: Context, service: ServiceAt): Step {
  const { move, snapshot } = context;
  const since = waitsSince(context, 'observing') ?? snapshot.now;
  const from = memberOf(service, move.from);
  const to = memberOf(service, move.to);
  if (from === undefined || to === undefined)
    return {
      kind: 'failed',
      reason: 'a member of this hand-over is not known any more; plan again',
    };
  const isFreshPair = isSeenAfter(from, since) && isSeenAfter(to, since);
  const leads = isActive(to) && !isActive(from);
  if (isFreshPair && (leads || isFollowed(service, from, to))) return happened(context, service, 3);
  if (isFreshPair && isActive(from) && !isActive(to))
    return {
      kind: 'failed',
      reason: `${move.from} still leads and ${move.to} does not: nothing has changed; resume to try again, or abort`,
    };
  return wait(context, {
    code: 'observing',
    subject: move.service,
    message: isFreshPair
      ? isActive(from)
        ? `both ${move.from} and ${move.to} say that they lead (I1)`
        : `neither ${move.from} nor ${move.to} says that it leads`
      : `who leads is not known: ${move.from} and ${move.to} must both be seen`,
    timeoutMs: SILENT_HOST_MS,
    unblock: 'bring both hosts into sight; which of them leads is never guessed',
    evidence: [
      ...evidenceOf(service, from, snapshot.now),
      ...evidenceOf(service, to, snapshot.now),
    ],
  });
}
