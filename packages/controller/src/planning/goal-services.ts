// Which services a goal names; a deploy's are in its manifest. Pure.
import type { Goal } from '@leafward/shared/gen/domain.js';

/** Empty for a deploy. */
export function servicesOfGoal(goal: Goal): readonly string[] {
  if (goal.kind === 'deploy') return [];
  if (goal.kind === 'fleet-update')
    return goal.updates.length === 0 ? goal.services : goal.updates.map(({ service }) => service);
  return [goal.service];
}
