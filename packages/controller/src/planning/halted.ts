// Members that an operation has stopped before it does what it stopped them for. Until then it can still be given up,
// and what was stopped starts again. Pure.
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

/** It has begun to stop members for a restore, and nothing of a storage was touched. */
export function hasOnlyHalted(operation: Operation): boolean {
  const begun = (kind: Move['kind']): boolean =>
    operation.moves.some((move, index) => move.kind === kind && hasBegun(operation, index));
  return (
    operation.moves.some((move) => move.kind === 'restore') && begun('halt') && !begun('restore')
  );
}

/** Orders everybody to run again that such an operation has stopped; nothing for any other operation. */
export function startHalted(operation: Operation, snapshot: Snapshot): readonly Effect[] {
  if (!hasOnlyHalted(operation)) return [];
  return setIntents(
    operation.moves.flatMap((move): readonly HostedIntent[] => {
      const service = gatherService(snapshot, move.service);
      if (move.kind !== 'halt' || service === undefined) return [];
      return move.members.flatMap((name) => {
        const member = memberOf(service, name);
        return member?.intent?.run === 'stopped'
          ? [{ host: member.host, intent: { ...member.intent, run: 'running' } }]
          : [];
      });
    }),
  );
}
