// Hosts, users, waivers and what an invitation gives. Pure.
import type { HostFact, HostView, UserView, Waiver } from '@leafward/shared/gen/domain.js';
import { problemLines } from './status.js';
import type { Style } from './style.js';
import { renderTable, type Cell } from './table.js';
import { padEnd } from './text.js';
import {
  formatAge,
  formatBytes,
  formatDuration,
  formatMoment,
  formatUntil,
  NOTHING,
} from './units.js';

export function renderHosts(hosts: readonly HostView[], style: Style): string {
  if (hosts.length === 0)
    return 'no host is enrolled yet; invite one with: leafward host invite NAME';
  const rows = hosts.map((host): readonly Cell[] => [
    host.host,
    connection(host),
    formatAge(host.lastSeenAt, style.now),
    host.agentVersion ?? NOTHING,
    offset(host.clockOffsetMs),
    host.certificateExpiresAt === undefined
      ? NOTHING
      : formatUntil(host.certificateExpiresAt, style.now),
    count(host.criticals, 'red'),
    count(host.warnings, 'yellow'),
    host.fact === undefined ? NOTHING : `${host.fact.cpus}`,
    formatBytes(host.fact?.memoryTotalBytes),
  ]);
  const table = renderTable(
    {
      columns: [
        { title: 'HOST' },
        { title: 'STATE' },
        { title: 'SEEN', right: true },
        { title: 'AGENT', sacrifice: 2 },
        { title: 'CLOCK', right: true, sacrifice: 1 },
        { title: 'CERTIFICATE ENDS', sacrifice: 3 },
        { title: 'CRITICAL', right: true },
        { title: 'WARNINGS', right: true },
        { title: 'CPUS', right: true, sacrifice: 5 },
        { title: 'MEMORY', right: true, sacrifice: 4 },
      ],
      rows,
    },
    style,
  );
  return [table, ...hosts.flatMap((host) => hostProblems(host, style))].join('\n');
}

const hostProblems = (host: HostView, style: Style): readonly string[] =>
  problemLines(
    host.problems.map((text) => (text.includes(host.host) ? text : `${host.host}: ${text}`)),
    host.host,
    style,
  );

function connection(host: HostView): Cell {
  if (host.revoked) return { text: 'revoked', colour: 'dim' };
  return host.connected
    ? { text: 'connected', colour: 'green' }
    : { text: 'silent', colour: 'red' };
}

const count = (figure: number, colour: 'red' | 'yellow'): Cell =>
  figure === 0 ? '0' : { text: String(figure), colour };

function offset(ms: number | undefined): string {
  if (ms === undefined) return NOTHING;
  return `${ms >= 0 ? '+' : ''}${formatDuration(ms)}`;
}

/** One host with all that its agent last said of the machine. */
export function renderHost(host: HostView, style: Style): string {
  const pairs: [string, string][] = [
    ['state', connectionText(host)],
    [
      'last seen',
      host.lastSeenAt === undefined ? 'never' : `${formatAge(host.lastSeenAt, style.now)} ago`,
    ],
    ['agent', host.agentVersion ?? NOTHING],
    ['clock', offset(host.clockOffsetMs)],
    ['certificate', certificate(host, style)],
    [
      'findings',
      `${host.criticals} critical, ${host.warnings} warnings (leafward host check ${host.host})`,
    ],
    ...(host.fact === undefined ? [] : factPairs(host.fact, style)),
  ];
  const lines = [
    style.paint('bold', host.host),
    ...pairs.map(([name, value]) => `  ${padEnd(name, 12)} ${value}`),
  ];
  if (host.fact !== undefined && host.fact.volumes.length > 0)
    lines.push('', renderVolumes(host.fact, style));
  const problems = hostProblems(host, style);
  return [...lines, ...(problems.length === 0 ? [] : ['', ...problems])].join('\n');
}

const connectionText = (host: HostView): string =>
  host.revoked ? 'revoked' : host.connected ? 'connected' : 'silent';

const certificate = (host: HostView, style: Style): string =>
  host.certificateExpiresAt === undefined
    ? NOTHING
    : `ends ${formatUntil(host.certificateExpiresAt, style.now)} (${formatMoment(host.certificateExpiresAt)})`;

function factPairs(fact: HostFact, style: Style): [string, string][] {
  return [
    ['system', `${fact.os}, kernel ${fact.kernel}`],
    [
      'memory',
      `${formatBytes(fact.memoryAvailableBytes)} available of ${formatBytes(fact.memoryTotalBytes)}`,
    ],
    ['load', `${fact.load1.toFixed(2)} on ${fact.cpus} CPUs`],
    [
      'agent runs',
      `for ${formatAge(fact.agentStartedAt, style.now)}, ${formatBytes(fact.agentRssBytes)}, ${formatDuration(fact.agentCpuSeconds * 1000)} of CPU, loop delay p99 ${formatDuration(fact.loopDelayP99Ms)}`,
    ],
  ];
}

function renderVolumes(fact: HostFact, style: Style): string {
  const rows = fact.volumes.map((volume) => [
    volume.path,
    volume.fileSystem,
    volume.device,
    formatBytes(volume.freeBytes),
    formatBytes(volume.totalBytes),
    latency(volume.fdatasyncP50Ms),
    latency(volume.fdatasyncP99Ms),
    formatAge(volume.probedAt, style.now),
  ]);
  return renderTable(
    {
      indent: '  ',
      columns: [
        { title: 'VOLUME', elastic: true },
        { title: 'TYPE', sacrifice: 1 },
        { title: 'DEVICE', sacrifice: 2, elastic: true },
        { title: 'FREE', right: true },
        { title: 'OF', right: true },
        { title: 'FDATASYNC P50', right: true },
        { title: 'P99', right: true },
        { title: 'PROBED', right: true, sacrifice: 3 },
      ],
      rows,
    },
    style,
  );
}

const latency = (ms: number | undefined): string =>
  ms === undefined ? NOTHING : `${Number(ms.toPrecision(3))} ms`;

export function renderUsers(users: readonly UserView[], style: Style): string {
  if (users.length === 0) return 'no user is enrolled';
  const rows = users.map((user): readonly Cell[] => [
    user.name,
    user.role,
    user.revokedAt === undefined
      ? { text: 'enrolled', colour: 'green' }
      : { text: `revoked ${formatAge(user.revokedAt, style.now)} ago`, colour: 'dim' },
    formatAge(user.enrolledAt, style.now),
    user.certificateExpiresAt === undefined
      ? NOTHING
      : formatUntil(user.certificateExpiresAt, style.now),
  ]);
  return renderTable(
    {
      columns: [
        { title: 'USER' },
        { title: 'ROLE' },
        { title: 'STATE' },
        { title: 'AGE', right: true },
        { title: 'CERTIFICATE ENDS' },
      ],
      rows,
    },
    style,
  );
}

export function renderWaivers(waivers: readonly Waiver[], style: Style): string {
  if (waivers.length === 0) return 'nothing is waived';
  const rows = waivers.map((waiver) => [
    waiver.host,
    waiver.check,
    `${formatUntil(waiver.until, style.now)} (${formatMoment(waiver.until)})`,
    waiver.madeBy,
    formatAge(waiver.madeAt, style.now),
    waiver.reason,
  ]);
  return renderTable(
    {
      columns: [
        { title: 'HOST' },
        { title: 'CHECK' },
        { title: 'ENDS' },
        { title: 'BY', sacrifice: 1 },
        { title: 'AGE', right: true, sacrifice: 2 },
        { title: 'REASON', elastic: true },
      ],
      rows,
    },
    style,
  );
}

export interface Invitation {
  readonly url: string;
  readonly expiresAt: number;
}

/** The one place where a one-time URL is shown, once, to the person who asked for it. */
export function renderInvitation(program: string, invitation: Invitation, style: Style): string {
  return [
    `Run this there; it works once and ends ${formatUntil(invitation.expiresAt, style.now)}:`,
    '',
    `  ${program} enroll '${invitation.url}'`,
  ].join('\n');
}
