// The fleet as an operator sees it, from one snapshot. Pure.
import type { Status } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';

export function buildStatus(snapshot: Snapshot): Status {
  return {
    fleet: snapshot.fleet,
    now: snapshot.now,
    services: [],
    hosts: [],
    problems: [],
    operations: snapshot.operations,
  };
}
