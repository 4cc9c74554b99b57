// What stands against replacing all that a member has: room for a second copy (I7), and backups that lie in the very
// storage that would go (I13). Pure.
import type { Backup } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { backupsOf, type MemberAt, type ServiceAt } from './gather.js';
import { BOOT_FREE_SHARE } from './thresholds.js';
import { evidence, listed, renderSize, type Objection } from './words.js';

/** `needBytes`: what would be copied; undefined: not known, the agent asks again before it begins. */
export function objectToSeedSpace(
  member: MemberAt,
  needBytes: number | undefined,
  wipe: boolean,
): readonly Objection[] {
  const { freeBytes, totalBytes, dataBytes = 0 } = member.fact?.storage ?? {};
  if (needBytes === undefined || freeBytes === undefined || totalBytes === undefined) return [];
  const room = freeBytes + (wipe ? dataBytes : 0);
  const wanted = needBytes + totalBytes * BOOT_FREE_SHARE;
  if (room >= wanted) return [];
  return [
    {
      code: 'no-space',
      subject: member.name,
      message: `${member.name} has no room for a${wipe ? '' : ' second'} copy of ${renderSize(needBytes)}: ${renderSize(room)} ${wipe ? 'would be' : 'are'} free on ${member.host}, ${renderSize(wanted)} are needed (I7)`,
      unblock: wipe
        ? `free at least ${renderSize(wanted - room)} on ${member.host}`
        : `free at least ${renderSize(wanted - room)} on ${member.host}, or give up what is there with --wipe`,
      evidence: [
        evidence('free', renderSize(room), {
          wanted: `≥ ${renderSize(wanted)}`,
          seenAt: member.receivedAt,
        }),
      ],
    },
  ];
}

/** Names of the service's backups that lie in the member's storage where its agent leaves nothing. */
const backupsInStorage = (
  snapshot: Snapshot,
  service: ServiceAt,
  member: MemberAt,
): readonly string[] =>
  backupsOf(snapshot, service.name)
    .filter((backup) => goesWith(backup, member))
    .map((backup) => backup.name);

/** The agent keeps the entry of the storage that backups are made in or below; what lies elsewhere goes. */
export function goesWith(backup: Backup, { host, intent }: MemberAt): boolean {
  const { storage, backupDirectory } = intent?.spec ?? { storage: '/', backupDirectory: undefined };
  const isBelow = (folder: string): boolean => `${backup.path}/`.startsWith(`${folder}/`);
  const directory = backupDirectory ?? `${storage}/backups`;
  const [entry = ''] = directory.startsWith(`${storage}/`)
    ? directory.slice(storage.length + 1).split('/')
    : [];
  return (
    backup.host === host && isBelow(storage) && (entry === '' || !isBelow(`${storage}/${entry}`))
  );
}

/** A backup leaves by retention only, never because its member begins anew (I13). */
export function objectToLostBackups(
  snapshot: Snapshot,
  service: ServiceAt,
  member: MemberAt,
  wipe: boolean,
): readonly Objection[] {
  const inside = wipe ? backupsInStorage(snapshot, service, member) : [];
  if (inside.length === 0) return [];
  return [
    {
      code: 'backups-in-storage',
      subject: member.name,
      message: `${listed(inside)} ${inside.length === 1 ? 'lies' : 'lie'} in the storage of ${member.name} and would be deleted with it (I13)`,
      unblock:
        'leave --wipe out, so that the storage is set aside; or move the backups elsewhere first',
      evidence: inside.map((name) => evidence('backup', name)),
    },
  ];
}
