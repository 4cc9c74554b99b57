// Carries operations out: asks the pure table what comes next, commits its answer and its effects in one
// transaction. Has no opinion of its own; killed at any instant it goes on from what is in the store.
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Operation } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { startLoop, type Loop } from '@leafward/shared/loop.js';
import { changesOf } from '../apply-effects.js';
import type { Change } from '../changes.js';
import type { Fleet } from '../fleet.js';
import { advance } from '../planning/index.js';

export interface OperationLoopOptions {
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly log: Logger;
  /** Another controller took over: this one must end. */
  readonly onReplaced: (error: LeafwardError) => void;
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
      const sentences: string[] = [];
      try {
        for (const { id, state } of fleet.operations())
          if (state === 'running') sentences.push(...(await advanceOne(fleet, id)));
      } catch (error) {
        if (error instanceof LeafwardError && error.code === 'stale') options.onReplaced(error);
        throw error;
      }
      return sentences.length === 0 ? undefined : sentences.join('; ');
    },
  });
}

/** One step of the table for one operation; returns the events that it wrote. */
export async function advanceOne(fleet: Fleet, id: string): Promise<readonly string[]> {
  return fleet.transact((snapshot) => {
    const before = snapshot.operations.find((operation) => operation.id === id);
    if (before === undefined || before.state !== 'running') return { changes: [], value: [] };
    const { operation, effects, events } = advance(before, snapshot);
    const effectChanges = changesOf(snapshot, effects);
    const isDurable = events.length > 0 || effects.length > 0 || isChanged(before, operation);
    if (!isDurable) {
      // Only what it waits for has changed: worth showing, not worth a commit.
      fleet.showOperation(operation);
      return { changes: [], value: [] };
    }
    const change: Change = { kind: 'operation', operation, events, at: snapshot.now };
    return {
      changes: [change, ...effectChanges, ...durations(before, operation, snapshot.now)],
      value: events.map((event) => `${id}: ${event}`),
    };
  });
}

function isChanged(before: Operation, after: Operation): boolean {
  return fingerprint(before) !== fingerprint(after);
}
function fingerprint(operation: Operation): string {
  const progress = operation.progress.map((move) => ({
    ...move,
    wait: move.wait === undefined ? undefined : { code: move.wait.code, since: move.wait.since },
  }));
  return JSON.stringify({ ...operation, progress });
}

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
