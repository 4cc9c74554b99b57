// One live backup: of which member, and whether it fits (I7); of a stack, after one of its database. Pure.
import type { Goal } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { diagnose, evidenceOf, evidenceOfAll, lagOf } from './diagnose.js';
import { databaseOf, nameOfBackup } from './database.js';
import { unable } from './able.js';
import { emptyDraft, expectedMs, join, judge, type Draft, type GateCheck } from './draft.js';
import { gatherService, livingOf, memberOf, type MemberAt, type ServiceAt } from './gather.js';
import { objectToWay, wayOf, type ChosenMember } from './plan-backup-ways.js';
import { isStack } from './stack.js';
import { objectToCompany } from './scheduled.js';
import { objectToBackupSpace, silent } from './safety.js';
import { evidence, renderSize, type Objection } from './words.js';

type BackupGoal = Extract<Goal, { kind: 'backup' }>;

/** The database first: a row without its file is lost for ever, a file without its row is harmless. */
export function planBackup(snapshot: Snapshot, service: ServiceAt, goal: BackupGoal): Draft {
  const noWay = objectToWay(service, goal);
  if (noWay.length > 0) return unable(service.name, noWay);
  const database = goal.snapshot === true ? undefined : databaseOf(service);
  if (database === undefined) return planOne(snapshot, service, goal);
  const found = gatherService(snapshot, database);
  if (found === undefined)
    return { ...emptyDraft, services: [service.name], refusals: [noDatabase(service, database)] };
  const dump = { ...goal, service: database, member: undefined };
  const drafts = [
    planOne(snapshot, found, dump),
    planOne(snapshot, service, goal, nameOfBackup(dump)),
  ];
  const { services, ...both } = join(drafts);
  return { ...both, services: [...services].reverse() };
}

function planOne(
  snapshot: Snapshot,
  service: ServiceAt,
  goal: BackupGoal,
  databaseBackup?: string,
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
  const way = wayOf(snapshot, service, goal, chosen);
  const draft = judge([
    {
      name: 'alone',
      passed: `no other operation is going on on ${name}`,
      objections: objectToCompany(snapshot, name),
    },
    {
      name: 'health',
      passed: `${member.name} is up and near its leader`,
      objections: objectToIll(snapshot, service, member),
      evidence: evidenceOf(service, member, snapshot.now),
    },
    ...(way?.gates ?? []),
    ...(way?.move.kind === 'snapshot' ? [] : [spaceGate(member)]),
  ]);
  return {
    services: [name],
    ...draft,
    warnings:
      way?.warnings ??
      (member.isLeader && !isStack(service)
        ? ['writes to the leader pause for some seconds while its backup is taken']
        : []),
    unchanged: [],
    expectedDowntimeMs: way?.expectedDowntimeMs,
    moves: [
      way?.move ?? {
        kind: 'back-up',
        service: name,
        cause,
        expectedMs: expectedMs(snapshot, name, 'back-up'),
        member: member.name,
        host: member.host,
        name: goal.name,
        databaseBackup,
      },
    ],
  };
}

function spaceGate(member: MemberAt): GateCheck {
  const { dataBytes, freeBytes } = member.fact?.storage ?? {};
  return {
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
  };
}

function named(service: ServiceAt, name: string): ChosenMember | undefined {
  const member = memberOf(service, name);
  return member === undefined || member.isRetired || isWorker(service, member)
    ? undefined
    : { member, cause: 'named by the operator' };
}

/**
 * A healthy mirror rather than the leader, a leaf rather than one with mirrors. Positions do not decide: they
 * change from moment to moment, and every healthy mirror is near its leader.
 */
function choose(snapshot: Snapshot, service: ServiceAt): ChosenMember | undefined {
  const healthy = livingOf(service).filter(
    (member) => !isWorker(service, member) && diagnose(service, member, snapshot.now).isHealthy,
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
      cause: isStack(service)
        ? 'the main process: its media, keys and configuration'
        : service.declaration.backup.preferMirror
          ? 'no healthy mirror'
          : 'the policy prefers the leader',
    };
  return mirror === undefined ? undefined : { member: mirror, cause: 'the leader is not healthy' };
}

/** It works for a main process and holds nothing of its own. */
const isWorker = (service: ServiceAt, member: MemberAt): boolean =>
  isStack(service) && !member.isLeader;

const noDatabase = (service: ServiceAt, database: string): Objection => ({
  code: 'no-database',
  subject: service.name,
  message: `the data of ${service.name} are in the database of ${database}, and there is no service of this name`,
  unblock: 'deploy it, or correct the engine option databaseService in the manifest',
  evidence: [],
});

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
        : isStack(service)
          ? `${wanted} is not the main process of ${service.name}: a worker has nothing to back up`
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
