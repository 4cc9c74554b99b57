// Which image references must be resolved to a digest before a goal can be planned, and whose runtime to ask.
// Pure. What is pinned already is not asked for again: a tag that moved is followed by an update only.
import type { Goal, Runtime, ServiceUpdate } from '@leafward/shared/gen/domain.js';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import type { ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { Snapshot } from '../snapshot.js';
import { gatherService, type ServiceAt } from './gather.js';

export interface ImageNeeded {
  readonly runtime: Runtime;
  readonly reference: string;
  /** A host whose runtime is asked. */
  readonly host: string;
}

export function imagesNeeded(snapshot: Snapshot, goal: Goal): readonly ImageNeeded[] {
  if (goal.kind === 'deploy') {
    const parsed = parseManifest(goal.manifest);
    if (!parsed.ok) return [];
    return withoutTwins(
      parsed.manifest.services.flatMap((service) => neededFor(snapshot, service)),
    );
  }
  if (goal.kind === 'fleet-update') return withoutTwins(goal.updates.flatMap(neededBy(snapshot)));
  if (goal.kind !== 'update' && goal.kind !== 'restore') return [];
  const { service, image = '', resolved } = goal;
  return neededBy(snapshot)({ service, image, resolved });
}

const neededBy =
  (snapshot: Snapshot) =>
  ({ service: name, image, resolved }: ServiceUpdate): readonly ImageNeeded[] => {
    const declaration = gatherService(snapshot, name)?.declaration;
    if (declaration === undefined || image === '' || resolved !== undefined) return [];
    const { runtime } = declaration;
    return [{ runtime, reference: image, host: hostToAsk(snapshot, declaration) }];
  };

function neededFor(snapshot: Snapshot, declaration: ServiceDeclaration): readonly ImageNeeded[] {
  const service = gatherService(snapshot, declaration.name);
  const wanted = wantedReference(snapshot, declaration, service);
  if (wanted.isKept || isPinned(service, wanted.reference)) return [];
  return [
    {
      runtime: declaration.runtime,
      reference: wanted.reference,
      host: hostToAsk(snapshot, declaration),
    },
  ];
}

export interface WantedReference {
  readonly reference: string;
  /** An update moved the service on since the manifest was written: its word on the image is old. */
  readonly isKept: boolean;
}

/** A manifest that did not change its mind on an image does not take back what an update did since. */
export function wantedReference(
  snapshot: Snapshot,
  declaration: ServiceDeclaration,
  service: ServiceAt | undefined,
): WantedReference {
  const before = snapshot.manifest?.services.find((other) => other.name === declaration.name);
  const isKept =
    service !== undefined &&
    before?.image === declaration.image &&
    service.declaration.image !== declaration.image;
  return { reference: isKept ? service.declaration.image : declaration.image, isKept };
}

const isPinned = (service: ServiceAt | undefined, reference: string): boolean =>
  service?.members.some((member) => member.intent?.spec.image.reference === reference) === true;

function hostToAsk(snapshot: Snapshot, declaration: ServiceDeclaration): string {
  const hosts = declaration.members.map((member) => member.host);
  return hosts.find((host) => snapshot.hosts[host]?.connected === true) ?? hosts[0] ?? '';
}

function withoutTwins(needed: readonly ImageNeeded[]): readonly ImageNeeded[] {
  const byReference = new Map<string, ImageNeeded>();
  for (const image of needed)
    if (!byReference.has(image.reference)) byReference.set(image.reference, image);
  return [...byReference.values()];
}
