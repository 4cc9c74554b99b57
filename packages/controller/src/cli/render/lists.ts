// Plans, operations, backups, audit rows and explanations as lists. Pure.
import type {
  AuditRow,
  Backup,
  Explanation,
  Operation,
  Plan,
} from '@leafward/shared/gen/domain.js';
import { describeGoal } from './move.js';
import { currentMove } from './operation.js';
import { renderEvidence, renderRefusal, renderWait } from './outlook.js';
import { isRefused } from './plan.js';
import { copiesCell } from './copies.js';
import type { Colour, Style } from './style.js';
import { renderTable, type Cell } from './table.js';
import { plural, wrap } from './text.js';
import {
  formatAge,
  formatBytes,
  formatCount,
  formatDuration,
  formatMoment,
  NOTHING,
} from './units.js';

/** `operations`: all, ended ones too, so that a plan that was carried out does not look as if it waited. */
export function renderPlans(
  plans: readonly Plan[],
  operations: readonly Operation[],
  style: Style,
): string {
  if (plans.length === 0) return 'no plan was made yet; see: leafward plan --help';
  const rows = plans.map((plan): readonly Cell[] => [
    plan.id,
    describeGoal(plan.goal),
    String(plan.moves.length),
    verdictOfPlan(plan, operations),
    formatAge(plan.madeAt, style.now),
  ]);
  return renderTable(
    {
      columns: [
        { title: 'PLAN' },
        { title: 'GOAL', elastic: true },
        { title: 'MOVES', right: true },
        { title: 'VERDICT' },
        { title: 'AGE', right: true },
      ],
      rows,
    },
    style,
  );
}

function verdictOfPlan(plan: Plan, operations: readonly Operation[]): Cell {
  const applied = operations.find((operation) => operation.planId === plan.id);
  if (applied !== undefined) return { text: `applied as ${applied.id}`, colour: 'dim' };
  if (isRefused(plan)) return { text: 'refused', colour: 'red' };
  return plan.moves.length === 0 ? { text: 'nothing to do', colour: 'dim' } : 'can be applied';
}

const STATES: Readonly<Record<Operation['state'], Colour>> = {
  running: 'cyan',
  paused: 'yellow',
  done: 'green',
  aborted: 'red',
};

export function renderOperations(operations: readonly Operation[], style: Style): string {
  if (operations.length === 0)
    return 'no operation is running; ended ones too: leafward operation list --all';
  const rows = operations.map((operation): readonly Cell[] => {
    const at = currentMove(operation);
    return [
      operation.id,
      describeGoal(operation.goal),
      { text: operation.state, colour: STATES[operation.state] },
      at === undefined
        ? `${operation.moves.length}/${operation.moves.length}`
        : `${at}/${operation.moves.length}`,
      formatDuration((operation.endedAt ?? style.now) - operation.createdAt),
      formatAge(operation.createdAt, style.now),
      operation.createdBy,
      (at === undefined ? undefined : operation.progress[at]?.wait?.message) ??
        operation.reason ??
        '',
    ];
  });
  return renderTable(
    {
      columns: [
        { title: 'OPERATION' },
        { title: 'GOAL', elastic: true },
        { title: 'STATE' },
        { title: 'DONE', right: true },
        { title: 'TOOK', right: true, sacrifice: 1 },
        { title: 'AGE', right: true },
        { title: 'BY', sacrifice: 2 },
        { title: 'WAITS FOR', elastic: true, sacrifice: 3, optional: true },
      ],
      rows,
    },
    style,
  );
}

export function renderBackups(backups: readonly Backup[], style: Style): string {
  if (backups.length === 0) return 'no backup yet; take one with: leafward backup run SERVICE';
  const rows = backups.map((backup) => [
    backup.service,
    backup.name,
    backup.member,
    backup.host,
    formatAge(backup.finishedAt, style.now),
    formatBytes(backup.sizeBytes),
    formatDuration(backup.finishedAt - backup.startedAt),
    formatCount(backup.position),
    backup.version ?? NOTHING,
    verifiedCell(backup, style),
    provenCell(backup, style),
    copiesCell(backup, style),
    backup.manifestSha256.slice(0, 12),
  ]);
  return renderTable(
    {
      columns: [
        { title: 'SERVICE' },
        { title: 'BACKUP' },
        { title: 'MEMBER' },
        { title: 'HOST', sacrifice: 3 },
        { title: 'AGE', right: true },
        { title: 'SIZE', right: true },
        { title: 'TOOK', right: true, sacrifice: 2 },
        { title: 'POSITION', right: true, sacrifice: 1 },
        { title: 'VERSION', sacrifice: 4 },
        { title: 'VERIFIED', right: true },
        { title: 'PROVEN', right: true },
        { title: 'COPIES', elastic: true, optional: true },
        { title: 'MANIFEST', sacrifice: 5 },
      ],
      rows,
    },
    style,
  );
}

/** When its files were read again; never: nobody knows whether they still are what they were. */
function verifiedCell({ verification }: Backup, style: Style): Cell {
  if (verification === undefined) return NOTHING;
  if (!verification.ok) return { text: 'damaged', colour: 'red' };
  return formatAge(verification.at, style.now);
}

/** When a copy of it was booted; never: nobody knows whether anything comes up from it. */
function provenCell({ drill }: Backup, style: Style): Cell {
  if (drill === undefined) return NOTHING;
  if (!drill.ok) return { text: 'failed', colour: 'red' };
  return formatAge(drill.at, style.now);
}

export function renderAudit(rows: readonly AuditRow[], style: Style): string {
  if (rows.length === 0) return 'nothing was done yet';
  return renderTable(
    {
      columns: [
        { title: 'WHEN' },
        { title: 'WHO' },
        { title: 'WHAT' },
        { title: 'SUBJECT', elastic: true },
        { title: 'RESULT', elastic: true },
      ],
      rows: rows.map((row) => [formatMoment(row.at), row.who, row.what, row.subject, row.result]),
    },
    style,
  );
}

/** Findings that nobody has to act on are counted only, unless `all`. */
export function renderExplanations(
  explanations: readonly Explanation[],
  all: boolean,
  style: Style,
): string {
  const shown = explanations.map((each) => ({
    ...each,
    findings: each.findings.filter(({ severity }) => all || !['ok', 'info'].includes(severity)),
  }));
  const total = (list: readonly Explanation[]): number =>
    list.reduce((sum, { findings }) => sum + findings.length, 0);
  const hidden = total(explanations) - total(shown);
  const blocks = shown.map((each) => renderExplanation(each, style));
  if (hidden > 0)
    blocks.push(
      style.paint('dim', `${plural(hidden, 'check')} found nothing wrong (--all shows them)`),
    );
  return blocks.join('\n\n');
}

function renderExplanation(explanation: Explanation, style: Style): string {
  const lines = [
    wrap(`${style.paint('bold', explanation.subject)}: ${explanation.summary}`, {
      columns: style.columns,
      first: '',
      rest: '  ',
    }),
    ...renderEvidence(explanation.facts, '  ', style),
    ...explanation.waits.flatMap((wait) => renderWait(wait, '  ', style)),
    ...explanation.refusals.flatMap((refusal) => renderRefusal(refusal, '  ', style)),
  ];
  for (const finding of explanation.findings) {
    const first = `  ${finding.severity} ${finding.check}: `;
    const wanted = finding.wanted === '' ? '' : `, wanted ${finding.wanted}`;
    lines.push(
      wrap(`${finding.seen}${wanted} (seen ${formatAge(finding.seenAt, style.now)} ago)`, {
        columns: style.columns,
        first,
        rest: '    ',
      }),
    );
    const run = finding.fixable ? '; leafward host check HOST --fix does it' : '';
    if (finding.fix !== '' && finding.severity !== 'ok')
      lines.push(wrap(`${finding.fix}${run}`, { columns: style.columns, first: '    fix: ' }));
  }
  return lines.join('\n');
}
