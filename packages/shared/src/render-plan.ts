// A plan as text: what the CLI prints, the audit keeps and the goldens compare. Pure. Must never show the value
// of an environment variable (I14).
import { unreachable } from './assert.js';
import type { Goal, Move, Plan } from './gen/domain.js';
import { renderDuration } from './manifest/units.js';
import { outlookLines } from './render-outlook.js';

/** Lines without a newline at the end; the same plan always gives the same text. */
export function renderPlan(plan: Plan): string {
  const lines = [`plan ${plan.id}: ${renderGoal(plan.goal)}`];
  const section = (title: string, body: readonly string[]): void => {
    if (body.length > 0) lines.push('', title, ...body.map((line) => `  ${line}`));
  };
  section('moves', plan.moves.flatMap(moveLines));
  section(
    'gates',
    plan.gates.map((gate) => `${gate.passed ? 'ok  ' : 'FAIL'} ${gate.name}: ${gate.message}`),
  );
  section(
    'refused',
    plan.refusals.flatMap((refusal) => [
      `${refusal.code}: ${refusal.message}`,
      `  → ${refusal.unblock}`,
    ]),
  );
  section('what to expect', outlookLines(plan.outlooks));
  section('warnings', plan.warnings);
  section('unchanged', plan.unchanged);
  if (plan.expectedDowntimeMs !== undefined)
    lines.push('', `expected downtime: ${renderDuration(plan.expectedDowntimeMs)}`);
  if (plan.moves.length === 0 && plan.refusals.length === 0) lines.push('', 'nothing to do');
  return lines.join('\n');
}

export function renderGoal(goal: Goal): string {
  switch (goal.kind) {
    case 'deploy':
      return 'deploy the manifest';
    case 'update':
      return `update ${goal.service} to ${goal.image}`;
    case 'fleet-update':
      return `update ${goal.updates.map(({ service }) => service).join(', ')} to ${goal.tag}`;
    case 'promote':
      return `hand ${goal.service} over to ${goal.to}`;
    case 'failover':
      return `fail ${goal.service} over${goal.to === undefined ? '' : ` to ${goal.to}`}${goal.automatic === undefined ? '' : `, by itself: ${goal.automatic}`}`;
    case 'backup':
      return `${backupVerb(goal)} ${goal.service}`;
    case 'reseed':
      return `reseed ${goal.member} of ${goal.service}`;
    case 'restore':
      return `restore ${goal.member === undefined ? '' : `${goal.member} of `}${goal.service} to backup ${goal.backup}${goal.image === undefined ? '' : ` with ${goal.image}`}`;
    case 'migrate':
      return `${goal.cutOver === true ? 'cut over' : 'migrate'} ${goal.service} from 0.1.x`;
    case 'optimize':
      return `optimize ${goal.service}`;
    case 'trim':
      return `trim the log of ${goal.service}`;
    default:
      return unreachable(goal);
  }
}

const backupVerb = ({ cold, snapshot }: Extract<Goal, { kind: 'backup' }>): string =>
  snapshot === true ? 'take a snapshot of' : cold === true ? 'back up, stopped,' : 'back up';

function moveLines(move: Move): readonly string[] {
  const expected = move.expectedMs === undefined ? '' : `  ~${renderDuration(move.expectedMs)}`;
  const head = `${move.id.padEnd(4)}${renderMove(move)}  (${move.cause})${expected}`;
  if (move.kind !== 'recreate') return [head];
  return [
    head,
    ...move.changes.map((change) => {
      const before = change.before === '' ? 'none' : change.before;
      const after = change.after === '' ? 'none' : change.after;
      return `      ${change.path}: ${before} → ${after}`;
    }),
  ];
}

const withImage = ({ image }: Extract<Move, { kind: 'restore' }>): string =>
  image === undefined ? '' : `, all with ${image.reference}`;

/** What a move does, in a few words without its cause. */
export function renderMove(move: Move): string {
  switch (move.kind) {
    case 'pull':
      return `pull ${move.image.reference} on ${move.hosts.join(', ')}`;
    case 'place':
      return `place ${move.intent.member} on ${move.host}`;
    case 'recreate':
      return `recreate ${move.member} on ${move.host}`;
    case 'remove':
      return `remove ${move.member} from ${move.host}`;
    case 'hand-over':
      return `hand over from ${move.from} to ${move.to}, term ${move.term}`;
    case 'fence':
      return `fence ${move.member} on ${move.host}${move.leaderIsOff === undefined ? '' : `, said to be off: ${move.leaderIsOff}${move.atOnce === true ? ', at once' : ''}`}`;
    case 'choose':
      return `choose among ${move.candidates.join(', ')}${move.candidates.length > 1 ? `, expected ${move.expected}` : ''}`;
    case 'force-promote':
      return `promote the chosen one by force, term ${move.term}`;
    case 'repoint':
      return `re-point ${move.members.join(', ')}`;
    case 'back-up':
      return `back up ${move.member} on ${move.host} as ${move.name}`;
    case 'halt':
      return `stop ${move.members.join(', ')}`;
    case 'reseed':
      return `reseed ${move.member} on ${move.host} from ${move.reseed?.backup ?? move.upstream}`;
    case 'restore':
      return `restore ${move.backup} to ${move.member} on ${move.host}, term ${move.term}${withImage(move)}`;
    case 'migrate':
      return `migrate ${move.migration.source} to ${move.member} on ${move.host}, term ${move.term}`;
    case 'sync':
      return `bring ${move.member} on ${move.host} what its source got since`;
    case 'trim':
      return `trim the log by ${move.member} on ${move.host}, read by ${move.mirrors.join(', ')}`;
    case 'optimize':
      return `optimize ${move.member} on ${move.host} ${move.way === 'swap' ? 'by cold copies' : 'at its start'}`;
    case 'cold-back-up':
      return `back up ${move.member} on ${move.host}, stopped, as ${move.name}`;
    case 'snapshot':
      return `run the snapshot command for ${move.member} on ${move.host}${move.freeze ? ', frozen' : ''}`;
    case 'send':
      return `send ${move.backup} from ${move.fromHost} to ${move.toHost}`;
    case 'realias':
      return `have ${move.registry} name the leader under ${move.alias}.${move.network}`;
    default:
      return unreachable(move);
  }
}
