// An operation's record: how it begins and what an operator's word does to it. Pure.
import type { Operation, OperationControl, Plan } from '@leafward/shared/gen/domain.js';

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
  };
}

/** `why` says who ordered it and the reason; it becomes the operation's reason. */
export function controlOperation(
  operation: Operation,
  _control: OperationControl,
  _why: string,
  _now: number,
): Operation {
  return operation;
}
