// The pure table that carries operations out, run again on every wake. Must never guess: what facts do not show
// is waited for. Everything that it knows of the past is in the operation's record.
import type { Move, MoveProgress, Operation, OperationEvent } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import type { Effect } from './effects.js';
import { wait, type MoveContext, type Step } from './moves/move.js';
import { begin, check } from './moves/table.js';
import { startStopped } from './halted.js';
import { isHalfway } from './operation.js';
import { objectToBegin } from './safe-begin.js';
import { BACKUP_MS, BEGIN_PATIENCE_MS } from './thresholds.js';

/** What one run of the table wants committed, all in one transaction. */
export interface Advance {
  readonly operation: Operation;
  readonly effects: readonly Effect[];
  readonly events: readonly OperationEvent['text'][];
}

/**
 * Goes on until something must be committed or waited for. With nothing new it returns the same operation, no
 * effects and no events. A move that begins is committed together with its effects: nothing is ordered twice.
 */
export function advance(operation: Operation, snapshot: Snapshot): Advance {
  const events: string[] = [];
  let current = inThisTime(operation, snapshot.now);
  // Each round ends a move, begins a phase or stops; the limit only guards against a row that goes in circles.
  for (let round = 0; round <= 8 * operation.moves.length + 8; round += 1) {
    const next = advanceOnce(current, snapshot);
    events.push(...next.events);
    const isSame = next.operation === current;
    current = next.operation;
    if (isSame || next.effects.length > 0 || current.state !== 'running' || next.isWaiting)
      return { operation: current, effects: next.effects, events };
  }
  return { operation: current, effects: [], events };
}

/**
 * The clock was set back: moments that are yet to come are taken for now. Else every fact would be too old for a move
 * that begins in the future, for as long as the clock was ahead.
 */
function inThisTime(operation: Operation, now: number): Operation {
  const isAhead = ({ begunAt = now, endedAt = now, wait }: MoveProgress): boolean =>
    Math.max(begunAt, endedAt, wait?.since ?? now) > now;
  if (!operation.progress.some(isAhead)) return operation;
  const past = (at: number | undefined) => (at === undefined ? undefined : Math.min(at, now));
  const progress = operation.progress.map((move) => ({
    ...move,
    begunAt: past(move.begunAt),
    endedAt: past(move.endedAt),
    wait: move.wait && { ...move.wait, since: Math.min(move.wait.since, now) },
  }));
  return { ...operation, progress };
}

interface Once extends Advance {
  readonly isWaiting: boolean;
}

function advanceOnce(operation: Operation, snapshot: Snapshot): Once {
  const still: Once = { operation, effects: [], events: [], isWaiting: true };
  if (operation.state !== 'running') return still;
  const index = operation.progress.findIndex((progress) => progress.state !== 'done');
  const move = operation.moves[index];
  const progress = operation.progress[index];
  if (move === undefined || progress === undefined) return ended(operation, snapshot, 'done');
  const context: MoveContext = { operation, index, move, progress, snapshot };
  const isBegun = progress.state === 'begun';
  // One that failed is given up where it is, however far it had come: nothing is under way.
  const mayEnd = progress.state === 'failed' || !isHalfway(operation, snapshot);
  if (!isBegun && operation.abortRequested && mayEnd) return ended(operation, snapshot, 'aborted');
  if (isBegun) {
    const step = check(context);
    return mayLeave(operation, move, step)
      ? ended(operation, snapshot, 'aborted')
      : afterStep(context, step);
  }
  const first: MoveContext = {
    ...context,
    progress: { ...progress, attempt: Math.max(1, progress.attempt) },
  };
  return afterStep(first, safeToBegin(context) ?? begin(first));
}

/**
 * An abort does not wait for a silent host where nothing can be half done: what was ordered is an intent that the
 * host takes when it is back, and the next plan begins with what it finds. A promotion is never left like this.
 */
function mayLeave(operation: Operation, move: Move, step: Step): boolean {
  if (!operation.abortRequested || step.kind !== 'wait') return false;
  // A copy takes hours, and of an upstream that died it never ends: nobody else may be kept waiting for it.
  if (move.kind === 'reseed') return true;
  const isIntent = ['place', 'recreate', 'remove', 'pull'].includes(move.kind);
  return isIntent && step.wait.code === 'host-silent';
}

function ended(operation: Operation, snapshot: Snapshot, state: 'done' | 'aborted'): Once {
  return {
    operation: { ...operation, state, endedAt: snapshot.now },
    effects: state === 'aborted' ? startStopped(operation, snapshot) : [],
    events: [state === 'done' ? 'done' : `aborted: ${operation.reason ?? ''}`],
    isWaiting: true,
  };
}

/** Not safe now is a wait, not a failure: what stands in the way may pass. */
function safeToBegin(context: MoveContext): Step | undefined {
  const [objection] = objectToBegin(context.snapshot, context.operation, context.move);
  if (objection === undefined) return undefined;
  return wait(context, {
    ...objection,
    message: `${context.move.id} cannot begin: ${objection.message}`,
    // A backup ends, however long it takes; what else stands in the way may stay.
    timeoutMs: objection.code === 'scheduled-backup' ? BACKUP_MS : BEGIN_PATIENCE_MS,
  });
}

function afterStep(context: MoveContext, step: Step): Once {
  const { operation, move, progress, snapshot } = context;
  const { now } = snapshot;
  switch (step.kind) {
    case 'wait': {
      const next = { ...without(progress, 'wait'), ...step.progress, wait: step.wait };
      const before = operation.progress[context.index];
      // An attempt counts only once it has begun.
      const kept = before?.state === 'begun' ? next : { ...next, attempt: before?.attempt ?? 0 };
      return {
        operation: isEqual(before, kept) ? operation : withProgress(context, kept),
        effects: [],
        events: [],
        isWaiting: true,
      };
    }
    case 'go': {
      const next: MoveProgress = {
        ...without(progress, 'wait'),
        ...step.progress,
        state: 'begun',
        phase: step.phase,
        begunAt: progress.state === 'begun' ? progress.begunAt : now,
      };
      return {
        operation: withProgress(context, next),
        effects: step.effects,
        events: step.event === undefined ? [] : [`${move.id}: ${step.event}`],
        isWaiting: false,
      };
    }
    case 'done': {
      const next: MoveProgress = {
        ...without(progress, 'wait'),
        state: 'done',
        begunAt: progress.begunAt ?? now,
        endedAt: now,
        note: step.note,
      };
      return {
        operation: { ...withProgress(context, next), ...step.operation },
        effects: step.effects ?? [],
        events: [`${move.id}: ${step.note}`],
        isWaiting: false,
      };
    }
    case 'failed': {
      const next: MoveProgress = { ...progress, state: 'failed', endedAt: now, note: step.reason };
      const paused = withProgress(context, next);
      const events = [`${move.id}: failed: ${step.reason}`];
      // An abort was asked for, and this is a safe point.
      if (operation.abortRequested && !isHalfway(paused, snapshot)) {
        const end = ended(paused, snapshot, 'aborted');
        return { ...end, events: [...events, ...end.events] };
      }
      const reason = `${move.id} failed: ${step.reason}`;
      return {
        operation: { ...paused, state: 'paused', reason },
        effects: [],
        events,
        isWaiting: true,
      };
    }
  }
}

const without = (progress: MoveProgress, _key: 'wait'): MoveProgress => {
  const { wait: _, ...rest } = progress;
  return rest;
};

const withProgress = (context: MoveContext, next: MoveProgress): Operation => ({
  ...context.operation,
  progress: context.operation.progress.map((old, index) => (index === context.index ? next : old)),
});

const isEqual = (a: MoveProgress | undefined, b: MoveProgress): boolean =>
  a === b || JSON.stringify(a) === JSON.stringify(b);
