// Several services updated in one plan, in the order in which they need each other: every image on its hosts first, then
// service by service as a single update does it. Pure.
import type { Goal } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { emptyDraft, join, type Draft } from './draft.js';
import type { FleetUpdateGoal } from './fleet-update.js';
import { gatherService } from './gather.js';
import { directMirrors } from './low-downtime.js';
import { planUpdate } from './plan-update.js';

export function planFleetUpdate(snapshot: Snapshot, goal: FleetUpdateGoal): Draft {
  const drafts = goal.updates.map((update) => draftOf(snapshot, goal, update));
  const { moves, refusals, expectedDowntimeMs, ...all } = join(drafts);
  const changed = drafts.filter((draft) => draft.moves.length > 0);
  const isPull = ({ kind }: Draft['moves'][number]): boolean => kind === 'pull';
  return {
    ...all,
    refusals: saidOnce(refusals),
    ...(changed.some((draft) => draft.expectedDowntimeMs === undefined)
      ? {}
      : { expectedDowntimeMs }),
    moves: [...moves.filter(isPull), ...moves.filter((move) => !isPull(move))],
  };
}

/** A flag day is one for all of them. */
const saidOnce = (refusals: Draft['refusals']): Draft['refusals'] =>
  refusals.filter(
    ({ message }, index) => refusals.findIndex((other) => other.message === message) === index,
  );

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
  // What has no mirror is down in any case; nobody means to keep the whole fleet from its update for that.
  const hasNoMirror = options?.strategy === 'low-downtime' && directMirrors(service).length === 0;
  const own: Extract<Goal, { kind: 'update' }> = {
    kind: 'update',
    ...update,
    options: hasNoMirror ? { ...options, strategy: 'leafs-first' } : options,
  };
  const draft = planUpdate(snapshot, service, own);
  return {
    ...draft,
    warnings:
      hasNoMirror && draft.moves.length > 0
        ? [
            ...draft.warnings,
            `${service.name} has no mirror: it is down while it restarts, low-downtime or not`,
          ]
        : draft.warnings,
    gates: draft.gates.map((gate) => ({ ...gate, name: `${update.service}: ${gate.name}` })),
  };
}
