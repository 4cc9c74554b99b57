// A member that lost its way becomes a mirror again, from nothing: what it has is set aside or deleted, and its
// upstream's data takes its place. The only way in which a retired member's host leads back to life (I2). Pure.
import type { Backup, Goal, Image, Reseed } from '@leafward/shared/gen/domain.js';
import { subtreeOf } from '@leafward/shared/topology.js';
import type { Snapshot } from '../snapshot.js';
import { objectToInability, unable } from './able.js';
import { diagnose, evidenceOf } from './diagnose.js';
import { divergenceOf } from './divergence.js';
import {
  emptyDraft,
  expectedMs,
  judge,
  type Draft,
  type DraftMove,
  type GateCheck,
} from './draft.js';
import { livingOf, memberOf, type MemberAt, type ServiceAt } from './gather.js';
import { pullMove } from './pull-move.js';
import { seedBackup, seedGate, sendMove, type Seeding } from './seed-backup.js';
import { objectToLostBackups, objectToSeedSpace } from './replaced.js';
import { objectToCompany } from './scheduled.js';
import { objectToStop, silent } from './safety.js';
import { isOlder } from './versions.js';
import { listed, renderSize, type Objection } from './words.js';

type ReseedGoal = Extract<Goal, { kind: 'reseed' }>;

export function planReseed(snapshot: Snapshot, service: ServiceAt, goal: ReseedGoal): Draft {
  const { name } = service;
  const ability = goal.backup === undefined ? 'reseed' : 'reseed-from-backup';
  const act = `fill a mirror ${goal.backup === undefined ? 'anew' : 'from a backup'}`;
  const inability = objectToInability(service, [ability], act);
  if (inability.length > 0) return unable(name, inability);
  const member = memberOf(service, goal.member);
  const wrong = objectToMember(service, member, goal.member);
  if (wrong.length > 0 || member === undefined)
    return {
      ...emptyDraft,
      services: [name],
      ...judge([{ name: 'member', passed: '', objections: wrong }]),
    };
  const isDone = member.fact?.storage.reseeded === goal.id;
  if (isDone && !member.isRetired && diagnose(service, member, snapshot.now).isHealthy)
    return {
      ...emptyDraft,
      services: [name],
      unchanged: [`${member.name} was filled anew by ${goal.id} already`],
    };
  const upstream = upstreamFor(service, member);
  const what = { member, upstream, goal, seed: seedOf(snapshot, service, member, goal) };
  return {
    services: [name],
    ...judge(gatesFor(snapshot, service, what)),
    warnings: warningsOf(snapshot, service, member, goal),
    unchanged: belowOf(service, member),
    moves: reseedMoves(snapshot, service, what),
    // It leads nobody: what reads from it alone is what is missed.
    expectedDowntimeMs: 0,
  };
}

/** Undefined: it is filled from its upstream. */
function seedOf(
  snapshot: Snapshot,
  service: ServiceAt,
  member: MemberAt,
  { backup: name, host }: ReseedGoal,
): Seeding | undefined {
  if (name === undefined) return undefined;
  const meant = { backup: name, host };
  return { member, goal: meant, backup: seedBackup(snapshot, service, member, meant) };
}

interface Reseeding {
  readonly seed: Seeding | undefined;
  readonly member: MemberAt;
  readonly upstream: MemberAt | undefined;
  readonly goal: { readonly id: string; readonly wipe: boolean };
}

function objectToMember(
  service: ServiceAt,
  member: MemberAt | undefined,
  asked: string,
): readonly Objection[] {
  const about = { subject: asked, evidence: [] };
  if (member?.intent === undefined || member.intent.run === 'removed')
    return [
      {
        ...about,
        code: 'no-such-member',
        message: `${asked} is not a member of ${service.name}`,
        unblock: `members are ${listed(service.members.map((one) => one.name))}`,
      },
    ];
  if (!member.isLeader) return [];
  return [
    {
      ...about,
      code: 'leads',
      message: `${asked} leads ${service.name}: what it has is what the others are filled from`,
      unblock: `hand over first: leafward plan promote ${service.name} --to MIRROR; or go back to a backup: leafward plan restore ${service.name} --backup NAME`,
    },
  ];
}

/** Where it is in the tree, else where the manifest puts it, else the leader. */
export function upstreamFor(service: ServiceAt, member: MemberAt): MemberAt | undefined {
  const below = new Set([member.name, ...subtreeOf(service.topology, member.name)]);
  const wanted = [member.isRetired ? undefined : member.upstream, member.declared?.upstream];
  const living = livingOf(service).filter((one) => !below.has(one.name));
  return (
    wanted.flatMap((name) => living.find((one) => one.name === name) ?? [])[0] ?? service.leader
  );
}

/** It begins with its upstream's image, unless its own is newer: never older than what it mirrors (I3). */
export function imageAfterSeed(member: MemberAt, upstream: MemberAt): Image | undefined {
  const own = member.intent?.spec.image;
  const above = upstream.intent?.spec.image;
  if (own === undefined || above === undefined) return own ?? above;
  return isOlder(above.version, own.version) ? own : above;
}

function gatesFor(
  snapshot: Snapshot,
  service: ServiceAt,
  { member, upstream, goal, seed }: Reseeding,
): readonly GateCheck[] {
  const runs = member.intent?.run === 'running';
  const isNoCopy = divergenceOf(service, member) !== undefined;
  const needBytes = seed?.backup?.sizeBytes ?? upstream?.fact?.storage.dataBytes;
  return [
    {
      name: 'alone',
      passed: `no other operation is going on on ${service.name}`,
      objections: objectToCompany(snapshot, service.name),
    },
    {
      name: 'connected',
      passed: `${member.name} is in sight`,
      objections: member.isFresh ? [] : [silent(member)],
    },
    ...(seed === undefined ? [] : [seedGate(snapshot, service, seed)]),
    {
      name: 'upstream',
      passed: `${upstream?.name ?? 'nobody'} is up, near its leader`,
      objections: objectToSource(snapshot, service, member, upstream),
      evidence: upstream === undefined ? [] : evidenceOf(service, upstream, snapshot.now),
    },
    {
      name: 'others',
      passed: isNoCopy
        ? 'its log is another one than its leader’s: nobody counts on it'
        : runs
          ? 'all others are up while it is down'
          : 'it is down already',
      objections: runs && !isNoCopy ? objectToStop(snapshot, service, member.name) : [],
    },
    {
      name: 'space',
      passed:
        needBytes === undefined
          ? 'how much would be copied is not known; its agent checks before it begins'
          : `${renderSize(needBytes)} would be copied, ${renderSize(member.fact?.storage.freeBytes ?? 0)} are free`,
      objections: objectToSeedSpace(member, needBytes, goal.wipe),
    },
    {
      name: 'backups',
      passed: 'no backup goes away with the old data',
      objections: objectToLostBackups(snapshot, service, member, goal.wipe),
    },
  ];
}

/** It would copy what is wrong, or nothing. */
export function objectToSource(
  snapshot: Snapshot,
  service: ServiceAt,
  member: MemberAt,
  upstream: MemberAt | undefined,
): readonly Objection[] {
  if (upstream === undefined) return [];
  const { isHealthy, state } = diagnose(service, upstream, snapshot.now);
  if (isHealthy) return [];
  return [
    {
      code: 'upstream-unhealthy',
      subject: upstream.name,
      message: `${member.name} would copy from ${upstream.name}, which is ${state}`,
      unblock: `get ${upstream.name} healthy; look at it with: leafward why ${upstream.name}`,
      evidence: evidenceOf(service, upstream, snapshot.now),
    },
  ];
}

function warningsOf(
  snapshot: Snapshot,
  service: ServiceAt,
  member: MemberAt,
  { wipe, id }: ReseedGoal,
): readonly string[] {
  const { state, isHealthy } = diagnose(service, member, snapshot.now);
  const retirement = service.topology.retired.find((one) => one.member === member.name);
  return [
    fateOf(member, wipe, id),
    ...(retirement === undefined
      ? []
      : [
          `${member.name} was retired at term ${retirement.term} (${retirement.reason}): what it took and nobody else has is ${wipe ? 'lost for good' : 'in what is set aside, and nowhere else'}`,
        ]),
    ...(isHealthy ? [`${member.name} is ${state}: nothing is wrong with it that is known`] : []),
  ];
}

/** What becomes of the data that is there, in plain words. `id`: of the reseed; a restore is named by its operation. */
export function fateOf(member: MemberAt, wipe: boolean, id = 'OPERATION'): string {
  const storage = member.intent?.spec.storage ?? 'its storage';
  const bytes = member.fact?.storage.dataBytes;
  const size = bytes === undefined ? '' : ` (${renderSize(bytes)})`;
  return wipe
    ? `everything that ${member.name} has in ${storage} on ${member.host}${size} is DELETED and cannot be brought back`
    : `everything that ${member.name} has in ${storage} on ${member.host}${size} is set aside as ${storage}.aside-${id}; nothing ever starts from it, and you remove it when you need it no more`;
}

const belowOf = (service: ServiceAt, member: MemberAt): readonly string[] =>
  subtreeOf(service.topology, member.name).map(
    (name) =>
      `${name} goes on mirroring ${service.topology.upstreams[name] ?? ''} when that is back`,
  );

function reseedMoves(
  snapshot: Snapshot,
  service: ServiceAt,
  { member, upstream, goal, seed }: Reseeding,
): readonly DraftMove[] {
  if (upstream === undefined || (seed !== undefined && seed.backup === undefined)) return [];
  const { backup } = seed ?? {};
  const send = backup && sendMove(snapshot, service, member, backup);
  const image = imageAfterSeed(member, upstream);
  const isNewImage = image !== undefined && image.digest !== member.intent?.spec.image.digest;
  return [
    ...(send === undefined ? [] : [send]),
    ...(isNewImage ? [pullMove(snapshot, service, [member.host], image)] : []),
    reseedMove(snapshot, service, {
      member,
      upstream: upstream.name,
      reseed: { id: goal.id, wipe: goal.wipe, ...from(backup) },
      backupPosition: backup?.position,
      cause: member.isRetired
        ? 'retired; it begins again as a mirror (I2)'
        : member.intent?.run === 'stopped'
          ? 'kept stopped; it begins again as a mirror'
          : divergenceOf(service, member) !== undefined
            ? 'its log is another one than its leader’s; it begins again as a mirror'
            : 'ordered by the operator',
    }),
  ];
}

const from = (backup: Backup | undefined): { readonly backup?: string } =>
  backup === undefined ? {} : { backup: backup.name };

export const reseedMove = (
  snapshot: Snapshot,
  service: ServiceAt,
  what: {
    readonly member: MemberAt;
    readonly upstream: string;
    readonly reseed: Reseed;
    readonly backupPosition?: number | undefined;
    readonly cause: string;
  },
): DraftMove => ({
  kind: 'reseed',
  service: service.name,
  cause: what.cause,
  expectedMs: expectedMs(snapshot, service.name, 'reseed'),
  member: what.member.name,
  host: what.member.host,
  upstream: what.upstream,
  reseed: what.reseed,
  ...(what.backupPosition === undefined ? {} : { backupPosition: what.backupPosition }),
});
