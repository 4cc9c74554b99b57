// What the model needs to know of updates: goals as the controller completes them, and the one exception to I3.
import { completeFleetUpdate, imagesNeeded } from '@leafward/controller/planning/index.js';
import type { Snapshot } from '@leafward/controller/snapshot.js';
import type { Goal, Image, Operation } from '@leafward/shared/gen/domain.js';

/** As the plan desk would have it: images resolved, a fleet's services in their order. */
export function exactGoal(
  snapshot: Snapshot,
  goal: Goal,
  imageOf: (reference: string) => Image,
): Goal {
  if (goal.kind === 'update') return { ...goal, resolved: imageOf(goal.image) };
  if (goal.kind === 'restore' && goal.image !== undefined)
    return { ...goal, resolved: imageOf(goal.image) };
  if (goal.kind !== 'fleet-update') return goal;
  const { updates, ...rest } = completeFleetUpdate(snapshot, goal);
  return { ...rest, updates: updates.map((one) => ({ ...one, resolved: imageOf(one.image) })) };
}

export const imagesFor = (
  snapshot: Snapshot,
  goal: Goal,
  imageOf: (reference: string) => Image,
): Record<string, Image> =>
  Object.fromEntries(
    imagesNeeded(snapshot, goal).map(({ reference }) => [reference, imageOf(reference)]),
  );

/** The old leader of a low-downtime update, from its hand-over until its own update; also of one that was given up. */
export const mayBeOlder = (operations: readonly Operation[], member: string): boolean =>
  operations.some(({ moves, progress }) =>
    moves.some(
      (move, index) =>
        move.kind === 'hand-over' &&
        move.leavesOlder === true &&
        move.from === member &&
        progress[index]?.state !== 'pending' &&
        progress[index + 1]?.state !== 'done',
    ),
  );
