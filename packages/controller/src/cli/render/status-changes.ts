// What changed between two statuses, one line each: for a watch that cannot redraw. Pure.
import type { HostView, MemberView, Status } from '@leafward/shared/gen/domain.js';
import { describeGoal } from './move.js';
import { operationChanges } from './operation.js';
import { plural } from './text.js';

export function statusChanges(before: Status | undefined, after: Status): readonly string[] {
  const lines: string[] = [];
  if (before === undefined) {
    const connected = after.hosts.filter((host) => host.connected).length;
    lines.push(
      `${after.fleet}: ${plural(after.services.length, 'service')}, ${connected} of ${plural(after.hosts.length, 'host')} connected`,
    );
  }
  lines.push(...newOnes('', before?.problems, after.problems));
  for (const host of after.hosts) {
    const was = before?.hosts.find((each) => each.host === host.host);
    lines.push(...hostChanges(was, host, before === undefined));
  }
  for (const service of after.services) {
    const was = before?.services.find((each) => each.service === service.service);
    if (was !== undefined && was.term !== service.term)
      lines.push(`${service.service}: term ${was.term} → ${service.term}`);
    if (service.lastBackup !== undefined && service.lastBackup.name !== was?.lastBackup?.name)
      lines.push(`${service.service}: last backup is ${service.lastBackup.name}`);
    lines.push(...newOnes(`${service.service}: `, was?.problems, service.problems));
    for (const member of service.members)
      lines.push(
        ...memberChanges(
          was?.members.find((each) => each.member === member.member),
          member,
        ),
      );
    for (const gone of was?.members ?? [])
      if (!service.members.some((member) => member.member === gone.member))
        lines.push(`${gone.member}: is no longer declared`);
  }
  lines.push(...operationLines(before, after));
  return lines;
}

function newOnes(
  prefix: string,
  before: readonly string[] | undefined,
  after: readonly string[],
): readonly string[] {
  const appeared = after.filter((text) => before?.includes(text) !== true);
  const ended = (before ?? []).filter((text) => !after.includes(text));
  return [
    ...appeared.map((text) => `${prefix}✗ ${text}`),
    ...ended.map((text) => `${prefix}✓ no longer: ${text}`),
  ];
}

function hostChanges(
  was: HostView | undefined,
  host: HostView,
  isFirst: boolean,
): readonly string[] {
  const lines: string[] = [];
  const changed =
    was === undefined ? !isFirst || !host.connected : was.connected !== host.connected;
  if (changed) lines.push(`host ${host.host}: ${host.connected ? 'connected' : 'silent'}`);
  if (host.revoked && was?.revoked === false) lines.push(`host ${host.host}: revoked`);
  return [...lines, ...newOnes(`host ${host.host}: `, was?.problems, host.problems)];
}

function memberChanges(was: MemberView | undefined, member: MemberView): readonly string[] {
  const now = aspects(member);
  const then = was === undefined ? {} : aspects(was);
  const parts = Object.entries(now).flatMap(([name, value]) => {
    const old = then[name];
    if (value === old) return [];
    return [old === undefined ? `${name} ${value}` : `${name} ${old} → ${value}`];
  });
  const line =
    parts.length === 0 ? [] : [`${member.member} on ${member.host}: ${parts.join(', ')}`];
  return [...line, ...newOnes(`${member.member}: `, was?.problems, member.problems)];
}

function aspects(member: MemberView): Readonly<Record<string, string>> {
  return {
    role: member.run === 'retired' ? 'retired' : member.role,
    state: member.state,
    ...(member.version === undefined ? {} : { version: member.version }),
    ...(member.ready === undefined ? {} : { ready: member.ready ? 'yes' : 'no' }),
    ...(member.upstream === undefined ? {} : { upstream: member.upstream }),
  };
}

function operationLines(before: Status | undefined, after: Status): readonly string[] {
  const lines = after.operations.flatMap((operation) =>
    operationChanges(
      before?.operations.find((each) => each.id === operation.id),
      operation,
    ),
  );
  const ended = (before?.operations ?? []).filter(
    (was) => !after.operations.some((operation) => operation.id === was.id),
  );
  return [...lines, ...ended.map((was) => `${was.id}: ${describeGoal(was.goal)} has ended`)];
}
