// Members that the manifest names no more: leafs may go, one after another; whoever leads or is mirrored may
// not. Pure.
import type { ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { Snapshot } from '../snapshot.js';
import { expectedMs, type DraftMove } from './draft.js';
import type { MemberAt, ServiceAt } from './gather.js';
import { inUpdateOrder } from './plan-update.js';
import { listed, type Objection } from './words.js';

export interface Removals {
  /** Deepest first. */
  readonly members: readonly MemberAt[];
  readonly moves: readonly DraftMove[];
  readonly objections: readonly Objection[];
}

export function planRemovals(
  snapshot: Snapshot,
  service: ServiceAt,
  declaration: ServiceDeclaration,
): Removals {
  const declared = new Set(declaration.members.map((member) => member.name));
  const gone = inUpdateOrder(service).filter((member) => !declared.has(member.name));
  const goneNames = new Set(gone.map((member) => member.name));
  const objections = gone.flatMap((member) => objectTo(service, member, goneNames));
  return {
    objections,
    members: gone,
    moves: gone.map((member) => ({
      kind: 'remove',
      service: service.name,
      cause: 'not in the manifest any more; its storage stays',
      expectedMs: expectedMs(snapshot, service.name, 'remove'),
      member: member.name,
      host: member.host,
    })),
  };
}

function objectTo(
  service: ServiceAt,
  member: MemberAt,
  gone: ReadonlySet<string>,
): readonly Objection[] {
  if (member.isLeader)
    return [
      {
        code: 'removes-leader',
        subject: member.name,
        message: `${member.name} leads ${service.name} and is not in the manifest any more`,
        unblock: `hand over first: leafward plan promote ${service.name} --to MIRROR`,
        evidence: [],
      },
    ];
  const orphans = Object.entries(service.topology.upstreams)
    .filter(([mirror, upstream]) => upstream === member.name && !gone.has(mirror))
    .map(([mirror]) => mirror);
  if (orphans.length === 0) return [];
  return [
    {
      code: 'removes-upstream',
      subject: member.name,
      message: `${listed(orphans)} would lose ${member.name}, which is not in the manifest any more`,
      unblock: `remove ${listed(orphans)} as well, or keep ${member.name}`,
      evidence: [],
    },
  ];
}
