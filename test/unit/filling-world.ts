// One member's storage for the agent's planner, with what really lies in it: each step is applied in the small parts
// that a crash can fall between.
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { fold } from '@leafward/agent/journal/fold.js';
import {
  emptyState,
  type JournalRecord,
  type JournalState,
} from '@leafward/agent/journal/records.js';
import type { Marker } from '@leafward/agent/marker.js';
import { planSteps, type Observed, type ObservedMember, type Step } from '@leafward/agent/plan.js';
import { applyStep, memberOf, observedOf } from './agent-world.js';

export interface World {
  readonly journal: JournalState;
  readonly member: ObservedMember;
  /** What lies there: a whole copy, half of one, nothing, or what lost its leadership by force. */
  readonly content: 'whole' | 'half' | 'nothing' | 'retired';
  /** What was started from, in order. */
  readonly started: readonly World['content'][];
}

export const ABLE = { seeds: true, repoints: false, storesPosition: true };

export function worldOf(
  intent: MemberIntent,
  changes: Partial<World> = {},
  seen: Partial<ObservedMember> = {},
): World {
  const content = changes.content ?? 'nothing';
  return {
    journal: emptyState,
    member: memberOf(intent, { abilities: ABLE, storageEmpty: content === 'nothing', ...seen }),
    content,
    started: [],
    ...changes,
  };
}

export const stepsOf = ({ member, journal }: World): readonly Step[] =>
  planSteps(observedOf(member, journal))[0]?.steps ?? [];

/** The rest of the plan after a crash is made anew: only `parts` of all its parts happen. */
export function live(world: World, parts = Infinity): World {
  let left = parts;
  let now = world;
  for (const step of stepsOf(world))
    for (const part of partsOf(step, now)) {
      if (left-- <= 0) return now;
      now = part(now);
    }
  return now;
}

type Part = (world: World) => World;

function partsOf(step: Step, world: World): readonly Part[] {
  const storage = world.member.storagePath;
  switch (step.kind) {
    case 'set-aside': {
      const { id, wipe, reseed, term, from } = step.emptying;
      const marker = markerIn(world);
      const half = marker?.seeding !== undefined && marker.retired === undefined;
      const wipes = wipe || half;
      const moves = !wipes && (marker?.retired !== undefined || world.content !== 'nothing');
      const { member } = step;
      const kept = { member, service: 'cortex', storage: `${storage}.aside-${id}`, term, at: 1 };
      const aside = moves ? { ...kept, reason: 'set aside' } : undefined;
      return [
        record({ kind: 'filling-begun', member, storage, id, reseed, term, aside }),
        ...(wipes
          ? [
              (now: World) =>
                marker?.retired === undefined
                  ? withMarker(now, {
                      ...(marker ?? { format: 1, service: 'cortex', member, term }),
                      seeding: { from, id },
                      ...(reseed ? { reseeded: id } : {}),
                    })
                  : now,
              (now: World) => withContent(now, now.content === 'retired' ? 'retired' : 'half'),
              (now: World) => withContent(now, 'nothing'),
            ]
          : []),
        ...(moves ? [(now: World) => withContent(withMarker(now, undefined), 'nothing')] : []),
        record({ kind: 'storage-emptied', storage, id, kept: moves }),
      ];
    }
    case 'seed':
      return [(now) => withContent(now, 'half'), (now) => withContent(now, 'whole')];
    case 'journal-filled':
      return [record({ kind: 'storage-filled', storage, id: step.id })];
    case 'start':
      return [plain(step), (now) => ({ ...now, started: [...now.started, now.content] })];
    case 'write-marker':
      return [
        plain(step),
        (now) => (step.marker.retired === undefined ? now : withContent(now, 'retired')),
      ];
    default:
      return [plain(step)];
  }
}

const markerIn = ({ member: { marker } }: World): Marker | undefined =>
  marker.kind === 'found' ? marker.marker : undefined;

const record =
  (entry: JournalRecord): Part =>
  (world) => ({ ...world, journal: fold(world.journal, entry) });

const plain =
  (step: Step): Part =>
  (world) => {
    const observed: Observed = observedOf(world.member, world.journal);
    const after = applyStep(observed, step);
    const [member = world.member] = after.members;
    return { ...world, member, journal: after.journal };
  };

function withMarker(world: World, marker: Marker | undefined): World {
  const reading =
    marker === undefined ? { kind: 'none' as const } : { kind: 'found' as const, marker };
  return { ...world, member: { ...world.member, marker: reading } };
}

function withContent(world: World, content: World['content']): World {
  const stored = content === 'whole' ? (world.member.intent.upstream?.url ?? null) : undefined;
  const storedRole = { upstreamUrl: stored };
  const member = { ...world.member, storageEmpty: content === 'nothing', storedRole };
  return { ...world, content, member };
}
