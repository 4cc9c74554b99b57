// Several services updated in one plan, in the order in which they need each other: every image on its hosts first, then
// service by service as a single update does it. Pure.
import type { Goal } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { emptyDraft, join, type Draft } from './draft.js';
import type { FleetUpdateGoal } from './fleet-update.js';
import { gatherService } from './gather.js';
import { planUpdate } from './plan-update.js';

export function planFleetUpdate(snapshot: Snapshot, goal: FleetUpdateGoal): Draft {
  const drafts = goal.updates.map((update) => draftOf(snapshot, goal, update));
  const { moves, ...all } = join(drafts);
  const isPull = ({ kind }: Draft['moves'][number]): boolean => kind === 'pull';
  return {
    ...all,
    moves: [...moves.filter(isPull), ...moves.filter((move) => !isPull(move))],
  };
}

function draftOf(
  snapshot: Snapshot,
  { tag, options }: FleetUpdateGoal,
  update: FleetUpdateGoal['updates'][number],
): Draft {
  const service = gatherService(snapshot, update.service);
  if (service === undefined || update.image === '')
    return {
      ...emptyDraft,
      services: [update.service],
      refusals: [
        service === undefined
          ? {
              code: 'no-such-service',
              subject: update.service,
              message: `there is no service ${update.service}`,
              unblock: `there are: ${Object.keys(snapshot.services).sort().join(', ') || 'none yet'}`,
              evidence: [],
            }
          : {
              code: 'image-unknown',
              subject: update.service,
              message: `the image ${service.declaration.image} of ${update.service} has no version in its name that ${tag} could take the place of`,
              unblock: `update it by itself: leafward plan update ${update.service} --image REFERENCE`,
              evidence: [],
            },
      ],
    };
  const own: Extract<Goal, { kind: 'update' }> = { kind: 'update', ...update, options };
  const draft = planUpdate(snapshot, service, own);
  return {
    ...draft,
    gates: draft.gates.map((gate) => ({ ...gate, name: `${update.service}: ${gate.name}` })),
  };
}
