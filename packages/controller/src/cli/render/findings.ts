// Findings of host checks: a table, then why and how to fix below; and what a fix changed. Pure.
import type {
  Finding,
  FindingView,
  Outcome,
  Severity,
  TuneChange,
} from '@leafward/shared/gen/domain.js';
import type { Colour, Style } from './style.js';
import { renderTable, type Cell } from './table.js';
import { plural, wrap } from './text.js';
import { formatAge, formatMoment, formatUntil } from './units.js';

const ORDER: readonly Severity[] = ['critical', 'warning', 'unknown', 'info', 'ok'];
const COLOURS: Readonly<Record<Severity, Colour>> = {
  critical: 'red',
  warning: 'yellow',
  unknown: 'yellow',
  info: 'cyan',
  ok: 'green',
};

export interface Findings {
  readonly findings: readonly FindingView[];
  /** Hosts that could not be asked, with the reason. */
  readonly silent: readonly string[];
}

export interface FindingsView {
  /** Rows for what is as wanted, too. */
  readonly all: boolean;
}

/** A finding that stands against its host today. */
export function isOpen(view: FindingView): boolean {
  return (
    view.waiver === undefined && ['critical', 'warning', 'unknown'].includes(view.finding.severity)
  );
}

export function renderFindings(data: Findings, { all }: FindingsView, style: Style): string {
  const sorted = [...data.findings].sort(
    (a, b) =>
      Number(a.waiver !== undefined) - Number(b.waiver !== undefined) ||
      ORDER.indexOf(a.finding.severity) - ORDER.indexOf(b.finding.severity) ||
      a.host.localeCompare(b.host) ||
      a.finding.check.localeCompare(b.finding.check) ||
      a.finding.subject.localeCompare(b.finding.subject),
  );
  const blocks: string[] = [];
  const rows = sorted.filter(({ finding }) => all || finding.severity !== 'ok');
  if (rows.length > 0) blocks.push(renderFindingTable(rows, style));
  const explained = sorted.filter(
    ({ finding }) => finding.severity !== 'ok' && finding.severity !== 'info',
  );
  blocks.push(...alike(explained).map((views) => renderReason(views, style)));
  blocks.push(
    ...data.silent.map((text) =>
      wrap(`${style.paint('red', 'not asked')}: ${text}`, { columns: style.columns, first: '' }),
    ),
  );
  const fixes = nextFixes(sorted);
  if (fixes.length > 0) blocks.push(fixes.join('\n'));
  const hidden = sorted.length - rows.length;
  const hint = hidden === 0 ? '' : style.paint('dim', ' (--all shows what is ok)');
  blocks.push(`${summary(sorted, style)}${hint}`);
  return blocks.join('\n\n');
}

function renderFindingTable(views: readonly FindingView[], style: Style): string {
  const rows = views.map(({ host, finding, waiver }): readonly Cell[] => [
    waiver === undefined
      ? { text: finding.severity, colour: COLOURS[finding.severity] }
      : { text: `${finding.severity} (waived)`, colour: 'dim' },
    host,
    finding.check,
    finding.subject,
    finding.seen,
    finding.wanted,
    formatAge(finding.seenAt, style.now),
  ]);
  return renderTable(
    {
      columns: [
        { title: 'SEVERITY' },
        { title: 'HOST' },
        { title: 'CHECK' },
        { title: 'SUBJECT', elastic: true, sacrifice: 2 },
        { title: 'SEEN', elastic: true },
        { title: 'WANTED', elastic: true },
        { title: 'AGE', right: true, sacrifice: 1 },
      ],
      rows,
    },
    style,
  );
}

/** One command a host; --dry-run comes first, for whoever wants to see. */
function nextFixes(views: readonly FindingView[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const view of views)
    if (view.finding.fixable && isOpen(view))
      counts.set(view.host, (counts.get(view.host) ?? 0) + 1);
  return [...counts].map(
    ([host, count]) =>
      `next: leafward host check ${host} --fix (${plural(count, 'finding')}; add --dry-run to see before)`,
  );
}

/** The same complaint about several hosts or subjects is explained once. */
function alike(views: readonly FindingView[]): readonly (readonly FindingView[])[] {
  const groups = new Map<string, FindingView[]>();
  for (const view of views) {
    const { severity, check, why, fix } = view.finding;
    const key = JSON.stringify([severity, check, why, fix, view.waiver]);
    groups.set(key, [...(groups.get(key) ?? []), view]);
  }
  return [...groups.values()];
}

function renderReason(views: readonly FindingView[], style: Style): string {
  const [first] = views;
  if (first === undefined) return '';
  const { finding, waiver } = first;
  const line = (title: string, text: string): string =>
    wrap(text, { columns: style.columns, first: `  ${title} ` });
  const hosts = [...new Set(views.map(({ host }) => host))];
  const subjects = new Set(views.map((view) => view.finding.subject));
  for (const dull of ['', finding.check, ...hosts]) subjects.delete(dull);
  const subject = subjects.size === 0 ? '' : ` (${[...subjects].join(', ')})`;
  const lines = [
    `${style.paint(COLOURS[finding.severity], finding.severity)} ${finding.check} on ${hosts.join(', ')}${subject}`,
    line('why:', `${finding.why}${sourceOf(finding)}`),
  ];
  if (finding.fix !== '') lines.push(line('fix:', finding.fix));
  if (waiver !== undefined)
    lines.push(
      line(
        'waived:',
        `${waiver.reason} (by ${waiver.madeBy}, ends ${formatUntil(waiver.until, style.now)}, ${formatMoment(waiver.until)})`,
      ),
    );
  return lines.join('\n');
}

/** What of the source the reason does not say itself. */
function sourceOf({ source, why }: Finding): string {
  const plain = (text: string): string => text.replaceAll(/[“”"]/g, '').toLowerCase();
  const parts = source.split('; ').filter((part) => !plain(why).includes(plain(part)));
  return parts.length === 0 || source === '' ? '' : ` (${parts.join('; ')})`;
}

function summary(views: readonly FindingView[], style: Style): string {
  const open = views.filter(isOpen);
  const waived = views.filter(
    (view) => view.waiver !== undefined && view.finding.severity !== 'ok',
  ).length;
  const good = views.filter(({ finding }) => finding.severity === 'ok').length;
  const criticals = open.filter(({ finding }) => finding.severity === 'critical').length;
  const parts = [
    `${plural(views.length, 'check')}: ${good} ok`,
    style.paint(criticals > 0 ? 'red' : 'dim', `${criticals} critical`),
    plural(open.filter(({ finding }) => finding.severity === 'warning').length, 'warning'),
    ...(waived > 0 ? [`${waived} waived`] : []),
  ];
  return parts.join(', ');
}

export interface TuneResult {
  readonly host: string;
  readonly outcome: Outcome;
  readonly dryRun: boolean;
  readonly undo: boolean;
}

/** Before and after of every value, and who would change it back. */
export function renderTuning({ host, outcome, dryRun, undo }: TuneResult, style: Style): string {
  const verb = dryRun
    ? undo
      ? 'would be put back'
      : 'would be changed'
    : undo
      ? 'put back'
      : 'changed';
  const lines = [
    `${style.paint('bold', host)}: ${plural(outcome.changes.length, 'value')} ${verb}`,
  ];
  if (outcome.changes.length > 0) lines.push(renderChanges(outcome.changes, style));
  for (const change of outcome.changes)
    if (change.overriddenBy !== undefined)
      lines.push(
        wrap(`${change.name} is overridden by ${change.overriddenBy}; it will not last`, {
          columns: style.columns,
          first: '  ! ',
        }).replace('!', style.paint('yellow', '!')),
      );
  if (outcome.state === 'succeeded' && dryRun && outcome.changes.length > 0)
    lines.push(
      `Nothing was changed. To do it: leafward host check ${host} ${undo ? '--undo' : '--fix'}`,
    );
  if (outcome.state !== 'succeeded')
    lines.push(
      wrap(
        `${style.paint('red', outcome.state)}: ${outcome.message ?? 'the agent gave no reason'}`,
        {
          columns: style.columns,
          first: '  ',
        },
      ),
    );
  return lines.join('\n');
}

function renderChanges(changes: readonly TuneChange[], style: Style): string {
  return renderTable(
    {
      indent: '  ',
      columns: [
        { title: 'CHECK', sacrifice: 1 },
        { title: 'NAME' },
        { title: 'BEFORE', right: true },
        { title: 'AFTER', right: true },
        { title: 'KEPT IN', elastic: true },
      ],
      rows: changes.map(({ check, name, before, after, file }) => [
        check,
        name,
        before === '' ? '–' : before,
        { text: after === '' ? '–' : after, colour: 'green' },
        file,
      ]),
    },
    style,
  );
}
