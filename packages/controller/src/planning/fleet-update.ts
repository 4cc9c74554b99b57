// What a fleet-wide update is about: which services, in which order, with which images. Pure.
import type { Goal, Runtime, ServiceUpdate } from '@leafward/shared/gen/domain.js';
import type { ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { Snapshot } from '../snapshot.js';

import { imageWithTag, repositoryOf } from './image-tag.js';

export type FleetUpdateGoal = Extract<Goal, { kind: 'fleet-update' }>;

/** The services and their images, written into the goal: what is applied is what was shown. */
export function completeFleetUpdate(snapshot: Snapshot, goal: FleetUpdateGoal): FleetUpdateGoal {
  const declarations = servicesMeant(snapshot, goal).flatMap(
    (name) => snapshot.services[name]?.declaration ?? [],
  );
  const updates = inGuideOrder(declarations).map(({ name, image, runtime }): ServiceUpdate => ({
    service: name,
    image: imageWithTag(image, goal.tag, runtime) ?? '',
  }));
  return { ...goal, updates };
}

/** Those that are named, or all of kind synapse. */
export const servicesMeant = (
  { services }: Pick<Snapshot, 'services'>,
  goal: Pick<FleetUpdateGoal, 'services'>,
): readonly string[] =>
  goal.services.length > 0
    ? [...new Set(goal.services)]
    : Object.keys(services)
        .filter((name) => services[name]?.declaration.kind === 'synapse')
        .sort();

/** AHA knows where all others are, Axon and JSONStor are what a Cortex uses: the guide's order. */
const RANKS = ['aha', 'axon', 'jsonstor', 'cortex'];

/** By what the image is called, and where that says nothing, by the service's name. */
function rankOf({ name, image, runtime }: Ranked): number {
  const within = (text: string): number => RANKS.findIndex((word) => text.includes(word));
  const byImage = within(lastPart(repositoryOf(image, runtime)));
  const rank = byImage === -1 ? within(name) : byImage;
  return rank === -1 ? RANKS.length : rank;
}

interface Ranked {
  readonly name: string;
  readonly image: string;
  readonly runtime: Runtime;
}

const lastPart = (path: string): string => path.slice(path.lastIndexOf('/') + 1).toLowerCase();

/** Whatever a service needs comes before it; of those that may come now the guide's first, then by name. */
export function inGuideOrder<
  T extends Pick<ServiceDeclaration, 'name' | 'image' | 'runtime' | 'after'>,
>(services: readonly T[]): readonly T[] {
  const names = new Set(services.map(({ name }) => name));
  let left = [...services].sort(
    (a, b) => rankOf(a) - rankOf(b) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  const ordered: T[] = [];
  while (left.length > 0) {
    const waiting = new Set(left.map(({ name }) => name));
    const isFree = ({ name, after }: T): boolean =>
      !after.some((other) => other !== name && names.has(other) && waiting.has(other));
    // A ring cannot be in a manifest that was checked; here it only must not go on for ever.
    const next = left.find(isFree) ?? left[0];
    if (next === undefined) break;
    ordered.push(next);
    left = left.filter((one) => one !== next);
  }
  return ordered;
}
