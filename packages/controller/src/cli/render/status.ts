// The fleet on one screen: each service's tree, its hosts, its running operations and what is wrong. Pure.
import type {
  Backup,
  HostView,
  MemberView,
  ServiceView,
  Status,
} from '@leafward/shared/gen/domain.js';
import { defaultsOf } from '@leafward/shared/manifest/kinds.js';
import { renderOperationLines } from './operation.js';
import { nextBackup } from './schedule.js';
import type { Colour, Style } from './style.js';
import { renderTable, type Cell, type Column } from './table.js';
import { plural, wrap } from './text.js';
import {
  formatAge,
  formatBytes,
  formatCount,
  formatDuration,
  formatMoment,
  NOTHING,
} from './units.js';

export function renderStatus(status: Status, style: Style): string {
  const blocks = [renderHeadline(status, style)];
  for (const service of status.services) blocks.push(renderService(service, style));
  if (status.services.length === 0)
    blocks.push(
      'no service is deployed yet; declare them and run: leafward plan deploy fleet.yaml',
    );
  blocks.push(renderHostsLine(status.hosts, style));
  const running = status.operations.filter((operation) => operation.endedAt === undefined);
  if (running.length > 0)
    blocks.push(
      [
        style.paint('bold', 'operations'),
        ...running.flatMap((operation) => renderOperationLines(operation, style)),
      ].join('\n'),
    );
  return blocks.join('\n\n');
}

function renderHeadline(status: Status, style: Style): string {
  const members = status.services.reduce((sum, { members }) => sum + members.length, 0);
  const connected = status.hosts.filter((host) => host.connected).length;
  const below = problemsBelow(status);
  const own = status.problems.filter((problem) => !below.includes(problem));
  const wrong = own.length + below.length;
  const facts = [
    plural(status.services.length, 'service'),
    plural(members, 'member'),
    `${connected} of ${plural(status.hosts.length, 'host')} connected`,
    wrong === 0
      ? style.paint('green', 'nothing is wrong')
      : style.paint('red', plural(wrong, 'problem')),
  ];
  const headline = wrap(`${facts.join(' · ')} · ${formatMoment(status.now)}`, {
    columns: style.columns,
    first: `${style.paint('bold', status.fleet)}  `,
    rest: '  ',
  });
  return [headline, ...problemLines(own, undefined, style)].join('\n');
}

/** What is said beside its service, member or host, as the whole fleet's list says it too. */
function problemsBelow(status: Status): readonly string[] {
  const named = (name: string, problems: readonly string[]): readonly string[] =>
    problems.map((problem) => `${name}: ${problem}`);
  return [
    ...status.hosts.flatMap((host) => named(host.host, host.problems)),
    ...status.services.flatMap((service) => [
      ...named(service.service, service.problems),
      ...service.members.flatMap((member) => named(member.member, member.problems)),
    ]),
  ];
}

const COLUMNS: readonly Column[] = [
  { title: 'MEMBER' },
  { title: 'HOST', sacrifice: 1 },
  { title: 'ROLE' },
  { title: 'STATE' },
  { title: 'TERM', right: true, sacrifice: 6 },
  { title: 'VERSION', sacrifice: 2 },
  { title: 'POSITION', right: true, sacrifice: 3 },
  { title: 'LAG', right: true },
  { title: 'READY', sacrifice: 5 },
  { title: 'DATA', right: true, sacrifice: 7 },
  { title: 'FREE', right: true, sacrifice: 4 },
  { title: 'SEEN', right: true, sacrifice: 8 },
];

function renderService(service: ServiceView, style: Style): string {
  const isStack = defaultsOf(service.kind).shape === 'stack';
  const leaderSeenAt = service.members.find(isLeading)?.seenAt;
  const rows = inTreeOrder(service.members).map(({ member, prefix }) =>
    memberRow(member, prefix, { term: service.term, isStack, leaderSeenAt }, style),
  );
  const next = nextBackup(service, style);
  const lines = [
    [
      style.paint('bold', service.service),
      `  ${service.kind} · ${isStack ? '' : `term ${service.term} · `}${lastBackup(service.lastBackup, style)}`,
      next === undefined ? '' : ` · ${next}`,
      service.operation === undefined ? '' : ` · ${style.paint('cyan', service.operation)}`,
    ].join(''),
    renderTable({ columns: COLUMNS, rows, indent: '  ' }, style),
    ...problemLines(service.problems, service.service, style),
    ...service.members.flatMap((member) =>
      problemLines(
        member.problems.map((problem) => withSubject(member.member, problem)),
        member.member,
        style,
      ),
    ),
  ];
  return lines.join('\n');
}

function lastBackup(backup: Backup | undefined, style: Style): string {
  if (backup === undefined) return style.paint('yellow', 'no backup yet');
  const age = formatAge(backup.finishedAt, style.now);
  const proven = backup.drill?.ok === true ? ', proven' : '';
  return `last backup ${age} ago (${formatBytes(backup.sizeBytes)} from ${backup.member}${proven})`;
}

/** The leader first, each mirror below its upstream, the ones that nothing holds last. */
export function inTreeOrder(
  members: readonly MemberView[],
): readonly { readonly member: MemberView; readonly prefix: string }[] {
  const names = new Set(members.map(({ member }) => member));
  const placed = new Set<string>();
  const rows: { member: MemberView; prefix: string }[] = [];
  const byName = [...members].sort((a, b) => a.member.localeCompare(b.member));
  const visit = (member: MemberView, prefix: string, below: string): void => {
    if (placed.has(member.member)) return;
    placed.add(member.member);
    rows.push({ member, prefix });
    const mirrors = byName.filter((each) => each.upstream === member.member);
    mirrors.forEach((mirror, i) => {
      const last = i === mirrors.length - 1;
      visit(mirror, `${below}${last ? '└─ ' : '├─ '}`, `${below}${last ? '   ' : '│  '}`);
    });
  };
  const isTop = (member: MemberView): boolean =>
    member.upstream === undefined || !names.has(member.upstream);
  const tops = byName.filter(isTop);
  for (const top of tops.filter((member) => member.run !== 'retired')) visit(top, '', '');
  for (const top of tops) visit(top, '', '');
  for (const member of byName) visit(member, '', ''); // members of a ring have no top: still shown
  return rows;
}

const GOOD = new Set(['leading', 'mirroring', 'working']);
const MOVING = new Set(['behind', 'starting', 'migrating', 'stopped']);

const isLeading = (member: MemberView): boolean =>
  member.role === 'leader' && member.run !== 'retired';

function memberRow(
  member: MemberView,
  prefix: string,
  service: {
    readonly term: number;
    readonly isStack: boolean;
    readonly leaderSeenAt: number | undefined;
  },
  style: Style,
): readonly Cell[] {
  const retired = member.run === 'retired';
  const leads = isLeading(member);
  return [
    leads ? { text: prefix + member.member, colour: 'bold' } : prefix + member.member,
    member.host,
    retired ? { text: 'retired', colour: 'dim' } : roleWord(member.role, service.isStack),
    { text: member.state, colour: stateColour(member.state) },
    retired || service.isStack ? NOTHING : String(service.term),
    member.version ?? NOTHING,
    formatCount(member.position),
    leads ? NOTHING : lagCell(member, service.leaderSeenAt),
    readyCell(member.ready),
    formatBytes(member.dataBytes),
    freeCell(member),
    formatAge(member.seenAt, style.now),
  ];
}

/** A stack has a main process, which leads nobody that could follow it. */
const roleWord = (role: MemberView['role'], isStack: boolean): string =>
  isStack && role === 'leader' ? 'main' : role;

function stateColour(state: string): Colour {
  if (GOOD.has(state)) return 'green';
  if (MOVING.has(state)) return 'yellow';
  return state === 'retired' ? 'dim' : 'red';
}

/** The leader was seen later than the mirror and wrote meanwhile: then the figure is the most it can be. */
function lagCell({ lag, state, seenAt }: MemberView, leaderSeenAt: number | undefined): Cell {
  if (lag === undefined) return NOTHING;
  const isMost = lag > 0 && seenAt !== undefined && (leaderSeenAt ?? 0) > seenAt;
  const text = `${isMost ? '≤ ' : ''}${formatCount(lag)}`;
  return state === 'behind' ? { text, colour: 'yellow' } : text;
}

function readyCell(ready: boolean | undefined): Cell {
  if (ready === undefined) return NOTHING;
  return ready ? 'yes' : { text: 'no', colour: 'red' };
}

const LOW_FREE = 0.1; // a volume nine tenths full stands out before any check says so

function freeCell(member: MemberView): Cell {
  const { freeBytes, totalBytes } = member;
  if (freeBytes === undefined) return NOTHING;
  if (totalBytes === undefined || totalBytes === 0) return formatBytes(freeBytes);
  const share = freeBytes / totalBytes;
  const text = `${formatBytes(freeBytes)} (${Math.round(share * 100)} %)`;
  return share < LOW_FREE ? { text, colour: 'red' } : text;
}

const withSubject = (subject: string, problem: string): string =>
  problem.includes(subject) ? problem : `${subject}: ${problem}`;

/** One line a problem; the last one says where the facts behind them are. */
export function problemLines(
  problems: readonly string[],
  subject: string | undefined,
  style: Style,
): readonly string[] {
  return problems.map((problem, i) => {
    const hint =
      subject === undefined || i < problems.length - 1
        ? ''
        : ` ${style.paint('dim', `(leafward why ${subject})`)}`;
    const text = wrap(`${problem}${hint}`, { columns: style.columns, first: '  ✗ ', rest: '    ' });
    return text.replace('✗', style.paint('red', '✗'));
  });
}

const UNBROKEN = '\u00a0';

function renderHostsLine(hosts: readonly HostView[], style: Style): string {
  if (hosts.length === 0)
    return 'no host is enrolled yet; invite one with: leafward host invite NAME';
  const pieces = hosts.map(
    (host) => `${hostMark(host, style)} ${host.host}${hostNote(host, style)}`,
  );
  const whole = pieces.map((piece) => piece.replaceAll(' ', UNBROKEN)); // a host stays on one line
  const line = wrap(whole.join('   '), { columns: style.columns, first: 'hosts  ' }).replaceAll(
    UNBROKEN,
    ' ',
  );
  return [
    line.replace('hosts', style.paint('bold', 'hosts')),
    ...hosts.flatMap((host) =>
      problemLines(
        host.problems.map((problem) => withSubject(host.host, problem)),
        host.host,
        style,
      ),
    ),
  ].join('\n');
}

function hostMark(host: HostView, style: Style): string {
  if (host.revoked) return style.paint('dim', '⊘');
  if (!host.connected) return style.paint('red', '✗');
  if (host.criticals > 0) return style.paint('red', '●');
  return style.paint(host.warnings > 0 ? 'yellow' : 'green', '●');
}

function hostNote(host: HostView, style: Style): string {
  const notes: string[] = [];
  if (host.revoked) notes.push('revoked');
  else if (!host.connected)
    notes.push(
      host.lastSeenAt === undefined
        ? 'never seen'
        : `silent for ${formatDuration(style.now - host.lastSeenAt)}`,
    );
  if (host.criticals > 0) notes.push(`${host.criticals} critical`);
  if (host.warnings > 0) notes.push(plural(host.warnings, 'warning'));
  return notes.length === 0 ? '' : ` (${notes.join(', ')})`;
}
