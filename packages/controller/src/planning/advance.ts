// The pure table that carries operations out, run again on every wake. Must never guess: what facts do not show
// is waited for.
import type { Operation } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import type { Effect } from './effects.js';

/** What one run of the table wants committed, all in one transaction. */
export interface Advance {
  readonly operation: Operation;
  readonly effects: readonly Effect[];
  readonly events: readonly string[];
}

export function advance(operation: Operation, _snapshot: Snapshot): Advance {
  return { operation, effects: [], events: [] };
}
