// What a plan's moves take of each volume, all of them together: refused where services on it would stop, warned where the
// next backup would not fit, or where a rule breaks while the plan goes on. Pure. One backup or copy that does not fit by
// itself is another gate's business.
import type { Draft, DraftMove } from './draft.js';
import type { HostState, Snapshot } from '../snapshot.js';
import { backupNeed, forecastHost, type RuleForecast, type VolumeForecast } from './forecast.js';
import { outlookOf } from './forecast-words.js';
import { DAY_MS } from './forecast-trend.js';
import { backupPathOf, volumeOfPath, type VolumeAt } from './forecast-volumes.js';
import { gatherService, memberOf, type MemberAt } from './gather.js';
import { BOOT_FREE_SHARE } from './thresholds.js';
import { evidence, listed, plural, renderDuration, renderSize, type Objection } from './words.js';

/** Bytes that a move leaves on a host's volume for good. */
interface Taking {
  readonly host: string;
  readonly path: string;
  readonly bytes: number;
  /** 'a backup of 01.cortex' */
  readonly what: string;
  /** A retention that has as many backups as it keeps takes the oldest away for it. */
  readonly isReplaced: boolean;
}

interface Laden {
  readonly host: HostState;
  readonly volume: VolumeAt;
  readonly all: readonly VolumeAt[];
  /** The path is on no reported volume; what lies nearest to it is on this one. */
  readonly isGuess: boolean;
  readonly takings: readonly Taking[];
}

/** The draft with what there is to say of space. */
export function withSpace(snapshot: Snapshot, draft: Draft): Draft {
  const laden = ladenVolumes(snapshot, takingsOf(snapshot, draft.moves));
  const hasNoSpace = draft.refusals.some(({ code }) => code === 'no-space');
  const refusals = hasNoSpace ? [] : laden.flatMap(objectToCrossing);
  const warnings = [
    ...laden.filter(({ isGuess }) => isGuess).flatMap((one) => crossing(one) ?? []),
    ...(refusals.length > 0 ? [] : laden.flatMap(noNextBackup)),
    ...runningOut(snapshot, draft.moves),
  ];
  if (refusals.length === 0 && warnings.length === 0) return draft;
  return {
    ...draft,
    warnings: [...draft.warnings, ...warnings],
    refusals: [...draft.refusals, ...refusals],
    gates:
      refusals.length === 0
        ? draft.gates
        : [
            ...draft.gates,
            {
              name: 'volumes',
              passed: false,
              message: refusals.map(({ message }) => message).join('; '),
              evidence: refusals.flatMap((refusal) => refusal.evidence),
            },
          ],
  };
}

// ---- what moves take -------------------------------------------------------------------------------------------

function takingsOf(snapshot: Snapshot, moves: readonly DraftMove[]): readonly Taking[] {
  return moves.flatMap((move): readonly Taking[] => {
    const service = gatherService(snapshot, move.service);
    const at = (name: string): MemberAt | undefined => service && memberOf(service, name);
    switch (move.kind) {
      case 'back-up':
      case 'cold-back-up':
        return backupTaking(snapshot, at(move.member));
      case 'place': {
        // A new mirror begins with a copy of its upstream; one that is there already takes nothing more.
        const { member, upstream, spec } = move.intent;
        const bytes = upstream && at(upstream.member)?.fact?.storage.dataBytes;
        if (bytes === undefined || at(member)?.intent !== undefined) return [];
        const what = `a copy of ${upstream?.member ?? ''} for ${member}`;
        return [{ host: move.host, path: spec.storage, bytes, what, isReplaced: false }];
      }
      case 'reseed': {
        const restored = restoredBytes(snapshot, moves, move.service);
        const seeded = bytesOfBackup(snapshot, move.service, move.reseed?.backup);
        const bytes = seeded ?? restored ?? at(move.upstream)?.fact?.storage.dataBytes;
        const what = `a copy of ${move.upstream} for ${move.member}`;
        return replaced(at(move.member), bytes, what, move.reseed?.wipe === true);
      }
      case 'restore': {
        const bytes = restoredBytes(snapshot, moves, move.service);
        return replaced(at(move.member), bytes, `${move.backup} for ${move.member}`, move.wipe);
      }
      case 'send': {
        const bytes = bytesOfBackup(snapshot, move.service, move.backup);
        const intent = at(move.toMember)?.intent;
        if (bytes === undefined || intent === undefined) return [];
        const path = backupPathOf(intent);
        // It stays a day, or as long as the rules keep it.
        return [{ host: move.toHost, path, bytes, what: move.backup, isReplaced: true }];
      }
      default:
        return [];
    }
  });
}

const bytesOfBackup = (
  { backups }: Snapshot,
  service: string,
  name: string | undefined,
): number | undefined =>
  backups.find((one) => one.service === service && one.name === name)?.sizeBytes;

/** Of the backup that the plan goes back to. */
function restoredBytes(
  snapshot: Snapshot,
  moves: readonly DraftMove[],
  service: string,
): number | undefined {
  const restore = moves.find((move) => move.kind === 'restore' && move.service === service);
  if (restore?.kind !== 'restore') return undefined;
  return bytesOfBackup(snapshot, service, restore.backup);
}

function backupTaking(snapshot: Snapshot, member: MemberAt | undefined): readonly Taking[] {
  const { intent, host, hostState } = member ?? {};
  if (member === undefined || intent === undefined || host === undefined || hostState === undefined)
    return [];
  const volumes = volumesAt(snapshot, hostState);
  const room = volumes.flatMap(({ rooms }) => rooms).find((one) => one.member === member.name);
  if (room?.dataBytes === undefined) return [];
  const kept = volumes
    .flatMap((volume) => volume.kept)
    .filter((one) => one.service === intent.service);
  const isReplaced = kept.some(({ count, most }) => most !== undefined && count >= most);
  const what = `a backup of ${member.name}`;
  return [{ host, path: backupPathOf(intent), bytes: room.dataBytes, what, isReplaced }];
}

/** What is wiped makes room; what is set aside stays. */
function replaced(
  member: MemberAt | undefined,
  bytes: number | undefined,
  what: string,
  wipe: boolean,
): readonly Taking[] {
  const { intent, host, fact } = member ?? {};
  if (intent === undefined || host === undefined || bytes === undefined) return [];
  const freed = wipe ? (fact?.storage.dataBytes ?? 0) : 0;
  return [{ host, path: intent.spec.storage, bytes: bytes - freed, what, isReplaced: false }];
}

const volumesAt = (snapshot: Snapshot, host: HostState): readonly VolumeAt[] =>
  forecastHost(snapshot, host).map(({ volume }) => volume);

function ladenVolumes(snapshot: Snapshot, takings: readonly Taking[]): readonly Laden[] {
  const laden = new Map<string, Laden>();
  for (const taking of takings) {
    const host = snapshot.hosts[taking.host];
    if (host === undefined) continue;
    const all = volumesAt(snapshot, host);
    const certain = volumeOfPath(all, taking.path);
    const name = certain ?? neighboursOf(all, taking.path);
    const volume = all.find((one) => one.name === name);
    if (volume === undefined) continue;
    const key = `${host.name} ${volume.name}`;
    const before = laden.get(key);
    laden.set(key, {
      host,
      volume,
      all,
      isGuess: certain === undefined || before?.isGuess === true,
      takings: [...(before?.takings ?? []), taking],
    });
  }
  return [...laden.values()];
}

/** The one volume that has the paths nearest to it in the tree of directories. */
function neighboursOf(volumes: readonly VolumeAt[], path: string): string | undefined {
  const near = volumes.map(({ name, paths }) => ({
    name,
    depth: Math.max(...paths.map((one) => sharedDepth(one, path))),
  }));
  const deepest = Math.max(1, ...near.map(({ depth }) => depth));
  const nearest = near.filter(({ depth }) => depth === deepest);
  return nearest.length === 1 ? nearest[0]?.name : undefined;
}

/** Directories that two paths have in common: 2 for /srv/syn/a and /srv/syn/b/c. */
function sharedDepth(one: string, other: string): number {
  const [first, second] = [one.split('/'), other.split('/')];
  const differs = first.findIndex((part, index) => part !== second[index]);
  return (differs === -1 ? first.length : differs) - 1;
}

// ---- what is wrong with it -------------------------------------------------------------------------------------

const bytesOf = ({ takings }: Laden): number => takings.reduce((sum, { bytes }) => sum + bytes, 0);

/** The sentence; undefined: enough stays free, or nothing on the volume would stop. */
function crossing(laden: Laden): string | undefined {
  const { host, volume, takings, isGuess } = laden;
  const left = volume.freeBytes - bytesOf(laden);
  const least = volume.totalBytes * BOOT_FREE_SHARE;
  if (left >= least || bytesOf(laden) <= 0 || (volume.rooms.length === 0 && !isGuess))
    return undefined;
  const what = listed(takings.map((taking) => `${taking.what} (${renderSize(taking.bytes)})`));
  const would =
    left < 0 ? `${renderSize(-left)} would be missing` : `${renderSize(left)} would be left`;
  return `with ${what} ${would} at ${volume.name} on ${host.name}, where services stop below ${renderSize(least)} (I7)${isGuess ? '; whether it is the same volume is not known' : ''}`;
}

function objectToCrossing(laden: Laden): readonly Objection[] {
  const message = laden.isGuess ? undefined : crossing(laden);
  if (message === undefined) return [];
  const { host, volume } = laden;
  const least = volume.totalBytes * BOOT_FREE_SHARE;
  const missing = least + bytesOf(laden) - volume.freeBytes;
  return [
    {
      code: 'crosses-boot-limit',
      subject: host.name,
      message,
      unblock: `free at least ${renderSize(missing)} at ${volume.name} on ${host.name}, or make it larger`,
      evidence: [
        evidence('free', renderSize(volume.freeBytes), {
          wanted: `≥ ${renderSize(least + bytesOf(laden))}`,
          seenAt: host.lastSeenAt,
        }),
      ],
    },
  ];
}

/** Fits now, and would not afterwards: whoever plans it should know before the next one is due. */
function noNextBackup({ host, volume, all, takings }: Laden): readonly string[] {
  const bytes = takings.reduce((sum, one) => sum + (one.isReplaced ? 0 : one.bytes), 0);
  const left = volume.freeBytes - bytes;
  const rooms = all.flatMap(({ rooms }) => rooms).filter((one) => one.backupVolume === volume.name);
  const losing = rooms.filter((room) => {
    const need = backupNeed(volume, room, all);
    if (need === undefined || volume.freeBytes < need) return false;
    const isInside = takings.some(
      ({ path }) => path === room.backupPath && path.startsWith(`${room.storage}/`),
    );
    return left < need + (isInside ? bytes : 0);
  });
  if (bytes <= 0 || losing.length === 0) return [];
  return [
    `after it ${plural(losing.length, 'member')} (${listed(losing.map(({ member }) => member))}) could not be backed up to ${volume.name} on ${host.name} any more: ${renderSize(Math.max(0, left))} would be free`,
  ];
}

/** Rules that may break before the plan is over, or on the day after. */
function runningOut(snapshot: Snapshot, moves: readonly DraftMove[]): readonly string[] {
  const tookMs = moves.reduce((sum, { expectedMs = 0 }) => sum + expectedMs, 0);
  const until = snapshot.now + tookMs + DAY_MS;
  const warnings = new Set<string>();
  for (const move of moves) {
    const place = placeOf(snapshot, move);
    const host = place && snapshot.hosts[place.host];
    if (host?.growth === undefined) continue;
    const forecasts = forecastHost(snapshot, host);
    const name = volumeOfPath(
      forecasts.map(({ volume }) => volume),
      place?.path ?? '',
    );
    const forecast = forecasts.find(({ volume }) => volume.name === name);
    for (const rule of forecast?.rules ?? [])
      if (forecast !== undefined && breaksBefore(rule, until))
        warnings.add(warningOf(snapshot.now, forecast, rule, tookMs));
  }
  return [...warnings];
}

/** Where a move works, if it needs room or stops somebody who must boot again. */
function placeOf(
  snapshot: Snapshot,
  move: DraftMove,
): { readonly host: string; readonly path: string } | undefined {
  if (move.kind === 'place') return { host: move.host, path: move.intent.spec.storage };
  if (
    !['back-up', 'cold-back-up', 'reseed', 'restore', 'recreate', 'optimize', 'migrate'].includes(
      move.kind,
    ) ||
    !('member' in move)
  )
    return undefined;
  const service = gatherService(snapshot, move.service);
  const member = service && memberOf(service, move.member);
  return member?.intent && { host: member.host, path: member.intent.spec.storage };
}

/** That half of a volume is used up is no reason to hurry. */
const breaksBefore = ({ rule, verdict }: RuleForecast, until: number): boolean =>
  rule !== 'half' && verdict.kind === 'breaks' && verdict.earliestAt <= until;

const warningOf = (
  now: number,
  { host, volume }: VolumeForecast,
  rule: RuleForecast,
  tookMs: number,
): string =>
  `${outlookOf(now, rule)} at ${volume.name} on ${host}${tookMs === 0 ? '' : `, and this takes about ${renderDuration(tookMs)}`}: leafward forecast ${host}`;
