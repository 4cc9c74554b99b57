// Whether what is written anew beside the old fits (I7): by the service itself one database at a time, by its offline
// tool all of them. Pure.
import type { Evidence, OptimizeWay } from '@leafward/shared/gen/domain.js';
import type { MemberAt } from './gather.js';
import { BOOT_FREE_SHARE } from './thresholds.js';
import { evidence, renderSize, type Objection } from './words.js';

interface Need {
  readonly bytes: number;
  readonly what: string;
}

/** Undefined: how large its data are is not known; its agent looks before it begins. */
function needOf({ fact }: MemberAt, way: OptimizeWay): Need | undefined {
  const { dataBytes, largestDatabaseBytes, totalBytes } = fact?.storage ?? {};
  if (way === 'swap')
    return dataBytes === undefined
      ? undefined
      : { bytes: dataBytes, what: 'all of its data once more' };
  const bytes = largestDatabaseBytes ?? dataBytes;
  if (bytes === undefined || totalBytes === undefined) return undefined;
  // It starts first, and does not below its own limit.
  return {
    bytes: bytes + totalBytes * BOOT_FREE_SHARE,
    what: 'its largest database once more and what it wants free to start',
  };
}

export function objectToRoom(member: MemberAt, way: OptimizeWay): readonly Objection[] {
  const need = needOf(member, way);
  const { freeBytes } = member.fact?.storage ?? {};
  if (need === undefined || freeBytes === undefined || freeBytes >= need.bytes) return [];
  return [
    {
      code: 'no-space',
      subject: member.name,
      message: `${member.name} would not have room to be optimized: ${renderSize(freeBytes)} are free on ${member.host}, ${renderSize(need.bytes)} are needed: ${need.what} (I7)`,
      unblock: `free at least ${renderSize(need.bytes - freeBytes)} on ${member.host}`,
      evidence: roomEvidence(member, way),
    },
  ];
}

export function roomEvidence(member: MemberAt, way: OptimizeWay): readonly Evidence[] {
  const need = needOf(member, way);
  const { freeBytes } = member.fact?.storage ?? {};
  return [
    evidence(
      `free for ${member.name}`,
      freeBytes === undefined ? undefined : renderSize(freeBytes),
      {
        wanted: need === undefined ? undefined : `≥ ${renderSize(need.bytes)}`,
        seenAt: member.receivedAt,
      },
    ),
  ];
}
