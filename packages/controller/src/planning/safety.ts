// The one module that knows who must not go down now, and why (I3–I7, I10). Planners ask it for gates, the table
// asks it again before every begin. Pure; answers with objections, an empty list means yes.
import type { Backup, Image, Operation } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { downstreamsOf } from '@leafward/shared/topology.js';
import { databaseOf, hasItsDatabase } from './database.js';
import { objectToDivergence } from './divergence.js';
import { diagnose, evidenceOf, standsStillBelow, unhealthyOf } from './diagnose.js';
import {
  backupsOf,
  livingOf,
  memberOf,
  operationsOn,
  versionOf,
  type MemberAt,
  type ServiceAt,
} from './gather.js';
import { hasFailedDrill, objectToUnproven } from './proven.js';
import { BOOT_FREE_SHARE } from './thresholds.js';
import { guardsItself } from './version-guard.js';
import { isOlder } from './versions.js';
import { evidence, listed, renderDuration, renderSize, type Objection } from './words.js';

/** Running and paused operations both hold their services: a paused one is in the middle of something (I10). */
export function objectToOthers(
  snapshot: Snapshot,
  service: string,
  own: Operation | undefined,
): readonly Objection[] {
  return operationsOn(snapshot, service)
    .filter((other) => other.id !== own?.id && (own === undefined || isBefore(other, own)))
    .map((other) => ({
      code: 'busy',
      subject: service,
      message: `operation ${other.id} (${other.goal.kind}) is ${other.state} on ${service} (I10)`,
      unblock: `let it end, or: leafward operation abort ${other.id}`,
      evidence: [evidence('operation', other.id), evidence('state', other.state)],
    }));
}

/** A backup of a stack's database holds its migration up without limit, with every port closed meanwhile. */
export function objectToBusyDatabase(
  snapshot: Snapshot,
  service: ServiceAt,
  own: Operation | undefined,
): readonly Objection[] {
  const database = databaseOf(service);
  return database === undefined ? [] : objectToOthers(snapshot, database, own);
}

/** Of two that wait for each other the older goes on. */
const isBefore = (a: Operation, b: Operation): boolean =>
  a.createdAt < b.createdAt || (a.createdAt === b.createdAt && a.id < b.id);

/** Every member's agent must be there: an update that loses sight of one half-way is no update. */
export function objectToSilence(service: ServiceAt): readonly Objection[] {
  return livingOf(service)
    .filter((member) => !member.isFresh)
    .map((member) => silent(member));
}

export function silent(member: MemberAt): Objection {
  const { host, hostState } = member;
  return {
    code: 'host-silent',
    subject: host,
    message:
      hostState?.connected === true
        ? `host ${host} has not reported ${member.name} lately`
        : `the agent of host ${host} (${member.name}) is not connected`,
    unblock: `bring host ${host} and its leafward-agent back; look at it with: leafward why ${host}`,
    evidence: [
      evidence('connected', hostState?.connected === true, {
        wanted: 'true',
        seenAt: hostState?.lastSeenAt,
      }),
    ],
  };
}

/**
 * I4: while this member is down every other one must be up, near its leader and proven. Those that wait for
 * their own update (read-only under a newer upstream) have no other way and do not count.
 */
export function objectToStop(
  snapshot: Snapshot,
  service: ServiceAt,
  stopped: string,
): readonly Objection[] {
  return unhealthyOf(snapshot, service)
    .filter(({ member, diagnosis }) => member.name !== stopped && !diagnosis.needsUpdate)
    .filter(({ member }) => standsStillBelow(service, member, snapshot.now) === undefined)
    .map(({ member, diagnosis }) => ({
      code: 'member-unhealthy',
      subject: member.name,
      message: `${member.name} is ${diagnosis.state}, so ${stopped} must stay up (I4)${diagnosis.problems[0] === undefined ? '' : `: ${diagnosis.problems[0]}`}`,
      unblock: `get ${member.name} healthy again; look at it with: leafward why ${member.name}`,
      evidence: evidenceOf(service, member, snapshot.now),
    }));
}

/** I5: what runs, or ran last, must not be newer than what is wanted. */
export function objectToDowngrade(member: MemberAt, image: Image): readonly Objection[] {
  const runs = versionOf(member);
  if (!isOlder(image.version, runs)) return [];
  return [
    {
      code: 'downgrade',
      subject: member.name,
      message: `${member.name} has version ${runs ?? ''}, ${image.reference} is version ${image.version ?? ''}: versions never go down (I5)`,
      unblock: 'take a newer image; the way back is a restore from a backup',
      evidence: [
        evidence('version', runs, {
          wanted: `≤ ${image.version ?? ''}`,
          seenAt: member.receivedAt,
        }),
      ],
    },
  ];
}

/** I3: the members right below must have the new version already. */
export function objectToOrder(
  service: ServiceAt,
  member: MemberAt,
  image: Image,
): readonly Objection[] {
  if (member.intent?.spec.image.digest === image.digest) return [];
  return downstreamsOf(service.topology, member.name).flatMap((name): readonly Objection[] => {
    const below = memberOf(service, name);
    if (below === undefined || !isOlderThanImage(below, image)) return [];
    const version = below.fact?.engine.version;
    return [
      {
        code: 'below-is-older',
        subject: member.name,
        message: `${name} mirrors ${member.name} and would be older than it (I3)`,
        unblock: `update ${name} first`,
        evidence: [
          evidence(`version of ${name}`, version, {
            wanted: image.version,
            seenAt: below.receivedAt,
          }),
        ],
      },
    ];
  });
}

function isOlderThanImage(member: MemberAt, image: Image): boolean {
  const version = member.fact?.engine.version;
  if (version !== undefined && image.version !== undefined) return isOlder(version, image.version);
  return member.intent?.spec.image.digest !== image.digest;
}

/** I6: a fresh, complete backup of a living member, by the service's policy. */
export function objectToBackups(snapshot: Snapshot, service: ServiceAt): readonly Objection[] {
  const { requireBackup } = service.declaration.update;
  const { maxAgeMs } = service.declaration.backup;
  if (!requireBackup) return [];
  const usable = wayBacks(snapshot, service);
  const [newest] = usable;
  const ageMs = newest === undefined ? undefined : snapshot.now - newest.finishedAt;
  if (newest !== undefined && ageMs !== undefined && ageMs <= maxAgeMs)
    return objectToUnproven(snapshot, service, usable);
  return [
    {
      code: 'no-backup',
      subject: service.name,
      message:
        ageMs === undefined
          ? `${service.name} has no complete backup (I6)`
          : `the newest backup of ${service.name} is ${renderDuration(ageMs)} old, the policy wants at most ${renderDuration(maxAgeMs)} (I6)`,
      unblock: `take one: leafward backup run ${service.name}`,
      evidence: [
        evidence('backup age', ageMs === undefined ? 'no backup' : renderDuration(ageMs), {
          wanted: `≤ ${renderDuration(maxAgeMs)}`,
          seenAt: newest?.finishedAt,
        }),
      ],
    },
  ];
}

/** What a service may go back to, newest first: whole, sound and of its own history. */
export const wayBacks = (snapshot: Snapshot, service: ServiceAt): readonly Backup[] =>
  backupsOf(snapshot, service.name).filter(
    (backup) =>
      backup.manifestSha256 !== '' &&
      backup.verification?.ok !== false &&
      !hasFailedDrill(backup) &&
      memberOf(service, backup.member)?.isRetired === false &&
      !isAbandoned(service, backup) &&
      hasItsDatabase(snapshot, service, backup),
  );

/**
 * Of an earlier term and past all that its leader has now: of a history that a restore or a failover has left. Whoever
 * goes back to it would get what the service has given up.
 */
const isAbandoned = ({ topology, leader }: ServiceAt, { term, position }: Backup): boolean =>
  term < topology.term &&
  position !== undefined &&
  position > (leader?.fact?.engine.position ?? Infinity);

/** I7: a service that would not boot again for want of space must not be stopped. */
export function objectToBootSpace(member: MemberAt): readonly Objection[] {
  const { fact } = member;
  // Whose agent says nothing is another gate's business, and what was never there has nothing to boot from.
  if (fact === undefined || fact.container.state === 'absent') return [];
  const { freeBytes, totalBytes } = fact.storage;
  if (freeBytes === undefined || totalBytes === undefined) return [unknownSpace(member)];
  const needBytes = totalBytes * BOOT_FREE_SHARE;
  return freeBytes >= needBytes ? [] : [noSpace(member, 'boot again', needBytes)];
}

const unknownSpace = (member: MemberAt): Objection => ({
  code: 'space-unknown',
  subject: member.name,
  message: `how much is free for ${member.name} on ${member.host} is not known${member.fact?.storage.error === undefined ? '' : ` (${member.fact.storage.error})`}, so it might not boot again (I7)`,
  unblock: `see that ${member.intent?.spec.storage ?? 'its storage'} can be read on ${member.host}, and wait for its next report`,
  evidence: [evidence('free', undefined, { seenAt: member.receivedAt })],
});

/** I7: a live backup is a copy beside the data; the agent checks again by the service's own rule. */
export function objectToBackupSpace(member: MemberAt): readonly Objection[] {
  const { dataBytes, freeBytes, totalBytes } = member.fact?.storage ?? {};
  if (dataBytes === undefined || freeBytes === undefined || totalBytes === undefined) return [];
  const elsewhere = member.intent?.spec.backupDirectory;
  const volume = elsewhere === undefined ? undefined : volumeOf(member, elsewhere);
  const own = volumeOf(member, member.intent?.spec.storage ?? '');
  // A volume is reported once for each path on it.
  const isShared = volume?.device === own?.device && volume?.totalBytes === own?.totalBytes;
  if (volume !== undefined && !isShared)
    return volume.freeBytes >= dataBytes
      ? []
      : [noSpace(member, `be backed up to ${elsewhere ?? ''}`, dataBytes, volume.freeBytes)];
  const needBytes = dataBytes + totalBytes * BOOT_FREE_SHARE;
  return freeBytes >= needBytes ? [] : [noSpace(member, 'be backed up', needBytes)];
}

/** I7: an image that is larger than what is left anywhere on the host cannot be pulled. */
export function objectToImageSpace(member: MemberAt, image: Image): readonly Objection[] {
  const volumes = member.hostState?.fact?.volumes ?? [];
  const most = Math.max(...volumes.map((volume) => volume.freeBytes));
  if (image.sizeBytes === undefined || volumes.length === 0 || most >= image.sizeBytes) return [];
  return [noSpace(member, `take image ${image.reference}`, image.sizeBytes, most)];
}

const volumeOf = (member: MemberAt, path: string) =>
  (member.hostState?.fact?.volumes ?? [])
    .filter((volume) => volume.path === '/' || `${path}/`.startsWith(`${volume.path}/`))
    .sort((a, b) => b.path.length - a.path.length)[0];

function noSpace(
  member: MemberAt,
  act: string,
  needBytes: number,
  freeBytes = member.fact?.storage.freeBytes ?? 0,
): Objection {
  return {
    code: 'no-space',
    subject: member.name,
    message: `${member.name} would not have room to ${act}: ${renderSize(freeBytes)} are free on ${member.host}, ${renderSize(needBytes)} are needed (I7)`,
    unblock: `free at least ${renderSize(needBytes - freeBytes)} on ${member.host}`,
    evidence: [
      evidence('free', renderSize(freeBytes), {
        wanted: `≥ ${renderSize(needBytes)}`,
        seenAt: member.receivedAt,
      }),
    ],
  };
}

/** I2: a retired member is nobody's to start. */
export function objectToRetired(member: MemberAt): readonly Objection[] {
  if (!member.isRetired && member.intent?.run !== 'retired') return [];
  return [
    {
      code: 'retired',
      subject: member.name,
      message: `${member.name} was retired by a forced failover and must not start from its storage (I2)`,
      unblock: `begin it again as a mirror: leafward plan reseed ${member.intent?.service ?? 'SERVICE'} ${member.name}`,
      evidence: [evidence('intent', member.intent?.run)],
    },
  ];
}

/** One that a failover stopped for its other history: as a mirror it would hide what it has and others have not. */
export function objectToOtherHistory(member: MemberAt): readonly Objection[] {
  if (member.isRetired || member.intent?.run !== 'stopped') return [];
  return [
    {
      code: 'other-history',
      subject: member.name,
      message: `${member.name} is kept stopped: its history differs from its leader's`,
      unblock: `begin it again as a mirror, which sets aside what only it has: leafward plan reseed ${member.intent?.service ?? 'SERVICE'} ${member.name}`,
      evidence: [evidence('intent', member.intent.run)],
    },
  ];
}

/**
 * A graceful promotion needs a direct mirror that is near its leader, and both there. Promoting a mirror of a
 * mirror makes two leaders on some versions (I1).
 */
export function objectToHandOver(
  snapshot: Snapshot,
  service: ServiceAt,
  to: string,
  leavesOlder = false,
): readonly Objection[] {
  const { leader, topology } = service;
  const target = memberOf(service, to);
  const about = { subject: to, evidence: [evidence('leader', topology.leader)] };
  const mirrors = listed(downstreamsOf(topology, topology.leader));
  if (target === undefined || target.isRetired)
    return [
      {
        ...about,
        code: 'no-such-mirror',
        message: `${to} is not a living member of ${service.name}`,
        unblock: `choose one of its leader's mirrors: ${mirrors}`,
      },
    ];
  if (target.isLeader)
    return [
      {
        ...about,
        code: 'leads-already',
        message: `${to} leads already`,
        unblock: 'nothing is to be done',
      },
    ];
  if (target.upstream !== topology.leader)
    return [
      {
        ...about,
        code: 'not-a-direct-mirror',
        message: `${to} mirrors ${target.upstream ?? 'nobody'}, not the leader ${topology.leader}; promoting it could make two leaders (I1)`,
        unblock: `choose a direct mirror: ${mirrors}`,
      },
    ];
  const newer = objectToNewerLeader(service, target, leavesOlder);
  if (newer.length > 0) return newer;
  return [leader, target].flatMap((member): readonly Objection[] => {
    if (member === undefined) return [];
    if (!member.isFresh) return [silent(member)];
    const { isHealthy, state, problems } = diagnose(service, member, snapshot.now);
    if (isHealthy) return [];
    if (state === 'diverged') return objectToDivergence(service, member);
    return [
      {
        code: member.isLeader ? 'leader-unhealthy' : 'mirror-unhealthy',
        subject: member.name,
        message: `${member.name} is ${state}${problems[0] === undefined ? '' : `: ${problems[0]}`}`,
        unblock: member.isLeader
          ? `a leader that is dead cannot hand over: leafward plan failover ${service.name}`
          : `wait until ${member.name} has caught up; look at it with: leafward why ${member.name}`,
        evidence: evidenceOf(service, member, snapshot.now),
      },
    ];
  });
}

/** I3: the old leader would mirror it and be older than it; allowed only where it is updated next and guards itself. */
function objectToNewerLeader(
  { leader, declaration }: ServiceAt,
  target: MemberAt,
  isUpdatedNext: boolean,
): readonly Objection[] {
  if (leader === undefined) return [];
  const [before, after] = [versionOf(leader), versionOf(target)];
  if (!isOlder(before, after)) return [];
  if (isUpdatedNext && guardsItself(declaration.kind, before)) return [];
  return [
    {
      code: 'below-is-older',
      subject: target.name,
      message: `${leader.name} has version ${before ?? ''} and would mirror ${target.name}, which has ${after ?? ''} (I3)`,
      unblock: `update ${leader.name} first: go on with the update that was begun`,
      evidence: [
        evidence(`version of ${leader.name}`, before, {
          wanted: `≥ ${after ?? ''}`,
          seenAt: leader.receivedAt,
        }),
      ],
    },
  ];
}
