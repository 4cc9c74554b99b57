// What leaves the controller towards an operator's screen: plans and operations without the values of a member's
// environment, which may hold passwords and one-time URLs (I14). The store keeps them; hosts need them.
import type { Goal, MemberSpec, Move, Operation, Plan } from '@leafward/shared/gen/domain.js';

const HIDDEN = '[hidden]';

export const showPlan = (plan: Plan): Plan => ({
  ...plan,
  goal: showGoal(plan.goal),
  moves: plan.moves.map(showMove),
});

export const showOperation = (operation: Operation): Operation => ({
  ...operation,
  goal: showGoal(operation.goal),
  moves: operation.moves.map(showMove),
});

/** The manifest's text holds the same values. */
const showGoal = (goal: Goal): Goal =>
  goal.kind === 'deploy' ? { ...goal, manifest: HIDDEN } : goal;

function showMove(move: Move): Move {
  switch (move.kind) {
    case 'place':
      return { ...move, intent: { ...move.intent, spec: showSpec(move.intent.spec) } };
    case 'recreate':
      return { ...move, spec: showSpec(move.spec) };
    default:
      return move;
  }
}

function showSpec(spec: MemberSpec): MemberSpec {
  const names = Object.keys(spec.environment);
  return { ...spec, environment: Object.fromEntries(names.map((name) => [name, HIDDEN])) };
}
