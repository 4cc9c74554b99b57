// What must hold at the very moment a move begins, asked of safety.ts with the fresh snapshot: the world may have
// changed since the plan was made. Pure.
import type { Move, Operation } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { gatherService, memberOf, type MemberAt, type ServiceAt } from './gather.js';
import { diagnose, evidenceOf } from './diagnose.js';
import { divergenceOf } from './divergence.js';
import {
  objectToBackups,
  objectToBackupSpace,
  objectToBootSpace,
  objectToBusyDatabase,
  objectToDowngrade,
  objectToHandOver,
  objectToOrder,
  objectToOtherHistory,
  objectToOthers,
  objectToRetired,
  objectToSilence,
  objectToStop,
  silent,
} from './safety.js';
import { objectToCompany } from './scheduled.js';
import { objectToRoom } from './optimize-room.js';
import { objectToReaders } from './plan-trim.js';
import { objectToSource } from './plan-reseed.js';
import { isStack, objectToStackOrder, objectToWorkerStart } from './stack.js';
import { isHandedOver } from './moves/handed-over.js';
import type { Objection } from './words.js';

export function objectToBegin(
  snapshot: Snapshot,
  operation: Operation,
  move: Move,
): readonly Objection[] {
  // A leader that is dead is not waited for because a backup of it, or of a mirror, hangs.
  const busy =
    operation.goal.kind === 'failover'
      ? objectToOthers(snapshot, move.service, operation)
      : objectToCompany(snapshot, move.service, operation);
  const service = gatherService(snapshot, move.service);
  if (busy.length > 0 || service === undefined) return busy;
  switch (move.kind) {
    case 'recreate': {
      const member = memberOf(service, move.member);
      return member === undefined
        ? []
        : objectToRecreate(snapshot, operation, service, member, move);
    }
    case 'place':
      return objectToPlace(snapshot, service, move);
    case 'remove':
      return objectToStop(snapshot, service, move.member);
    case 'reseed':
      return objectToReseed(snapshot, service, move);
    case 'trim':
      return [...objectToSilence(service), ...objectToReaders(snapshot, service)];
    case 'optimize':
    case 'cold-back-up':
      return objectToOffline(snapshot, service, move);
    case 'hand-over':
      // It happened already: an earlier attempt only has to be seen to its end.
      return service.topology.term >= move.term || isHandedOver(service, move)
        ? []
        : objectToHandOver(snapshot, service, move.to, move.leavesOlder);
    default:
      // pull and back-up stop nobody; the moves of a failover prove their own order, and nobody's health may
      // stand in the way of the only leader that a service can get. A halt is what a whole stack or a restore is
      // planned for: the others are no reason to stop half-way (I4).
      return [];
  }
}

function objectToRecreate(
  snapshot: Snapshot,
  operation: Operation,
  service: ServiceAt,
  member: MemberAt,
  move: Extract<Move, { kind: 'recreate' }>,
): readonly Objection[] {
  const isNewImage = member.intent?.spec.image.digest !== move.spec.image.digest;
  const isFirst = !operation.moves.some(
    (other, index) =>
      other.kind === 'recreate' && other.service === move.service && hasBegunOnce(operation, index),
  );
  const beforeFirst = isNewImage && isFirst ? objectToBackups(snapshot, service) : [];
  return [
    ...(member.hostState?.connected === true ? [] : [silent(member)]),
    ...objectToRetired(member),
    ...(isStack(service)
      ? [
          ...objectToBusyDatabase(snapshot, service, operation),
          ...objectToStackOrder(service, member, move.spec.image),
        ]
      : [
          ...objectToOtherHistory(member),
          ...objectToStop(snapshot, service, member.name),
          ...objectToOrder(service, member, move.spec.image),
        ]),
    ...objectToDowngrade(member, move.spec.image),
    ...objectToBootSpace(member),
    ...beforeFirst,
  ];
}

/** It is stopped for a while, as for an update, and must boot again. */
function objectToOffline(
  snapshot: Snapshot,
  service: ServiceAt,
  move: Extract<Move, { kind: 'optimize' | 'cold-back-up' }>,
): readonly Objection[] {
  const member = memberOf(service, move.member);
  if (member === undefined) return [];
  return [
    ...(member.hostState?.connected === true ? [] : [silent(member)]),
    ...objectToRetired(member),
    ...objectToOtherHistory(member),
    ...objectToStop(snapshot, service, member.name),
    ...objectToBootSpace(member),
    ...(move.kind === 'optimize' ? objectToRoom(member, move.way) : objectToBackupSpace(member)),
  ];
}

/** In this attempt or an earlier one. */
function hasBegunOnce(operation: Operation, index: number): boolean {
  const progress = operation.progress[index];
  return (
    progress?.state === 'begun' || progress?.state === 'done' || progress?.runIdBefore !== undefined
  );
}

/** Its upstream is what it will be made of. While it is emptied it is down, unless it is so already (I4). */
function objectToReseed(
  snapshot: Snapshot,
  service: ServiceAt,
  move: Extract<Move, { kind: 'reseed' }>,
): readonly Objection[] {
  const member = memberOf(service, move.member);
  if (member === undefined) return [];
  const hasBegun = member.intent?.reseed?.id === move.reseed?.id;
  // Nor does anybody count on one whose log is another one than its leader's.
  const isNoCopy = divergenceOf(service, member) !== undefined;
  const isDown = member.intent?.run !== 'running' || hasBegun || isNoCopy;
  return [
    ...(member.hostState?.connected === true ? [] : [silent(member)]),
    ...objectToSource(snapshot, service, member, memberOf(service, move.upstream)),
    ...(isDown ? [] : objectToStop(snapshot, service, member.name)),
  ];
}

function objectToPlace(
  snapshot: Snapshot,
  service: ServiceAt,
  move: Extract<Move, { kind: 'place' }>,
): readonly Objection[] {
  const { intent } = move;
  const member = memberOf(service, intent.member);
  if (isStack(service) && intent.role === 'worker')
    return objectToWorkerStart(service, intent.member, intent.spec.image);
  if (member?.intent !== undefined) {
    const isMoved = member.intent.upstream?.url !== intent.upstream?.url;
    return [
      ...objectToRetired(member),
      ...(isMoved ? objectToStop(snapshot, service, member.name) : []),
    ];
  }
  // A new mirror copies from its upstream at its first start.
  const upstream = intent.upstream && memberOf(service, intent.upstream.member);
  if (upstream === undefined || diagnose(service, upstream, snapshot.now).isHealthy) return [];
  return [
    {
      code: 'upstream-unhealthy',
      subject: upstream.name,
      message: `${intent.member} would copy from ${upstream.name}, which is ${diagnose(service, upstream, snapshot.now).state}`,
      unblock: `get ${upstream.name} healthy; look at it with: leafward why ${upstream.name}`,
      evidence: evidenceOf(service, upstream, snapshot.now),
    },
  ];
}
