// What a plan relies on, as one digest: another digest at apply time makes it stale. Pure. Positions and ages
// change with every report and are left out: a plan that is a minute old is not stale by itself.
import type { Goal } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { canonicalJson } from '@leafward/shared/spec-digest.js';
import { digestOf } from './digest.js';
import { gatherService, operationsOn } from './gather.js';

export function basisOf(snapshot: Snapshot, goal: Goal, services: readonly string[]): string {
  const facts = services.map((name) => {
    const service = gatherService(snapshot, name);
    return {
      name,
      operations: operationsOn(snapshot, name).map((operation) => operation.id),
      // The rest of the declaration shows in the moves and gates, which are made anew and compared as well.
      image: service?.declaration.image,
      topology: service?.topology,
      members: service?.members.map((member) => ({
        name: member.name,
        host: member.host,
        connected: member.hostState?.connected === true,
        runs: member.fact?.engine.version,
        intent: member.intent,
      })),
    };
  });
  return digestOf(canonicalJson([goal, facts]));
}
