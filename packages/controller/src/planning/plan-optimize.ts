// Databases made compact, member by member: mirrors from the deepest, then leadership is handed over, then the old
// leader (I4). Each one is caught up before the next begins. Pure.
import { isAble } from '@leafward/shared/manifest/abilities.js';
import type { OptimizeWay } from '@leafward/shared/gen/domain.js';
import { downstreamsOf } from '@leafward/shared/topology.js';
import type { Snapshot } from '../snapshot.js';
import { objectToInability, unable } from './able.js';
import { expectedMs, judge, type Draft, type DraftMove } from './draft.js';
import { type MemberAt, type ServiceAt } from './gather.js';
import { objectToRoom, roomEvidence } from './optimize-room.js';
import { inUpdateOrder, placeInTree, retiredOnes } from './plan-update.js';
import { objectToHandOver, objectToOtherHistory } from './safety.js';
import { gatesBeforeStops } from './update-gates.js';
import { isOlder } from './versions.js';
import { renderDuration } from './words.js';

/**
 * From here on a cell that optimizes at boot leaves its backups alone (source: release notes of 2.169.0); before, it
 * would rewrite those that lie in its own storage, and before 2.124 it does not know the key and does not start.
 */
const ON_BOOT_SINCE = '2.169.0';

export function planOptimize(snapshot: Snapshot, service: ServiceAt): Draft {
  const { name } = service;
  const inability = objectToInability(service, ['optimize'], 'be optimized');
  if (inability.length > 0) return unable(name, inability);
  const order = inUpdateOrder(service);
  const gates = gatesBeforeStops(snapshot, service, order, undefined);
  const successor = successorOf(snapshot, service);
  const leader = expectedMs(snapshot, name, 'optimize');
  return {
    services: [name],
    ...judge([
      ...gates.checks,
      {
        name: 'room',
        passed: 'what is written anew beside the old fits for every member',
        objections: order.flatMap((member) => [
          ...objectToRoom(member, wayOf(service, member)),
          ...objectToOtherHistory(member),
        ]),
        evidence: order.flatMap((member) => roomEvidence(member, wayOf(service, member))),
      },
    ]),
    warnings: [
      ...gates.warnings,
      ...(successor === undefined
        ? [
            `${service.topology.leader} leads and is down while it is optimized: ${service.members.length === 1 ? 'it has no mirror' : 'no mirror can take over'}; ${leader === undefined ? 'how long is not known before it was done once' : `about ${renderDuration(leader)}`}`,
          ]
        : []),
    ],
    unchanged: [
      ...retiredOnes(service),
      ...(successor === undefined
        ? []
        : [
            `${successor} leads afterwards; to hand leadership back: leafward plan promote ${name} --to ${service.topology.leader}`,
          ]),
    ],
    moves: order.flatMap((member) => [
      ...(member.isLeader && successor !== undefined
        ? [handOverMove(snapshot, service, successor)]
        : []),
      optimizeMove(snapshot, service, member, successor),
    ]),
    expectedDowntimeMs: successor === undefined ? leader : expectedMs(snapshot, name, 'hand-over'),
  };
}

/** Where the version has it the service does it itself; its offline tool knows no version. */
export const wayOf = (service: ServiceAt, member: MemberAt): OptimizeWay => {
  const version = member.fact?.engine.version;
  const knows = version !== undefined && !isOlder(version, ON_BOOT_SINCE);
  return service.declaration.kind === 'synapse' && knows ? 'on-boot' : 'swap';
};

/** A direct mirror that can take over; undefined: the leader has nobody. */
function successorOf(snapshot: Snapshot, service: ServiceAt): string | undefined {
  const { topology, declaration } = service;
  const canHandOver =
    isAble('promote-gracefully', declaration) || isAble('hand-over-by-stopping', declaration);
  if (!canHandOver) return undefined;
  // Of a service whose update was given up half way, mirrors are newer than the old leader, which must not follow them (I3).
  return downstreamsOf(topology, topology.leader).find(
    (name) => objectToHandOver(snapshot, service, name).length === 0,
  );
}

function handOverMove(snapshot: Snapshot, service: ServiceAt, to: string): DraftMove {
  const { name, topology, declaration } = service;
  const byStopping = !isAble('promote-gracefully', declaration);
  return {
    kind: 'hand-over',
    service: name,
    cause: `${to} is optimized; ${topology.leader} follows it and is next`,
    expectedMs: expectedMs(snapshot, name, 'hand-over'),
    from: topology.leader,
    to,
    term: topology.term + 1,
    byStopping: byStopping ? true : undefined,
  };
}

function optimizeMove(
  snapshot: Snapshot,
  service: ServiceAt,
  member: MemberAt,
  successor: string | undefined,
): DraftMove {
  const isOld = member.isLeader && successor !== undefined;
  return {
    kind: 'optimize',
    service: service.name,
    cause: isOld ? 'the old leader, a mirror by now' : placeInTree(service, member),
    expectedMs: expectedMs(snapshot, service.name, 'optimize'),
    member: member.name,
    host: member.host,
    way: wayOf(service, member),
  };
}
