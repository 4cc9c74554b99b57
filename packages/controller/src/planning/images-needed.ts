// Which image references must be resolved to a digest before a goal can be planned, and whose runtime to ask.
import type { Goal, Runtime } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';

export interface ImageNeeded {
  readonly runtime: Runtime;
  readonly reference: string;
  /** A host whose runtime is asked. */
  readonly host: string;
}

export function imagesNeeded(_snapshot: Snapshot, _goal: Goal): readonly ImageNeeded[] {
  return [];
}
