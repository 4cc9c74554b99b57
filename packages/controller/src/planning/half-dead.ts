// A leader that answers and does not do its work: its disk is full or hangs, or it takes no writes. No failure that
// anything is begun for by itself, and no health either. Pure; from young facts only.
import type { Evidence } from '@leafward/shared/gen/domain.js';
import type { MemberAt } from './gather.js';
import { FULL_FREE_BYTES, FULL_FREE_SHARE } from './thresholds.js';
import { evidence, renderDuration, renderSize } from './words.js';

export interface Impairment {
  readonly code: 'read-only' | 'frozen' | 'disk-full' | 'disk-hangs';
  readonly message: string;
  readonly evidence: Evidence;
}

/** What keeps a running leader from taking writes; [] for everybody else, and for one that nothing young is known of. */
export function impairmentsOf(member: MemberAt, now: number): readonly Impairment[] {
  const { fact } = member;
  const isLeading = member.isLeader && !member.isRetired && member.intent?.run === 'running';
  if (!isLeading || !member.isFresh || fact?.container.state !== 'running') return [];
  return [...readOnly(member), ...frozen(member), ...fullDisk(member), ...hangingDisk(member, now)];
}

function readOnly({ fact, receivedAt: seenAt }: MemberAt): readonly Impairment[] {
  if (fact?.engine.readOnly !== true) return [];
  return [
    {
      code: 'read-only',
      message: 'it answers and takes no writes: it is read-only',
      evidence: evidence('writes', 'refused: read-only', { wanted: 'taken', seenAt }),
    },
  ];
}

/** Whoever froze it and died left it so: it is tied to no link. */
function frozen({ fact, receivedAt: seenAt }: MemberAt): readonly Impairment[] {
  if (fact?.engine.paused !== true) return [];
  return [
    {
      code: 'frozen',
      message: 'it answers and every write waits: it is frozen',
      evidence: evidence('writes', 'wait: frozen', { wanted: 'taken', seenAt }),
    },
  ];
}

function fullDisk({ fact, receivedAt: seenAt }: MemberAt): readonly Impairment[] {
  const { freeBytes, totalBytes } = fact?.storage ?? {};
  if (freeBytes === undefined || totalBytes === undefined || totalBytes <= 0) return [];
  const least = Math.min(FULL_FREE_BYTES, totalBytes * FULL_FREE_SHARE);
  if (freeBytes >= least) return [];
  return [
    {
      code: 'disk-full',
      message: `its disk is full: ${renderSize(freeBytes)} of ${renderSize(totalBytes)} are free`,
      evidence: evidence('free', renderSize(freeBytes), {
        wanted: `≥ ${renderSize(least)}`,
        seenAt,
      }),
    },
  ];
}

function hangingDisk(member: MemberAt, now: number): readonly Impairment[] {
  const { intent, hostState } = member;
  const volume = hostState?.fact?.volumes.find(({ path }) => path === intent?.spec.storage);
  if (volume?.hungSince === undefined) return [];
  const hostNow = now + (hostState?.clockOffsetMs ?? 0);
  const word = `for ${renderDuration(Math.max(0, hostNow - volume.hungSince))}`;
  return [
    {
      code: 'disk-hangs',
      message: `its disk hangs: a small write beside it has not come back ${word}`,
      evidence: evidence('fdatasync', `hangs ${word}`, {
        wanted: 'comes back',
        seenAt: member.receivedAt,
      }),
    },
  ];
}
