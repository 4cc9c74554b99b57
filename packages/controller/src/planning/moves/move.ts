// What every kind of move is made of: a begin, a check, and steps as data. Pure. A step never says "probably":
// what facts do not show is a wait with its reason and its deadline.
import type {
  Evidence,
  Move,
  MoveProgress,
  Operation,
  Request,
  Wait,
} from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../../snapshot.js';
import type { Effect } from '../effects.js';
import { gatherService, type MemberAt, type ServiceAt } from '../gather.js';
import { silent } from '../safety.js';
import { REQUEST_EXPIRES_MS, SILENT_HOST_MS } from '../thresholds.js';
import { evidence, renderDuration } from '../words.js';

export interface MoveContext<M extends Move = Move> {
  readonly operation: Operation;
  readonly index: number;
  readonly move: M;
  readonly progress: MoveProgress;
  readonly snapshot: Snapshot;
}

export type Step =
  /** The next phase of this move begins: its number and its effects are committed together. */
  | {
      readonly kind: 'go';
      readonly phase: number;
      readonly effects: readonly Effect[];
      readonly progress?: Partial<MoveProgress>;
      readonly event?: string;
    }
  | { readonly kind: 'wait'; readonly wait: Wait; readonly progress?: Partial<MoveProgress> }
  | {
      readonly kind: 'done';
      readonly note: string;
      readonly effects?: readonly Effect[];
      readonly operation?: Pick<Operation, 'chosen' | 'chosenBecause'>;
    }
  /** The operation pauses: what happened, and what to do. */
  | { readonly kind: 'failed'; readonly reason: string };

/** One row of the table. `check` runs on every wake after the begin, with the phase in the progress. */
export interface MoveRow<M extends Move = Move> {
  begin(context: MoveContext<M>): Step;
  check(context: MoveContext<M>): Step;
}

export type MoveOf<K extends Move['kind']> = Extract<Move, { kind: K }>;

/** The service of a move; undefined before its first member is placed. */
export const serviceAt = (context: MoveContext): ServiceAt | undefined =>
  gatherService(context.snapshot, context.move.service);

export interface WaitText {
  readonly code: string;
  readonly subject: string;
  readonly message: string;
  readonly timeoutMs: number;
  readonly unblock: string;
  readonly evidence?: readonly Evidence[];
}

/**
 * Waits under a name; since when is kept as long as the name stays the same. Past its deadline the move fails
 * with what it waited for: an operator decides, never the clock.
 */
export function wait(
  context: MoveContext,
  text: WaitText,
): Extract<Step, { kind: 'wait' | 'failed' }> {
  const { now } = context.snapshot;
  const before = context.progress.wait;
  const same = before?.code === text.code && before.subject === text.subject;
  const since = same ? before.since : now;
  // While the controller was away it saw nothing: that time is nobody's fault.
  const countedSince = Math.max(since, context.snapshot.controllerStartedAt);
  if (now - countedSince > text.timeoutMs)
    return {
      kind: 'failed',
      reason: `${text.message}, for ${renderDuration(now - since)} now; ${text.unblock}`,
    };
  return {
    kind: 'wait',
    wait: {
      code: text.code,
      subject: text.subject,
      message: text.message,
      since,
      deadlineAt: countedSince + text.timeoutMs,
      unblock: text.unblock,
      evidence: text.evidence ?? [],
    },
  };
}

/** Since when the current phase waits under this code; undefined if it does not. */
export const waitsSince = (context: MoveContext, code: string): number | undefined =>
  context.progress.wait?.code === code ? context.progress.wait.since : undefined;

export function waitForHost(context: MoveContext, member: MemberAt): Step {
  const objection = silent(member);
  return wait(context, { ...objection, timeoutMs: SILENT_HOST_MS });
}

/** Deterministic: the same attempt never sends a second one (I12). */
export const requestId = (context: MoveContext, suffix?: string): string =>
  [
    context.operation.id,
    context.move.id,
    String(context.progress.attempt),
    ...(suffix === undefined ? [] : [suffix]),
  ].join('.');

type Act<R extends Request = Request> = R extends Request
  ? Omit<R, 'id' | 'epoch' | 'expiresAt'>
  : never;

export function sendRequest(
  context: MoveContext,
  options: { readonly host: string; readonly suffix?: string; readonly act: Act },
): Effect {
  const { snapshot } = context;
  return {
    kind: 'send-request',
    host: options.host,
    request: {
      ...options.act,
      id: requestId(context, options.suffix),
      epoch: snapshot.epoch,
      expiresAt: snapshot.now + REQUEST_EXPIRES_MS,
    },
  };
}

export const outcomeOf = (context: MoveContext, suffix?: string) =>
  context.snapshot.requests[requestId(context, suffix)]?.outcome;

/** The host has the newest intent on its disk, and the fact was told after this move began. */
export function hasTakenIntent(member: MemberAt): boolean {
  const state = member.hostState;
  const wanted = state?.intent?.generation;
  const taken = state?.acceptedGeneration;
  // One that is newer than wanted is another controller's, or of a store that was put back: not this order.
  return wanted === undefined || taken === wanted;
}

export const isSeenAfter = (member: MemberAt, moment: number | undefined): boolean =>
  member.isFresh && member.receivedAt !== undefined && member.receivedAt > (moment ?? 0);

export const generationEvidence = (member: MemberAt): Evidence =>
  evidence('generation at the host', member.hostState?.acceptedGeneration, {
    wanted: String(member.hostState?.intent?.generation ?? 0),
    seenAt: member.hostState?.lastSeenAt,
  });

/** What is to be said where an order is waited for that the agent has refused; empty while it has not. */
export const refusalText = (member: MemberAt): string =>
  member.hostState?.refusedIntent === undefined
    ? ''
    : `; its agent refuses it: ${member.hostState.refusedIntent}`;
