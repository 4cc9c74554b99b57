// Plans and operations as operators order them. A plan is kept as it was shown; to apply it the planner is asked
// again, and any difference that matters makes it stale.
import { randomBytes } from 'node:crypto';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Goal, Operation, OperationControl, Plan } from '@leafward/shared/gen/domain.js';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import type { Change, Images } from '../changes.js';
import type { Fleet } from '../fleet.js';
import { resolveImages } from '../images.js';
import { withLooks } from '../looks.js';
import {
  basisFactsOf,
  changesSince,
  completeFleetUpdate,
  controlOperation,
  goalWithNotes,
  imagesNeeded,
  isStale,
  newOperation,
  objectToPlanning,
  planGoal,
  servicesOfGoal,
} from '../planning/index.js';
import type { Snapshot } from '../snapshot.js';
import type { FleetStore, StoredPlan } from '../store/fleet-store.js';
import type { Operator } from './access.js';

export interface PlanDesk {
  /** Never changes anything but the list of plans. @throws LeafwardError */
  make(goal: Goal): Promise<Plan>;
  apply(id: string, by: Operator): Promise<Operation>;
  control(id: string, control: OperationControl, reason: string, by: Operator): Promise<Operation>;
}

export function createPlanDesk(fleet: Fleet, store: FleetStore, clock: Clock): PlanDesk {
  return {
    make: async (asked) => {
      const goal = completed(asked, fleet.snapshot());
      assertRebuilt(goal, fleet.snapshot());
      assertGoal(goal, fleet.snapshot());
      const images = await resolveImages(fleet, clock, imagesNeeded(fleet.snapshot(), goal));
      const exact = await withLooks(fleet, clock, withImage(goal, images), images);
      return fleet.transact((snapshot) => {
        const plan = planGoal(snapshot, goalWithNotes(snapshot, exact), images);
        const facts = basisFactsOf(snapshot, plan.services);
        return { changes: [{ kind: 'plan', plan, images, facts }], value: plan };
      });
    },
    apply: async (id, by) => {
      const stored = await store.plan(id);
      if (stored === undefined)
        throw new LeafwardError('not-found', `apply plan ${id}: there is no such plan`);
      return fleet.transact((snapshot) => begin(snapshot, stored, by));
    },
    control: (id, control, reason, by) =>
      fleet.transact((snapshot) => {
        const before = snapshot.operations.find((operation) => operation.id === id);
        if (before === undefined)
          throw new LeafwardError('not-found', `${control} operation ${id}: it is not going on`);
        const why =
          reason === '' ? `${control} by ${by.name}` : `${control} by ${by.name}: ${reason}`;
        const operation = controlOperation(before, control, why, snapshot.now);
        return {
          value: operation,
          changes: [{ kind: 'operation', operation, events: [why], at: snapshot.now }],
        };
      }),
  };
}

/** @throws LeafwardError `refused`: what a store has lost or forgotten is not there to be planned with. */
function assertRebuilt(goal: Goal, snapshot: Snapshot): void {
  const objections = objectToPlanning(snapshot, goal);
  if (objections.length === 0) return;
  const why =
    snapshot.olderCopy === undefined
      ? 'the store is not rebuilt yet'
      : 'the store has forgotten what agents know';
  throw new LeafwardError('refused', `plan ${goal.kind}: ${why}`, {
    detail: objections.map(({ message, unblock }) => `${message}; ${unblock}`),
  });
}

/** What only the controller can draw goes into the goal, so that planning stays pure. */
function completed(goal: Goal, snapshot: Snapshot): Goal {
  if (goal.kind === 'fleet-update') return completeFleetUpdate(snapshot, goal);
  const drawn = new Date(snapshot.now).toISOString().replaceAll(/[-:]/g, '').replace(/\.\d+/, '');
  if (goal.kind === 'backup' && goal.name === '') return { ...goal, name: drawn };
  // Always the controller's own: an id that was used before would find its work done.
  if (goal.kind === 'reseed' || goal.kind === 'restore') return { ...goal, id: drawn };
  return goal;
}

function withImage(goal: Goal, images: Images): Goal {
  if (goal.kind === 'fleet-update')
    return {
      ...goal,
      updates: goal.updates.map((update) => ({ ...update, resolved: images[update.image] })),
    };
  if (goal.kind === 'restore')
    return { ...goal, resolved: goal.image === undefined ? undefined : images[goal.image] };
  if (goal.kind !== 'update') return goal;
  return { ...goal, resolved: images[goal.image] };
}

/** @throws LeafwardError `invalid` for a goal that no planner could take, with all problems. */
function assertGoal(goal: Goal, snapshot: Snapshot): void {
  if (goal.kind === 'failover' && goal.automatic !== undefined)
    throw new LeafwardError(
      'invalid',
      `failover ${goal.service}: that it begins by itself is the controller's own word`,
    );
  if (goal.kind === 'fleet-update') assertFleetUpdate(goal, snapshot);
  if (goal.kind === 'restore') assertRestore(goal);
  if (goal.kind === 'deploy') {
    const parsed = parseManifest(goal.manifest);
    if (parsed.ok) return;
    throw new LeafwardError('invalid', 'the manifest cannot be used', {
      detail: parsed.problems.map(
        (p) => `${p.line === undefined ? '' : `line ${p.line}: `}${p.path}: ${p.message}`,
      ),
    });
  }
  // Those that a fleet-wide update names, not those that were found of them.
  const named = goal.kind === 'fleet-update' ? goal.services : servicesOfGoal(goal);
  const unknown = named.filter((name) => !Object.hasOwn(snapshot.services, name));
  if (unknown.length === 0) return;
  const known = Object.keys(snapshot.services).sort();
  throw new LeafwardError(
    'not-found',
    `${goal.kind} ${unknown.join(', ')}: there is no such service; ${known.length === 0 ? 'nothing is deployed yet' : `there are: ${known.join(', ')}`}`,
  );
}

/** @throws LeafwardError `invalid`: one member with another image than the rest of its service is no way back. */
function assertRestore({ service, member, image }: Extract<Goal, { kind: 'restore' }>): void {
  if (image === undefined) return;
  if (image.trim() === '')
    throw new LeafwardError('invalid', `restore ${service}: the image has no name`);
  if (member !== undefined)
    throw new LeafwardError(
      'invalid',
      `restore ${service}: an image is brought to all of a service: leave out either the image or the member`,
    );
}

const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** @throws LeafwardError `invalid` */
function assertFleetUpdate(
  { tag, services, updates }: Extract<Goal, { kind: 'fleet-update' }>,
  snapshot: Snapshot,
): void {
  if (!TAG.test(tag))
    throw new LeafwardError('invalid', `update to ${tag}: that is no tag of an image, as v2.150.0`);
  if (services.length > 0 || updates.length > 0) return;
  throw new LeafwardError(
    'not-found',
    `update the fleet to ${tag}: it has no service of kind synapse; name the services: --services ${Object.keys(snapshot.services).sort().join(',')}`,
  );
}

function begin(snapshot: Snapshot, stored: StoredPlan, by: Operator) {
  const { plan, images, facts } = stored;
  assertRebuilt(plan.goal, snapshot);
  const fresh = planGoal(snapshot, plan.goal, images);
  if (fresh.refusals.length > 0)
    throw new LeafwardError('refused', `apply plan ${plan.id}: it is refused`, {
      detail: fresh.refusals.map((r) => `${r.subject}: ${r.message}; ${r.unblock}`),
    });
  if (isStale(plan, fresh))
    throw new LeafwardError(
      'stale',
      `apply plan ${plan.id}: what it relied on has changed since it was made; make it again and look at what is different`,
      {
        detail: changesSince(
          { plan, facts },
          { plan: fresh, facts: basisFactsOf(snapshot, fresh.services) },
        ),
      },
    );
  if (fresh.moves.length === 0)
    throw new LeafwardError('refused', `apply plan ${plan.id}: it has nothing to do`, {
      detail: fresh.unchanged,
    });
  const id = `op-${randomBytes(4).toString('hex')}`;
  const operation = newOperation(plan, { id, createdBy: by.name, now: snapshot.now });
  const events = [`plan ${plan.id} applied by ${by.name}`];
  const change: Change = { kind: 'operation', operation, events, at: snapshot.now };
  return { changes: [change], value: operation };
}
