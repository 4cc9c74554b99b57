// A mirror that is filled from a backup instead of from its upstream: which backup that is, whether it is of the line that
// is led now, and how it gets to the mirror's host. Pure. Whether the leader still has its log from there on only the
// leader knows: the move asks it before anything is stopped.
import type { Backup } from '@leafward/shared/gen/domain.js';
import { isAble } from '@leafward/shared/manifest/abilities.js';
import type { Snapshot } from '../snapshot.js';
import type { DraftMove, GateCheck } from './draft.js';
import { expectedMs } from './draft.js';
import { backupsNamed, backupsOf, type MemberAt, type ServiceAt } from './gather.js';
import { goesWith } from './replaced.js';
import { silent } from './safety.js';
import { BOOT_FREE_SHARE } from './thresholds.js';
import { isOlder } from './versions.js';
import { evidence, renderDuration, renderSize, type Objection } from './words.js';

export interface SeedGoal {
  readonly backup: string;
  /** Where it lies. */
  readonly host?: string | undefined;
}

/** Where the mirror is if it lies there, else where it can be sent from. */
export function seedBackup(
  snapshot: Snapshot,
  service: ServiceAt,
  member: MemberAt,
  goal: SeedGoal,
): Backup | undefined {
  const found = backupsNamed(snapshot, service.name, goal);
  return (
    found.find((one) => one.host === member.host) ??
    found.find((one) => senderOf(service, one)?.hostState?.connected === true) ??
    found[0]
  );
}

/** Whose agent sends it: a member's of its service on that host. */
function senderOf(service: ServiceAt, { host, member }: Backup): MemberAt | undefined {
  const there = service.members.filter((one) => one.host === host && one.intent !== undefined);
  return there.find(({ name }) => name === member) ?? there[0];
}

/** Undefined: it lies there already, or nobody can send it. */
export function sendMove(
  snapshot: Snapshot,
  service: ServiceAt,
  member: MemberAt,
  backup: Backup,
): DraftMove | undefined {
  const sender = senderOf(service, backup);
  if (backup.host === member.host || sender === undefined) return undefined;
  return {
    kind: 'send',
    service: service.name,
    cause: `${member.name} is filled from it`,
    expectedMs: expectedMs(snapshot, service.name, 'send'),
    backup: backup.name,
    fromHost: backup.host,
    toHost: member.host,
    fromMember: sender.name,
    toMember: member.name,
  };
}

/** The gate of a reseed from a backup; of one that is not there it says so. */
export function seedGate(
  snapshot: Snapshot,
  service: ServiceAt,
  { member, backup, goal }: Seeding,
): GateCheck {
  if (backup === undefined)
    return { name: 'backup', passed: '', objections: [absent(snapshot, service, goal)] };
  const position = service.leader?.fact?.engine.position;
  const age = renderDuration(snapshot.now - backup.finishedAt);
  return {
    name: 'backup',
    passed: `${backup.name} is ${age} old, of term ${backup.term}, at ${backup.position ?? 0} of ${position ?? 0}; ${service.topology.leader} is asked for its log from there on before anything is stopped`,
    objections: [
      ...objectToLine(service, backup),
      ...objectToSoundness(backup),
      ...objectToVersion(member, backup),
      ...objectToWay(service, member, backup),
    ],
    evidence: [evidence('size', renderSize(backup.sizeBytes))],
  };
}

export interface Seeding {
  readonly member: MemberAt;
  readonly backup: Backup | undefined;
  readonly goal: SeedGoal;
}

export function absent(
  snapshot: Snapshot,
  service: ServiceAt,
  { backup, host }: SeedGoal,
): Objection {
  const names = backupsOf(snapshot, service.name).map((one) => `${one.name} on ${one.host}`);
  return {
    code: 'no-such-backup',
    subject: service.name,
    message: `${service.name} has no complete backup ${backup}${host === undefined ? '' : ` on host ${host}`}`,
    unblock: names.length === 0 ? 'there is none at all' : `there are: ${names.join(', ')}`,
    evidence: [],
  };
}

/**
 * A term has one leader and so one log; what was written in an earlier one may have been given up by a failover or a
 * restore, and a mirror with it would be silently different.
 */
function objectToLine(service: ServiceAt, backup: Backup): readonly Objection[] {
  const { topology, leader } = service;
  const { position, iden } = leader?.fact?.engine ?? {};
  const refuse = (message: string): readonly Objection[] => [
    {
      code: 'other-line',
      subject: backup.name,
      message: `${backup.name} cannot become a mirror of ${topology.leader}: ${message}`,
      unblock: `take a new one, leafward plan backup ${service.name}, and use that; or leave --from-backup out, so that it is filled from its upstream`,
      evidence: [
        evidence('position of the backup', backup.position),
        evidence(`position of ${topology.leader}`, position, { seenAt: leader?.receivedAt }),
        evidence('term of the backup', backup.term, { wanted: String(topology.term) }),
      ],
    },
  ];
  if (backup.term !== topology.term)
    return refuse(`it is of term ${backup.term}, and it is term ${topology.term} now`);
  if (iden !== undefined && backup.iden !== undefined && iden !== backup.iden)
    return refuse('it is of another cell');
  if (backup.position === undefined) return refuse('how far its log goes is not known');
  if (position === undefined)
    return refuse(`how far the log of ${topology.leader} goes is not known`);
  if (backup.position > position)
    return refuse(`its log goes to ${backup.position}, that of ${topology.leader} to ${position}`);
  return [];
}

/** There is another way to fill a mirror, so what is doubtful is not used. */
function objectToSoundness({ name, verification, drill }: Backup): readonly Objection[] {
  const problem =
    verification?.ok === false
      ? `is damaged: ${verification.problems[0] ?? 'its files are not what they were'}`
      : drill?.ok === false
        ? `failed its drill: ${drill.problems[0] ?? 'no reason given'}`
        : undefined;
  if (problem === undefined) return [];
  return [
    {
      code: 'backup-damaged',
      subject: name,
      message: `${name} ${problem}`,
      unblock: 'take another backup; or leave --from-backup out',
      evidence: [],
    },
  ];
}

function objectToVersion(member: MemberAt, backup: Backup): readonly Objection[] {
  const image = member.intent?.spec.image;
  if (!isOlder(image?.version, backup.version)) return [];
  return [
    {
      code: 'downgrade',
      subject: member.name,
      message: `${backup.name} is of version ${backup.version ?? ''}, ${member.name} has the image of ${image?.version ?? ''}: versions never go down (I5)`,
      unblock: `update ${backup.service} to ${backup.version ?? ''} or newer first`,
      evidence: [],
    },
  ];
}

function objectToWay(service: ServiceAt, member: MemberAt, backup: Backup): readonly Objection[] {
  if (goesWith(backup, member))
    return [
      {
        code: 'backups-in-storage',
        subject: member.name,
        message: `${backup.name} lies in the storage of ${member.name} that is emptied for it, at ${backup.path}`,
        unblock: 'move it to where backups of this member are kept, and plan again',
        evidence: [],
      },
    ];
  if (backup.host === member.host) return [];
  const sender = senderOf(service, backup);
  if (sender?.hostState?.connected === true) return [];
  if (sender !== undefined) return [silent(sender)];
  return [
    {
      code: 'backup-out-of-reach',
      subject: backup.name,
      message: `${backup.name} lies on host ${backup.host}, where no member of ${service.name} is any more whose agent could send it to ${member.host}`,
      unblock: 'take another backup; or leave --from-backup out',
      evidence: [evidence('path', `${backup.host}:${backup.path}`)],
    },
  ];
}

/** How a mirror is rebuilt when its service goes back to a backup, and why so. */
export interface Rebuilding {
  readonly fromBackup: boolean;
  /** The member's name is not in it. */
  readonly why: string;
  readonly send?: DraftMove | undefined;
}

/** Of the backup that its leader goes back to, which is of its line by itself. */
export function rebuildingOf(
  snapshot: Snapshot,
  service: ServiceAt,
  member: MemberAt,
  backup: Backup,
): Rebuilding {
  const { declaration, name } = service;
  const { exec, kind } = declaration;
  const itself = (why: string): Rebuilding => ({
    fromBackup: false,
    why: `is filled by its own bootstrap from its upstream: ${why}`,
  });
  if (exec !== undefined) return itself(`kind ${kind} has a command for that`);
  if (!isAble('reseed-from-backup', declaration)) return itself(`its kind knows no other way`);
  if (backup.position === undefined) return itself(`how far ${backup.name} goes is not known`);
  const lies = backupsOf(snapshot, name).find(
    (one) => one.host === member.host && one.manifestSha256 === backup.manifestSha256,
  );
  if (lies !== undefined)
    return goesWith(lies, member)
      ? itself(`${backup.name} lies there in the storage that is emptied`)
      : { fromBackup: true, why: `is filled from ${backup.name}, which lies on ${member.host}` };
  const send = sendMove(snapshot, service, member, backup);
  if (send === undefined) return itself(`nobody can send ${backup.name} to ${member.host}`);
  if (!hasRoomForBoth(member, backup))
    return itself(`${member.host} has no room for ${backup.name} beside what is made of it`);
  return {
    fromBackup: true,
    why: `is filled from ${backup.name}, which is sent to ${member.host} before anything is stopped`,
    send,
  };
}

/** Both may lie on one volume. What is not known is asked by its agent before it begins. */
function hasRoomForBoth({ fact }: MemberAt, { sizeBytes }: Backup): boolean {
  const { freeBytes, totalBytes } = fact?.storage ?? {};
  if (freeBytes === undefined || totalBytes === undefined) return true;
  return freeBytes - 2 * sizeBytes >= totalBytes * BOOT_FREE_SHARE;
}
