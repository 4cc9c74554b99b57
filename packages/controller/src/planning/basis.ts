// What a plan relies on: as facts, which are kept with it so that a stale plan can say what has changed, and as one digest
// of them, which says that something has. Pure. Positions and ages change with every report and are left out: a plan that
// is a minute old is not stale by itself.
import type { Goal, MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Topology } from '@leafward/shared/topology.js';
import type { Snapshot } from '../snapshot.js';
import { canonicalJson } from '@leafward/shared/spec-digest.js';
import { digestOf } from './digest.js';
import { gatherService, operationsOn } from './gather.js';

/** Of one service. */
export interface BasisFacts {
  readonly name: string;
  /** Ids of those that go on. */
  readonly operations: readonly string[];
  /** As it is declared; undefined: there is no such service yet. */
  readonly image?: string | undefined;
  readonly topology?: Topology | undefined;
  readonly members?: readonly MemberBasis[] | undefined;
}

export interface MemberBasis {
  readonly name: string;
  readonly host: string;
  readonly connected: boolean;
  /** The version that it says it is. */
  readonly runs?: string | undefined;
  readonly intent?: MemberIntent | undefined;
}

export function basisFactsOf(
  snapshot: Snapshot,
  services: readonly string[],
): readonly BasisFacts[] {
  return services.map((name) => {
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
}

export const basisOf = (snapshot: Snapshot, goal: Goal, services: readonly string[]): string =>
  digestOf(canonicalJson([goal, basisFactsOf(snapshot, services)]));
