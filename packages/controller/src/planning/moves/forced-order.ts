// The order to promote one member by force, watched until it is seen to lead and to take writes. Must only be given
// when the term has begun and whoever led before is proven stopped: that is the business of the moves that use it.
import type { Outcome } from '@leafward/shared/gen/domain.js';
import type { Effect } from '../effects.js';
import { evidenceOf } from '../diagnose.js';
import type { MemberAt, ServiceAt } from '../gather.js';
import { OUTCOME_MS, PROMOTE_MS } from '../thresholds.js';
import {
  isSeenAfter,
  outcomeOf,
  sendRequest,
  wait,
  waitForHost,
  waitsSince,
  type MoveContext,
  type Step,
} from './move.js';

/** Orders of one attempt: an agent that died in the middle should not cost an operator's minutes. */
const MAX_ORDERS = 3;

export interface ForcedOrder {
  readonly target: MemberAt;
  readonly term: number;
  /** The phase in which the first order is out; each further one is a phase more. */
  readonly firstPhase: number;
  /** Begins the names of its requests, where the move sends others too. */
  readonly name?: string | undefined;
}

/** `number`: 1 for the first order of an attempt. */
export const giveOrder = (context: MoveContext, order: ForcedOrder, number = 1): Effect => {
  const suffix = suffixOf(order, number);
  return sendRequest(context, {
    host: order.target.host,
    ...(suffix === undefined ? {} : { suffix }),
    act: {
      kind: 'promote',
      member: order.target.name,
      term: order.term,
      graceful: false,
      timeoutMs: PROMOTE_MS,
    },
  });
};

function suffixOf({ name }: ForcedOrder, number: number): string | undefined {
  const again = number <= 1 ? '' : `again${number}`;
  return name === undefined ? again || undefined : `${name}${again}`;
}

/** What is still to be waited for, or undefined when it leads and takes writes. */
export function watchOrder(
  context: MoveContext,
  service: ServiceAt,
  order: ForcedOrder,
): Step | undefined {
  const { snapshot, progress } = context;
  const { target } = order;
  if (isSeenAfter(target, progress.begunAt) && leadsWritable(target)) return undefined;
  const outcome = outcomeOf(context, suffixOf(order, progress.phase - order.firstPhase + 1));
  if (outcome?.state === 'refused')
    return {
      kind: 'failed',
      reason: `the agent of ${target.host} refused to promote ${target.name}: ${outcome.message ?? 'no reason given'}; resume to try again`,
    };
  if (target.hostState?.connected !== true) return waitForHost(context, target);
  if (outcome?.state === 'failed' || outcome?.state === 'unknown')
    return unclear(context, service, order, outcome);
  return wait(context, {
    code: 'not-leading',
    subject: target.name,
    message: `${target.name} is not seen to lead and take writes yet`,
    timeoutMs: PROMOTE_MS + OUTCOME_MS,
    unblock: `look at it with: leafward why ${target.name}; resume to order it again`,
    evidence: evidenceOf(service, target, snapshot.now),
  });
}

/**
 * It failed, or nobody knows. Seen not to lead after that, it is ordered again: the same member in the same term,
 * which harms nobody if the first order was carried out after all.
 */
function unclear(
  context: MoveContext,
  service: ServiceAt,
  order: ForcedOrder,
  outcome: Pick<Outcome, 'state' | 'message'>,
): Step {
  const { target } = order;
  const { phase } = context.progress;
  const number = phase - order.firstPhase + 1;
  const code = `promotion-unclear-${number}`;
  const since = waitsSince(context, code);
  const said = `${outcome.state === 'unknown' ? 'has an unknown end' : 'failed'}: ${outcome.message ?? 'no reason given'}`;
  const isSeen = since !== undefined && isSeenAfter(target, since);
  if (isSeen && number < MAX_ORDERS)
    return {
      kind: 'go',
      phase: phase + 1,
      event: `the promotion of ${target.name} ${said}; it does not lead, so it is ordered again`,
      effects: [giveOrder(context, order, number + 1)],
    };
  if (isSeen)
    return {
      kind: 'failed',
      reason: `the promotion of ${target.name} ${said}, ${MAX_ORDERS} times; look at it with: leafward why ${target.name}; resume to try again`,
    };
  return wait(context, {
    code,
    subject: target.name,
    message: `the promotion of ${target.name} ${said}; looks whether it leads`,
    timeoutMs: OUTCOME_MS,
    unblock: `look at its agent: leafward why ${target.host}`,
    evidence: evidenceOf(service, target, context.snapshot.now),
  });
}

export const leadsWritable = ({ fact }: MemberAt): boolean =>
  fact?.container.state === 'running' &&
  fact.engine.active === true &&
  fact.engine.readOnly !== true;
