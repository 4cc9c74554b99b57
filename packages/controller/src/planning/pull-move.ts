// The image on every host before anything is stopped for it. Pure; shared by every plan that brings one.
import type { Image } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { expectedMs, type DraftMove } from './draft.js';
import type { ServiceAt } from './gather.js';

export const unknownVersion = (image: Image): readonly string[] =>
  image.version === undefined
    ? [`the version of ${image.reference} is not known yet; it is compared after the pull (I5)`]
    : [];

export function pullMove(
  snapshot: Snapshot,
  service: { readonly name: string; readonly declaration: ServiceAt['declaration'] },
  hosts: readonly string[],
  image: Image,
): DraftMove {
  return {
    kind: 'pull',
    service: service.name,
    cause: 'before anything is stopped',
    expectedMs: expectedMs(snapshot, service.name, 'pull'),
    hosts: [...new Set(hosts)].sort(),
    runtime: service.declaration.runtime,
    image,
  };
}
