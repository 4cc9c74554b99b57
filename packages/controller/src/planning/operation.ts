// An operation's record: how it begins and what an operator's word does to it. Pure.
import type {
  Move,
  MoveProgress,
  Operation,
  OperationControl,
  Plan,
} from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { hasBegun, hasStopped, hasTouched } from './halted.js';

export interface OperationStart {
  readonly id: string;
  readonly createdBy: string;
  readonly now: number;
}

export function newOperation(plan: Plan, start: OperationStart): Operation {
  return {
    id: start.id,
    planId: plan.id,
    goal: plan.goal,
    state: 'running',
    services: plan.services,
    moves: plan.moves,
    progress: plan.moves.map(() => ({ state: 'pending', attempt: 0, phase: 0 })),
    createdBy: start.createdBy,
    createdAt: start.now,
    abortRequested: false,
    outlooks: plan.outlooks,
  };
}

/**
 * `why` says who ordered it and the reason; it becomes the operation's reason. An operation that has ended is
 * returned as it is. Pausing stops nothing that has begun; a resumed move that failed begins a new attempt.
 */
export function controlOperation(
  operation: Operation,
  control: OperationControl,
  why: string,
  now: number,
): Operation {
  if (operation.state !== 'running' && operation.state !== 'paused') return operation;
  switch (control) {
    case 'pause':
      return { ...operation, state: 'paused', reason: why };
    case 'resume':
      return {
        ...operation,
        state: 'running',
        reason: why,
        progress: operation.progress.map((move) =>
          move.state === 'failed' ? anew(move) : patientAnew(move),
        ),
      };
    case 'abort':
      return abort(operation, why, now);
  }
}

/** The run id of the first begin stays: the member may have restarted before the attempt failed. */
const anew = (move: MoveProgress): MoveProgress => ({
  state: 'pending',
  attempt: move.attempt + 1,
  phase: 0,
  runIdBefore: move.runIdBefore,
});

/** The time that an operator took to look is not counted against what is waited for. */
const patientAnew = ({ wait: _, ...move }: MoveProgress): MoveProgress => move;

/**
 * At once when nothing is going on; else at the next safe point. A failover that has fenced goes through to the
 * end, unless it failed: then it stops where it is, and the next failover plan begins with what it finds.
 */
function abort(operation: Operation, why: string, now: number): Operation {
  const isFailed = operation.progress.some((move) => move.state === 'failed');
  const isIdle =
    !operation.progress.some((move) => move.state === 'begun') && !isHalfway(operation);
  // What it has stopped must be started again first.
  if ((isFailed || isIdle) && !hasStopped(operation))
    return { ...operation, state: 'aborted', reason: why, endedAt: now };
  return { ...operation, state: 'running', abortRequested: true, reason: why };
}

/** Nobody may lead now, or not everybody runs again: giving up here would leave the service down. */
export const isHalfway = (operation: Operation, snapshot?: Snapshot): boolean =>
  isBetweenFenceAndRepoint(operation) ||
  operation.services.some((name) => isDown(operation, name, snapshot));

/** From the restore, or from the first stop of a whole stack, until the last of its members was started again. */
function isDown(operation: Operation, service: string, snapshot?: Snapshot): boolean {
  const { moves, progress } = operation;
  const indexOf = (kinds: readonly Move['kind'][]): number =>
    moves.findIndex((move) => move.service === service && kinds.includes(move.kind));
  const stop = indexOf(['halt']);
  if (stop === -1) return false;
  const restore = indexOf(['restore', 'migrate']);
  const pivot = Math.max(stop, restore);
  const last = moves.findLastIndex(
    (move) =>
      move.service === service && ['restore', 'migrate', 'recreate', 'place'].includes(move.kind),
  );
  const isPast =
    restore !== -1 && snapshot !== undefined
      ? hasTouched(operation, snapshot)
      : hasBegun(operation, pivot);
  return isPast && progress[last]?.state !== 'done';
}

/** The old leader is, or may be, stopped, and not everybody follows the new one yet. */
function isBetweenFenceAndRepoint(operation: Operation): boolean {
  const stateOf = (kind: 'fence' | 'repoint') =>
    operation.progress[operation.moves.findIndex((move) => move.kind === kind)]?.state;
  const fence = stateOf('fence');
  return fence !== undefined && fence !== 'pending' && stateOf('repoint') !== 'done';
}
