// One live backup: of which member, and whether it fits (I7). Pure.
import type { Goal } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { diagnose, evidenceOf, evidenceOfAll, lagOf } from './diagnose.js';
import { expectedMs, judge, type Draft } from './draft.js';
import { livingOf, memberOf, type MemberAt, type ServiceAt } from './gather.js';
import { objectToBackupSpace, objectToOthers, silent } from './safety.js';
import { evidence, renderSize, type Objection } from './words.js';

export function planBackup(
  snapshot: Snapshot,
  service: ServiceAt,
  goal: Extract<Goal, { kind: 'backup' }>,
): Draft {
  const { name } = service;
  const chosen =
    goal.member === undefined ? choose(snapshot, service) : named(service, goal.member);
  if (chosen === undefined)
    return {
      services: [name],
      moves: [],
      gates: [],
      warnings: [],
      unchanged: [],
      refusals: [noMember(snapshot, service, goal.member)],
    };
  const { member, cause } = chosen;
  const { dataBytes, freeBytes } = member.fact?.storage ?? {};
  const draft = judge([
    {
      name: 'alone',
      passed: `no other operation is going on on ${name}`,
      objections: objectToOthers(snapshot, name, undefined),
    },
    {
      name: 'health',
      passed: `${member.name} is up and near its leader`,
      objections: objectToIll(snapshot, service, member),
      evidence: evidenceOf(service, member, snapshot.now),
    },
    {
      name: 'space',
      passed:
        dataBytes === undefined
          ? 'the size of its data is not known; its agent checks before it begins'
          : `${renderSize(dataBytes)} of data, ${renderSize(freeBytes ?? 0)} free`,
      objections: objectToBackupSpace(member),
      evidence: [
        evidence('data', dataBytes === undefined ? undefined : renderSize(dataBytes)),
        evidence('free', freeBytes === undefined ? undefined : renderSize(freeBytes)),
      ],
    },
  ]);
  return {
    services: [name],
    ...draft,
    warnings: member.isLeader
      ? ['writes to the leader pause for some seconds while its backup is taken']
      : [],
    unchanged: [],
    moves: [
      {
        kind: 'back-up',
        service: name,
        cause,
        expectedMs: expectedMs(snapshot, name, 'back-up'),
        member: member.name,
        host: member.host,
        name: goal.name,
      },
    ],
  };
}

interface Chosen {
  readonly member: MemberAt;
  readonly cause: string;
}

function named(service: ServiceAt, name: string): Chosen | undefined {
  const member = memberOf(service, name);
  return member === undefined || member.isRetired
    ? undefined
    : { member, cause: 'named by the operator' };
}

/**
 * A healthy mirror rather than the leader, a leaf rather than one with mirrors. Positions do not decide: they
 * change from moment to moment, and every healthy mirror is near its leader.
 */
function choose(snapshot: Snapshot, service: ServiceAt): Chosen | undefined {
  const healthy = livingOf(service).filter(
    (member) => diagnose(service, member, snapshot.now).isHealthy,
  );
  const mirrors = healthy
    .filter((member) => !member.isLeader)
    .sort(
      (a, b) =>
        objectToBackupSpace(a).length - objectToBackupSpace(b).length ||
        b.depth - a.depth ||
        a.name.localeCompare(b.name),
    );
  const leader = healthy.find((member) => member.isLeader);
  const [mirror] = mirrors;
  if (service.declaration.backup.preferMirror && mirror !== undefined)
    return { member: mirror, cause: 'a mirror near its leader, so that no write pauses' };
  if (leader !== undefined)
    return {
      member: leader,
      cause: service.declaration.backup.preferMirror
        ? 'no healthy mirror'
        : 'the policy prefers the leader',
    };
  return mirror === undefined ? undefined : { member: mirror, cause: 'the leader is not healthy' };
}

function objectToIll(
  snapshot: Snapshot,
  service: ServiceAt,
  member: MemberAt,
): readonly Objection[] {
  if (!member.isFresh) return [silent(member)];
  const { isHealthy, state, problems } = diagnose(service, member, snapshot.now);
  if (isHealthy) return [];
  return [
    {
      code: 'member-unhealthy',
      subject: member.name,
      message: `${member.name} is ${state}${problems[0] === undefined ? '' : `: ${problems[0]}`}`,
      unblock: 'choose another member, or get it healthy first',
      evidence: evidenceOf(service, member, snapshot.now),
    },
  ];
}

function noMember(snapshot: Snapshot, service: ServiceAt, wanted: string | undefined): Objection {
  return {
    code: wanted === undefined ? 'nobody-healthy' : 'no-such-member',
    subject: service.name,
    message:
      wanted === undefined
        ? `no member of ${service.name} is healthy enough to be backed up (lags: ${livingOf(service)
            .map((member) => `${member.name} ${lagOf(service, member) ?? 'not known'}`)
            .join(', ')})`
        : `${wanted} is not a living member of ${service.name}`,
    unblock:
      wanted === undefined
        ? `look at them with: leafward why ${service.name}`
        : `members are ${livingOf(service)
            .map((member) => member.name)
            .join(', ')}`,
    evidence: evidenceOfAll(service, livingOf(service), snapshot.now),
  };
}
