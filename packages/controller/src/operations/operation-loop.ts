// Carries operations out: asks the pure table what comes next, commits its answer and its effects in one
// transaction. Has no opinion of its own; killed at any instant it goes on from what is in the store.
import type { Clock } from '@leafward/shared/clock.js';
import { messageOf } from '@leafward/shared/errors.js';
import type { MoveProgress, Operation } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { startLoop, type Loop } from '@leafward/shared/loop.js';
import { changesOf } from '../apply-effects.js';
import type { Change } from '../changes.js';
import type { Fleet } from '../fleet.js';
import { advance } from '../planning/index.js';
import type { Advance } from '../planning/advance.js';
import type { Snapshot } from '../snapshot.js';

export interface OperationLoopOptions {
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Deadlines and silent hosts are noticed this often; everything else wakes the loop. */
const EVERY_MS = 1000;
const DEADLINE_MS = 30_000;

export function startOperationLoop(options: OperationLoopOptions): Loop {
  const { fleet, clock, log } = options;
  return startLoop({
    name: 'operations',
    clock,
    log,
    everyMs: EVERY_MS,
    deadlineMs: DEADLINE_MS,
    pass: async () => {
      // What the store has forgotten decides nothing.
      if (fleet.olderCopy.found() !== undefined) return undefined;
      const sentences: string[] = [];
      const errors: unknown[] = [];
      for (const { id, state } of fleet.operations()) {
        if (state !== 'running') continue;
        // One that cannot be carried on must not hold up the others.
        await advanceOne(fleet, id).then(
          (events) => sentences.push(...events),
          (error: unknown) => errors.push(error),
        );
      }
      if (errors.length > 0) throw errors[0];
      return sentences.length === 0 ? undefined : sentences.join('; ');
    },
  });
}

/** One step of the table for one operation; returns the events that it wrote. */
export async function advanceOne(fleet: Fleet, id: string): Promise<readonly string[]> {
  return fleet.transact((snapshot) => {
    const before = snapshot.operations.find((operation) => operation.id === id);
    if (before === undefined || before.state !== 'running') return { changes: [], value: [] };
    const { operation, effects, events, effectChanges } = decide(before, snapshot);
    const isDurable = events.length > 0 || effects.length > 0 || isChanged(before, operation);
    if (!isDurable) {
      // Only what it waits for has changed: worth showing, not worth a commit.
      fleet.showOperation(operation);
      return { changes: [], value: [] };
    }
    const change: Change = { kind: 'operation', operation, events, at: snapshot.now };
    return {
      changes: [
        change,
        ...effectChanges,
        ...durations(before, operation, snapshot.now),
        ...manifestOf(operation, snapshot.now),
      ],
      value: events.map((event) => `${id}: ${event}`),
    };
  });
}

/**
 * A decision is pure, so an error in it is a bug of ours, and nothing of it is committed. It pauses this operation
 * alone: a controller that ended over it would end again at once, and with it every permit.
 */
function decide(
  before: Operation,
  snapshot: Snapshot,
): Advance & { readonly effectChanges: readonly Change[] } {
  try {
    const advanced = advance(before, snapshot);
    return { ...advanced, effectChanges: changesOf(snapshot, advanced.effects) };
  } catch (error) {
    const reason = `the controller refused a step of its own: ${messageOf(error)}; nothing of that step was ordered. Look at the service, then abort and plan anew`;
    // The move counts as failed, so that an abort ends the operation without asking the same step again.
    const at = before.progress.findIndex((move) => move.state !== 'done');
    const progress = before.progress.map((move, index) =>
      index === at
        ? { ...move, state: 'failed' as const, endedAt: snapshot.now, note: reason }
        : move,
    );
    return {
      operation: { ...before, state: 'paused', reason, progress },
      effects: [],
      events: [`paused: ${reason}`],
      effectChanges: [],
    };
  }
}

/** What was declared counts once it was carried out: an aborted deploy is planned again as if it had not been. */
function manifestOf({ goal, state, createdBy }: Operation, now: number): readonly Change[] {
  if (goal.kind !== 'deploy' || state !== 'done') return [];
  return [{ kind: 'manifest', text: goal.manifest, by: createdBy, at: now }];
}

/** Whether more has changed than the words of a wait. The table keeps every part that stays the same object. */
function isChanged(before: Operation, after: Operation): boolean {
  if (before === after) return false;
  if (before.progress.length !== after.progress.length) return true;
  const keys = Object.keys({ ...before, ...after }) as (keyof Operation)[];
  return (
    keys.some((key) => key !== 'progress' && before[key] !== after[key]) ||
    before.progress.some((move, index) => {
      const next = after.progress[index];
      return move !== next && fingerprint(move) !== fingerprint(next);
    })
  );
}

const fingerprint = (move: MoveProgress | undefined): string =>
  JSON.stringify({ ...move, wait: move?.wait && { code: move.wait.code, since: move.wait.since } });

/** How long the moves took that ended in this step, for later plans. */
function durations(before: Operation, after: Operation, now: number): readonly Change[] {
  return after.progress.flatMap((progress, index): readonly Change[] => {
    const move = after.moves[index];
    const endedNow = progress.state === 'done' && before.progress[index]?.state !== 'done';
    if (move === undefined || !endedNow || progress.begunAt === undefined) return [];
    const ms = Math.max(0, (progress.endedAt ?? now) - progress.begunAt);
    return [{ kind: 'duration', service: move.service, move: move.kind, ms, at: now }];
  });
}
