// Members that an operation has stopped and that may run again when it is given up: before it did what it stopped them
// for, or beside the one that it did that to. Pure.
import type { Move, Operation } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import type { Effect } from './effects.js';
import { gatherService, memberOf } from './gather.js';
import { setIntents, type HostedIntent } from './intents.js';

/** Also of an earlier attempt. */
export function hasBegun(operation: Operation, index: number): boolean {
  const progress = operation.progress[index];
  return progress !== undefined && (progress.state !== 'pending' || progress.attempt > 0);
}

/** One member's data goes, and what it has then leads in a new term. */
const isReplacing = (move: Move): move is Extract<Move, { kind: 'restore' | 'migrate' }> =>
  move.kind === 'restore' || move.kind === 'migrate';

/** What it has stopped is the table's to start again, so an abort must go through the table. */
export const hasStopped = (operation: Operation): boolean =>
  operation.moves.some(
    (move, index) =>
      hasBegun(operation, index) &&
      ((move.kind === 'halt' && operation.moves.some(isReplacing)) ||
        (move.kind === 'hand-over' && move.byStopping === true)),
  );

/** An agent has, or may have, begun to replace what a member has. What it refused to do it did not begin. */
export function hasTouched(operation: Operation, { requests }: Snapshot): boolean {
  return operation.moves.some((move, index) => {
    if (!isReplacing(move)) return false;
    const attempts = operation.progress[index]?.attempt ?? 0;
    return Array.from({ length: attempts }, (_, at) => at + 1).some((attempt) => {
      const request = requests[`${operation.id}.${move.id}.${attempt}`];
      return request !== undefined && request.outcome?.state !== 'refused';
    });
  });
}

/** Orders to run again for whom an operation has stopped and that is given up; none for any other operation. */
export function startStopped(operation: Operation, snapshot: Snapshot): readonly Effect[] {
  return setIntents([
    ...operation.moves.flatMap((move) =>
      move.kind === 'halt' ? haltedBy(operation, snapshot, move) : [],
    ),
    ...operation.moves.flatMap((move) =>
      move.kind === 'hand-over' && move.byStopping === true ? succeeded(snapshot, move) : [],
    ),
  ]);
}

/**
 * Nothing was touched: everybody. Else all but the one whose storage was: the old leader has all that it had. But once
 * the new term has begun they are of the line that was given up, and without the old leader nobody can lead.
 */
function haltedBy(
  operation: Operation,
  snapshot: Snapshot,
  halt: Extract<Move, { kind: 'halt' }>,
): readonly HostedIntent[] {
  const restore = operation.moves.find(isReplacing);
  const service = gatherService(snapshot, halt.service);
  if (restore === undefined || service === undefined) return [];
  if (service.topology.term >= restore.term) return [];
  const touched = hasTouched(operation, snapshot) ? restore.member : undefined;
  if (touched === service.topology.leader) return [];
  return halt.members
    .filter((name) => name !== touched)
    .flatMap((name) => toRun(memberOf(service, name)));
}

/** The term of its successor has begun and it waits for it: as its mirror it has all that there is, and may be needed. */
function succeeded(
  snapshot: Snapshot,
  { service: name, from, to, term }: Extract<Move, { kind: 'hand-over' }>,
): readonly HostedIntent[] {
  const service = gatherService(snapshot, name);
  if (service?.topology.term !== term || service.topology.leader !== to) return [];
  return toRun(memberOf(service, from));
}

const toRun = (member: ReturnType<typeof memberOf>): readonly HostedIntent[] =>
  member?.intent?.run === 'stopped'
    ? [{ host: member.host, intent: { ...member.intent, run: 'running' } }]
    : [];
