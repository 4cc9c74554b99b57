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
import type { Colour, Style } from './style.js';
import { renderTable, type Cell } from './table.js';
import { wrap } from './text.js';
import {
  formatAge,
  formatBytes,
  formatCount,
  formatDuration,
  formatMoment,
  NOTHING,
} from './units.js';

export function renderPlans(plans: readonly Plan[], style: Style): string {
  if (plans.length === 0) return 'no plan was made yet; see: leafward plan --help';
  const rows = plans.map((plan): readonly Cell[] => [
    plan.id,
    describeGoal(plan.goal),
    String(plan.moves.length),
    isRefused(plan) ? { text: 'refused', colour: 'red' } : 'can be applied',
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
        { title: 'WAITS FOR', elastic: true, sacrifice: 3 },
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
        { title: 'MANIFEST', sacrifice: 5 },
      ],
      rows,
    },
    style,
  );
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

export function renderExplanations(explanations: readonly Explanation[], style: Style): string {
  return explanations.map((each) => renderExplanation(each, style)).join('\n\n');
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
    if (finding.fix !== '')
      lines.push(wrap(finding.fix, { columns: style.columns, first: '    fix: ' }));
  }
  return lines.join('\n');
}
