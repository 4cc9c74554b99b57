// An operation: where each move is, what it waits for, how it ended and what to do next. Pure.
import type { Move, Operation, OperationEvent } from '@leafward/shared/gen/domain.js';
import { halfUpdateLines } from '@leafward/shared/half-update.js';
import { describeGoal, describeMove } from './move.js';
import { renderWait } from './outlook.js';
import type { Colour, Style } from './style.js';
import { padStart, plural, wrap } from './text.js';
import { formatClock, formatDuration } from './units.js';

/** How an operation stands, as a program's end would say it. */
export type Verdict = 'done' | 'running' | 'paused-by-failure' | 'paused-by-operator' | 'aborted';

export function verdictOf(operation: Operation): Verdict {
  if (operation.state !== 'paused') return operation.state;
  const failed = operation.progress.some((progress) => progress.state === 'failed');
  return failed ? 'paused-by-failure' : 'paused-by-operator';
}

/** Index of the move that is on now, or that comes next; undefined when all are done. */
export function currentMove(operation: Operation): number | undefined {
  const at = operation.moves.findIndex((_, i) => operation.progress[i]?.state !== 'done');
  return at === -1 ? undefined : at;
}

const STATE_COLOURS: Readonly<Record<Operation['state'], Colour>> = {
  running: 'cyan',
  paused: 'yellow',
  done: 'green',
  aborted: 'red',
};

/** For the status screen: two lines and the wait. */
export function renderOperationLines(operation: Operation, style: Style): readonly string[] {
  const state = style.paint(STATE_COLOURS[operation.state], operation.state);
  const lines = [
    wrap(
      `${describeGoal(operation.goal)} · ${state} for ${formatDuration(style.now - operation.createdAt)} · by ${operation.createdBy}`,
      { columns: style.columns, first: `  ${operation.id}  `, rest: '    ' },
    ),
  ];
  const at = currentMove(operation);
  const move = at === undefined ? undefined : operation.moves[at];
  if (at !== undefined && move !== undefined) {
    const where = `move ${at + 1} of ${operation.moves.length}: ${describeMove(move)}`;
    lines.push(wrap(where, { columns: style.columns, first: '    ' }));
    const wait = operation.progress[at]?.wait;
    if (wait !== undefined && isWaiting(operation)) lines.push(...renderWait(wait, '    ', style));
  }
  if (operation.reason !== undefined && operation.state === 'paused')
    lines.push(wrap(operation.reason, { columns: style.columns, first: '    ' }));
  return lines;
}

/** The whole operation, move by move. `isWatched`: it is redrawn until it ends. */
export function renderOperation(operation: Operation, style: Style, isWatched = false): string {
  const state = style.paint(STATE_COLOURS[operation.state], operation.state);
  const took = formatDuration((operation.endedAt ?? style.now) - operation.createdAt);
  const lines = [
    wrap(`${style.paint('bold', operation.id)}: ${describeGoal(operation.goal)}`, {
      columns: style.columns,
      first: 'operation ',
    }),
    `${state} ${operation.endedAt === undefined ? 'for' : 'in'} ${took} · by ${operation.createdBy} · from plan ${operation.planId}${operation.abortRequested && operation.state !== 'aborted' ? ` · ${style.paint('yellow', 'aborts at the next safe point')}` : ''}`,
    '',
    ...operation.moves.flatMap((_, i) => moveLines(operation, i, style)),
  ];
  if (operation.chosen !== undefined)
    lines.push(
      '',
      wrap(`chosen: ${operation.chosen}${because(operation.chosenBecause)}`, {
        columns: style.columns,
        first: '',
        rest: '  ',
      }),
    );
  lines.push('', ...endLines(operation, style, isWatched));
  return lines.join('\n');
}

const because = (reason: string | undefined): string => (reason === undefined ? '' : `, ${reason}`);

function moveLines(operation: Operation, i: number, style: Style): readonly string[] {
  const move = operation.moves[i];
  const progress = operation.progress[i];
  if (move === undefined) return [];
  const state = progress?.state ?? 'pending';
  const mark = { pending: '·', begun: '▸', done: '✓', failed: '✗' }[state];
  const colour = ({ pending: 'dim', begun: 'cyan', done: 'green', failed: 'red' } as const)[state];
  const number = padStart(String(i + 1), String(operation.moves.length).length);
  const first = `  ${mark} ${number}  `;
  const line = wrap(`${describeMove(asChosen(move, operation))}${timing(operation, i, style)}`, {
    columns: style.columns,
    first,
  });
  const below = ' '.repeat(first.length);
  const lines = [
    state === 'pending'
      ? style.paint('dim', line)
      : line.replace(mark, () => style.paint(colour, mark)),
  ];
  if (progress?.note !== undefined && state !== 'pending')
    lines.push(wrap(progress.note, { columns: style.columns, first: below }));
  if (progress?.wait !== undefined && isWaiting(operation))
    lines.push(...renderWait(progress.wait, below, style));
  return lines;
}

/** What an operation waited for when an operator paused it may be over long ago. */
function isWaiting(operation: Operation): boolean {
  const verdict = verdictOf(operation);
  return verdict === 'running' || verdict === 'paused-by-failure';
}

/** The one that was chosen leads now: the others are re-pointed. */
function asChosen(move: Move, { chosen }: Operation): Move {
  if (move.kind !== 'repoint' || chosen === undefined) return move;
  return { ...move, members: move.members.filter((member) => member !== chosen) };
}

function timing(operation: Operation, i: number, style: Style): string {
  const progress = operation.progress[i];
  const expected = operation.moves[i]?.expectedMs;
  const usual = expected === undefined ? '' : ` of about ${formatDuration(expected)}`;
  if (progress?.begunAt === undefined)
    return expected === undefined ? '' : ` (about ${formatDuration(expected)})`;
  const attempt = progress.attempt > 1 ? `, attempt ${progress.attempt}` : '';
  const end = progress.endedAt ?? operation.endedAt;
  const took = formatDuration(Math.max(0, (end ?? style.now) - progress.begunAt));
  return end === undefined ? ` (${took}${usual}${attempt})` : ` (${took}${attempt})`;
}

function endLines(operation: Operation, style: Style, isWatched: boolean): readonly string[] {
  // "pause by ada: lunch" after the word that says it
  const told = operation.reason?.replace(/^(pause|abort) by /, 'by ');
  const reason = told === undefined ? '' : `${told === operation.reason ? ':' : ''} ${told}`;
  const said = (text: string): string =>
    wrap(text, { columns: style.columns, first: '', rest: '  ' });
  switch (verdictOf(operation)) {
    case 'done':
      return [style.paint('green', `done: ${plural(operation.moves.length, 'move')}`)];
    case 'aborted':
      return [
        said(`${style.paint('red', 'aborted')}${reason}`),
        'what was done stays done; see it with: leafward status',
        ...halfUpdateLines(operation).map(said),
      ];
    case 'paused-by-failure':
      return [
        said(`${style.paint('red', 'paused by a failure')}${reason}`),
        ...halfUpdateLines(operation).map(said),
        `next: leafward why ${operation.id}, then leafward operation resume ${operation.id}, or leafward operation abort ${operation.id}`,
      ];
    case 'paused-by-operator':
      return [
        said(`${style.paint('yellow', 'paused')}${reason}`),
        `next: leafward operation resume ${operation.id}`,
      ];
    default:
      return isWatched
        ? [style.paint('dim', 'Ctrl-C ends the watching; the operation runs on')]
        : [`follow it with: leafward operation watch ${operation.id}`];
  }
}

export function renderEvents(events: readonly OperationEvent[], style: Style): string {
  return events
    .map(({ at, text }) => wrap(text, { columns: style.columns, first: `  ${formatClock(at)}  ` }))
    .join('\n');
}

/** What a terminal that cannot redraw is told: one line for each thing that changed since `before`. */
export function operationChanges(
  before: Operation | undefined,
  after: Operation,
): readonly string[] {
  const lines: string[] = [];
  const count = after.moves.length;
  if (before === undefined)
    lines.push(`${after.id}: ${describeGoal(after.goal)}, ${plural(count, 'move')}`);
  after.moves.forEach((move, i) => {
    const now = after.progress[i];
    const was = before?.progress[i];
    if (now === undefined) return;
    const said = `move ${i + 1}/${count} ${describeMove(move)}`;
    if (now.state !== (was?.state ?? 'pending') || now.attempt > Math.max(1, was?.attempt ?? 1))
      lines.push(`${said}: ${movedTo(now)}`);
    else if (now.note !== undefined && now.note !== was?.note) lines.push(`${said}: ${now.note}`);
    const waitsAnew = now.wait !== undefined && now.wait.message !== was?.wait?.message;
    if (waitsAnew && now.wait !== undefined)
      lines.push(
        `${said} waits: ${now.wait.message} [${now.wait.code}]; to go on: ${now.wait.unblock}`,
      );
  });
  if (after.chosen !== undefined && after.chosen !== before?.chosen)
    lines.push(`chosen: ${after.chosen}${because(after.chosenBecause)}`);
  if (after.abortRequested && before?.abortRequested === false)
    lines.push('abort asked for: it ends at the next safe point');
  if (before !== undefined && after.state !== before.state)
    lines.push(
      `${after.id} is ${after.state}${after.reason === undefined || after.state === 'done' ? '' : `: ${after.reason}`}`,
    );
  return lines;
}

function movedTo(progress: Operation['progress'][number]): string {
  const attempt = progress.attempt > 1 ? ` (attempt ${progress.attempt})` : '';
  const note = progress.note === undefined ? '' : `: ${progress.note}`;
  const { begunAt, endedAt } = progress;
  const took =
    begunAt === undefined || endedAt === undefined
      ? ''
      : ` in ${formatDuration(endedAt - begunAt)}`;
  return `${progress.state}${took}${attempt}${note}`;
}
