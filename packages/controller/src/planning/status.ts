// The fleet as an operator sees it, from one snapshot. Pure.
import type { HostView, MemberView, ServiceView, Status } from '@leafward/shared/gen/domain.js';
import type { HostState, Snapshot } from '../snapshot.js';
import { aliasProblems } from './alias.js';
import { automaticProblems } from './automatic-explain.js';
import { diagnose } from './diagnose.js';
import { forecastFindings, forecastProblems } from './forecast-words.js';
import {
  backupsOf,
  gatherService,
  livingOf,
  operationsOn,
  type MemberAt,
  type ServiceAt,
} from './gather.js';
import { roleOf } from './intents.js';
import { rebuildProblems } from './rebuild-words.js';
import { drillProblems } from './proven.js';
import { dutyProblems, dutyViews } from './scheduled.js';
import { isStack } from './stack.js';
import { renderDuration } from './words.js';

export function buildStatus(snapshot: Snapshot): Status {
  const services = Object.keys(snapshot.services)
    .sort()
    .flatMap((name) => {
      const service = gatherService(snapshot, name);
      return service === undefined ? [] : [serviceView(snapshot, service)];
    });
  const hosts = Object.values(snapshot.hosts)
    .sort((a, b) => a.name.localeCompare(b.name))
    .map((host) => hostView(snapshot, host));
  return {
    fleet: snapshot.fleet,
    now: snapshot.now,
    services,
    hosts,
    problems: [
      ...rebuildProblems(snapshot),
      ...services.flatMap((view) => [
        ...view.problems.map((problem) => `${view.service}: ${problem}`),
        ...view.members.flatMap((member) =>
          member.problems.map((problem) => `${member.member}: ${problem}`),
        ),
      ]),
      ...hosts.flatMap((view) => view.problems.map((problem) => `${view.host}: ${problem}`)),
    ],
    operations: snapshot.operations,
  };
}

function serviceView(snapshot: Snapshot, service: ServiceAt): ServiceView {
  return {
    service: service.name,
    kind: service.declaration.kind,
    term: service.topology.term,
    members: inTreeOrder(service).map((member) => memberView(snapshot, service, member)),
    lastBackup: backupsOf(snapshot, service.name)[0],
    problems: serviceProblems(snapshot, service),
    operation: operationsOn(snapshot, service.name)[0]?.id,
    duties: dutyViews(snapshot, service),
  };
}

/** Each member right after its upstream, so that depth alone draws the tree; retired ones at the end. */
function inTreeOrder(service: ServiceAt): readonly MemberAt[] {
  const below = (name: string): readonly MemberAt[] =>
    livingOf(service)
      .filter((member) => member.upstream === name)
      .flatMap((member) => [member, ...below(member.name)]);
  const leader = service.leader === undefined ? [] : [service.leader];
  return [
    ...leader,
    ...below(service.topology.leader),
    ...service.members.filter((member) => member.isRetired),
  ];
}

function memberView(snapshot: Snapshot, service: ServiceAt, member: MemberAt): MemberView {
  const { fact, intent } = member;
  const { state, problems, lag } = diagnose(service, member, snapshot.now);
  const isRunning = fact?.container.state === 'running';
  return {
    member: member.name,
    host: member.host,
    role: roleOf(service.declaration, service.topology, member.name),
    upstream: member.upstream,
    depth: member.depth,
    run: intent?.run ?? 'stopped',
    state,
    version: fact?.engine.version ?? intent?.spec.image.version,
    position: fact?.engine.position,
    lag: member.isLeader || member.isRetired ? undefined : lag,
    ready: isRunning ? fact.engine.ready : undefined,
    dataBytes: fact?.storage.dataBytes,
    freeBytes: fact?.storage.freeBytes,
    totalBytes: fact?.storage.totalBytes,
    seenAt: member.receivedAt,
    problems: [...problems, ...adoptionProblems(member)],
    starts: fact?.starts ?? 0,
    startsSinceRetired: fact?.startsSinceRetired ?? 0,
  };
}

/** No fault of it, and nothing that would hold anything up. */
function adoptionProblems({ fact }: MemberAt): readonly string[] {
  const { container = '', differences = [] } = fact?.adoption ?? {};
  if (differences.length === 0) return [];
  const paths = differences.map(({ path }) => path).join(', ');
  return [
    `it is the container ${container} as it was taken over, and its order differs in ${paths}: left alone until a plan makes it anew`,
  ];
}

export function serviceProblems(snapshot: Snapshot, service: ServiceAt): readonly string[] {
  const problems: string[] = [];
  const active = livingOf(service).filter(
    (member) =>
      member.isFresh &&
      member.fact?.container.state === 'running' &&
      member.fact.engine.active === true,
  );
  if (active.length > 1 && !isStack(service))
    problems.push(`${active.map((member) => member.name).join(' and ')} lead at once (I1)`);
  if (service.leader === undefined) problems.push('it has no leader yet');
  const { requireBackup } = service.declaration.update;
  const { maxAgeMs } = service.declaration.backup;
  const backups = backupsOf(snapshot, service.name);
  const [newest] = backups;
  if (requireBackup && newest === undefined) problems.push('it has no backup yet');
  else if (requireBackup && newest !== undefined && snapshot.now - newest.finishedAt > maxAgeMs)
    problems.push(
      `its newest backup is ${renderDuration(snapshot.now - newest.finishedAt)} old, wanted is at most ${renderDuration(maxAgeMs)}`,
    );
  for (const { name, host, verification } of backups)
    if (verification?.ok === false)
      problems.push(
        `its backup ${name} on ${host} is damaged: ${verification.problems[0] ?? 'no reason given'}`,
      );
  problems.push(...drillProblems(snapshot, service), ...dutyProblems(snapshot, service));
  const known = new Set(service.members.map((member) => member.name));
  const missing = service.declaration.members.filter((member) => !known.has(member.name));
  if (missing.length > 0)
    problems.push(
      `declared and not placed yet: ${missing.map((member) => member.name).join(', ')}`,
    );
  return [
    ...problems,
    ...aliasProblems(snapshot, service),
    ...automaticProblems(snapshot, service),
  ];
}

function hostView(snapshot: Snapshot, host: HostState): HostView {
  const foreseen = forecastFindings(snapshot, host);
  const open = [...host.findings, ...foreseen].filter(
    (finding) =>
      !snapshot.waivers.some(
        (waiver) =>
          waiver.host === host.name &&
          waiver.check === finding.check &&
          waiver.until > snapshot.now,
      ),
  );
  return {
    host: host.name,
    connected: host.connected,
    lastSeenAt: host.lastSeenAt,
    agentVersion: host.fact?.agentVersion,
    clockOffsetMs: host.clockOffsetMs,
    certificateExpiresAt: host.certificateExpiresAt,
    revoked: host.revoked,
    warnings: open.filter((finding) => finding.severity === 'warning').length,
    criticals: open.filter((finding) => finding.severity === 'critical').length,
    problems: hostProblems(snapshot, host, foreseen),
    fact: host.fact,
  };
}

/** TLS and facts' ages go wrong beyond this; NTP keeps hosts within milliseconds. */
const CLOCK_LIMIT_MS = 5000;
/** Certificates renew themselves at a third of their life left: less than a day means that they do not. */
const EXPIRY_LIMIT_MS = 86_400_000;

export function hostProblems(
  snapshot: Snapshot,
  host: HostState,
  foreseen = forecastFindings(snapshot, host),
): readonly string[] {
  const problems: string[] = [];
  const { now } = snapshot;
  if (host.revoked) problems.push('its identity is revoked');
  else if (!host.enrolled) problems.push('it is declared and not enrolled');
  else if (!host.connected)
    problems.push(
      host.lastSeenAt === undefined
        ? 'its agent was never seen'
        : `its agent is not connected, last seen ${renderDuration(Math.max(0, now - host.lastSeenAt))} ago`,
    );
  if (host.refusedIntent !== undefined)
    problems.push(`its agent refuses its newest order: ${host.refusedIntent}`);
  if (host.clockOffsetMs !== undefined && Math.abs(host.clockOffsetMs) > CLOCK_LIMIT_MS)
    problems.push(
      `its clock is ${renderDuration(Math.abs(host.clockOffsetMs))} ${host.clockOffsetMs > 0 ? 'ahead' : 'behind'}`,
    );
  const expiresAt = host.certificateExpiresAt;
  if (expiresAt !== undefined && !host.revoked && expiresAt - now < EXPIRY_LIMIT_MS)
    problems.push(
      expiresAt <= now
        ? 'its certificate has expired'
        : `its certificate expires in ${renderDuration(expiresAt - now)}`,
    );
  return [...problems, ...forecastProblems(snapshot, host.name, foreseen)];
}
