// From a goal to a plan: picks the planner, adds what all plans share, and proves the result safe. Pure.
import { unreachable } from '@leafward/shared/assert.js';
import type { Goal, Image, Move, Plan } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { basisOf } from './basis.js';
import { digestOf } from './digest.js';
import { emptyDraft, type Draft } from './draft.js';
import { gatherService } from './gather.js';
import { planBackup } from './plan-backup.js';
import { planDeploy } from './plan-deploy.js';
import { planFailover } from './plan-failover.js';
import { planFleetUpdate } from './plan-fleet-update.js';
import { planMigrate } from './plan-migrate.js';
import { planOptimize } from './plan-optimize.js';
import { planPromote } from './plan-promote.js';
import { planReseed } from './plan-reseed.js';
import { planRestore } from './plan-restore.js';
import { planRestoreMember } from './plan-restore-member.js';
import { withSpace } from './plan-space.js';
import { planTrim } from './plan-trim.js';
import { planUpdate } from './plan-update.js';
import { assertPlanSafe } from './prove-plan.js';

/**
 * `images`: what references were resolved to, by reference (imagesNeeded says which are needed). Never throws on
 * what an operator or a fleet can do: that is refusals. @throws AssertionError when a planner is wrong.
 */
export function planGoal(
  snapshot: Snapshot,
  goal: Goal,
  images: Readonly<Record<string, Image>>,
): Plan {
  const draft = withSpace(snapshot, draftOf(snapshot, goal, images));
  const moves = draft.moves.map((move, index): Move => ({ ...move, id: `m${index + 1}` }));
  const basis = basisOf(snapshot, goal, draft.services);
  const plan: Plan = {
    id: `${goal.kind}-${digestOf(`${basis} ${snapshot.now}`).slice(0, 8)}`,
    goal,
    madeAt: snapshot.now,
    moves,
    gates: draft.gates,
    refusals: draft.refusals,
    warnings: draft.warnings,
    unchanged: draft.unchanged,
    expectedDowntimeMs: draft.expectedDowntimeMs,
    basis,
    services: draft.services,
    outlooks: draft.outlooks === undefined ? undefined : { services: draft.outlooks },
  };
  // A refused plan is shown with what it would have done; it is never carried out, so nothing is to be proven.
  if (plan.refusals.length === 0) assertPlanSafe(snapshot, plan);
  return plan;
}

function draftOf(snapshot: Snapshot, goal: Goal, images: Readonly<Record<string, Image>>): Draft {
  if (goal.kind === 'deploy') return planDeploy(snapshot, goal, images);
  if (goal.kind === 'fleet-update') return planFleetUpdate(snapshot, goal);
  const service = gatherService(snapshot, goal.service);
  if (service === undefined)
    return {
      ...emptyDraft,
      refusals: [
        {
          code: 'no-such-service',
          subject: goal.service,
          message: `there is no service ${goal.service}`,
          unblock: `there are: ${Object.keys(snapshot.services).sort().join(', ') || 'none yet'}`,
          evidence: [],
        },
      ],
    };
  switch (goal.kind) {
    case 'update':
      return planUpdate(snapshot, service, goal);
    case 'promote':
      return planPromote(snapshot, service, goal);
    case 'failover':
      return planFailover(snapshot, service, goal);
    case 'backup':
      return planBackup(snapshot, service, goal);
    case 'reseed':
      return planReseed(snapshot, service, goal);
    case 'restore':
      return goal.member === undefined
        ? planRestore(snapshot, service, goal)
        : planRestoreMember(snapshot, service, goal);
    case 'migrate':
      return planMigrate(snapshot, service, goal);
    case 'optimize':
      return planOptimize(snapshot, service);
    case 'trim':
      return planTrim(snapshot, service);
    default:
      return unreachable(goal);
  }
}
