// A plan as it is reviewed: gates, moves with their causes, refusals, downtime, and the next command. Pure.
import type { FieldChange, Gate, Move, Plan } from '@leafward/shared/gen/domain.js';
import { outlookLines } from '@leafward/shared/render-outlook.js';
import { describeGoal, describeMove } from './move.js';
import { renderEvidence, renderRefusal } from './outlook.js';
import type { Style } from './style.js';
import { padStart, plural, wrap } from './text.js';
import { formatAge, formatDuration } from './units.js';

/** True when the plan must not be carried out. */
export function isRefused(plan: Plan): boolean {
  return plan.refusals.length > 0 || plan.gates.some((gate) => !gate.passed);
}

export interface PlanContext {
  /** Operation that carries it out, or did. */
  readonly appliedAs?: string | undefined;
  /** True when the question whether to apply it follows at once. */
  readonly asksNow?: boolean | undefined;
}

export function renderPlan(plan: Plan, style: Style, context: PlanContext = {}): string {
  const made = formatAge(plan.madeAt, style.now);
  const blocks: string[][] = [
    [
      wrap(`${style.paint('bold', plan.id)}: ${describeGoal(plan.goal)} (made ${made} ago)`, {
        columns: style.columns,
        first: 'plan ',
      }),
    ],
  ];
  if (plan.gates.length > 0)
    blocks.push([
      style.paint('bold', 'gates'),
      ...plan.gates.flatMap((gate) => gateLines(gate, plan, style)),
    ]);
  if (plan.moves.length > 0 && !isRefused(plan)) blocks.push(moveBlock(plan.moves, style));
  if (plan.unchanged.length > 0)
    blocks.push([
      style.paint('bold', 'left alone'),
      ...plan.unchanged.map((text) => style.paint('dim', hung(text, '  = ', style))),
    ]);
  if (plan.refusals.length > 0)
    blocks.push([
      style.paint('bold', 'refused'),
      ...plan.refusals.flatMap((refusal) => renderRefusal(refusal, '  ', style)),
    ]);
  const expected = outlookLines(plan.outlooks);
  if (expected.length > 0)
    blocks.push([
      style.paint('bold', 'what to expect'),
      ...expected.map((text) => hung(text, '  · ', style)),
    ]);
  if (plan.warnings.length > 0)
    blocks.push([
      style.paint('bold', 'warnings'),
      ...plan.warnings.map((text) =>
        hung(text, '  ! ', style).replace('!', style.paint('yellow', '!')),
      ),
    ]);
  blocks.push(endLines(plan, style, context));
  return blocks.map((lines) => lines.join('\n')).join('\n\n');
}

const hung = (text: string, first: string, style: Style): string =>
  wrap(text, { columns: style.columns, first });

function gateLines(gate: Gate, plan: Plan, style: Style): readonly string[] {
  const mark = gate.passed ? '✓' : '✗';
  const isSaidBelow = isSaidByRefusal(gate, plan);
  const message = isSaidBelow ? 'refused, see below' : gate.message;
  const line = hung(`${gate.name}: ${message}`, `  ${mark} `, style);
  return [
    line.replace(mark, style.paint(gate.passed ? 'green' : 'red', mark)),
    ...(isSaidBelow ? [] : renderEvidence(gate.evidence, '      ', style)),
  ];
}

/** A gate that closes is mostly a refusal too: said once. */
const isSaidByRefusal = (gate: Gate, plan: Plan): boolean =>
  !gate.passed && plan.refusals.some(({ message }) => message === gate.message);

function moveBlock(moves: readonly Move[], style: Style): string[] {
  const digits = String(moves.length).length;
  const lines = moves.flatMap((move, i) => {
    const number = `  ${padStart(String(i + 1), digits)}  `;
    const blank = ' '.repeat(number.length);
    const expected =
      move.expectedMs === undefined ? '' : `, about ${formatDuration(move.expectedMs)}`;
    const cause =
      move.cause === ''
        ? []
        : [style.paint('dim', hung(`because ${move.cause}`, `${blank}  `, style))];
    return [
      hung(`${describeMove(move)}${expected}`, number, style),
      ...cause,
      ...changeLines(move, `${blank}  `, style),
    ];
  });
  return [style.paint('bold', 'moves'), ...lines];
}

function changeLines(move: Move, indent: string, style: Style): readonly string[] {
  if (move.kind === 'pull')
    return [hung(`digest ${shortDigest(move.image.digest)}`, indent, style)];
  if (move.kind !== 'recreate') return [];
  // Both versions are in the move's own line, the new image's digest is with its pull.
  const isVersionSaid = move.fromVersion !== undefined && move.spec.image.version !== undefined;
  return move.changes
    .filter(
      ({ path }) =>
        path !== 'image' || !isVersionSaid || move.fromVersion === move.spec.image.version,
    )
    .map((change) => hung(describeChange(change), indent, style));
}

const shortDigest = (digest: string): string => digest.replace(/^sha256:/, '').slice(0, 12);

/** A value of the environment may be a secret: never shown (I14). */
function describeChange({ path, before, after }: FieldChange): string {
  if (path.startsWith('environment')) return `${path}: ${changeOf(before, after)}`;
  if (before === '') return `${path}: now ${after}`;
  return after === '' ? `${path}: no more (was ${before})` : `${path}: ${before} → ${after}`;
}

const changeOf = (before: string, after: string): string =>
  before === '' ? 'new' : after === '' ? 'no more' : 'another value';

function endLines(plan: Plan, style: Style, { appliedAs, asksNow }: PlanContext): string[] {
  if (isRefused(plan)) {
    const closed = plan.gates.filter((gate) => !gate.passed && !isSaidByRefusal(gate, plan));
    const reasons = plural(plan.refusals.length + closed.length, 'reason');
    const moves =
      plan.moves.length === 0 ? '' : ` Its ${plural(plan.moves.length, 'move')}: -o json.`;
    return [
      `${style.paint('red', 'This plan cannot be applied')}: ${reasons} above. Nothing was changed.${moves}`,
      ...(plan.services[0] === undefined ? [] : [`next: leafward why ${plan.services[0]}`]),
    ];
  }
  if (plan.moves.length === 0) return ['Nothing to do: everything is as wanted already.'];
  const expected = plan.moves.every((move) => move.expectedMs !== undefined)
    ? `, about ${formatDuration(plan.moves.reduce((sum, move) => sum + (move.expectedMs ?? 0), 0))} in all`
    : '';
  const downtime =
    plan.expectedDowntimeMs === undefined
      ? 'not known yet (nothing like it was done before)'
      : plan.expectedDowntimeMs === 0
        ? 'none'
        : formatDuration(plan.expectedDowntimeMs);
  return [
    `${plural(plan.moves.length, 'move')}${expected}; expected downtime: ${downtime}`,
    ...nextLines(plan, style, { appliedAs, asksNow }),
  ];
}

function nextLines(plan: Plan, style: Style, { appliedAs, asksNow }: PlanContext): string[] {
  if (appliedAs !== undefined)
    return [`applied as ${appliedAs}; see: leafward operation show ${appliedAs}`];
  return asksNow === true ? [] : [`next: ${style.paint('cyan', `leafward apply ${plan.id}`)}`];
}
