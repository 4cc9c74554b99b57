// When a rule on space breaks: the backup rule, the guide's 50 % rule and the boot limit, for each volume, by how fast
// data, kept backups and everything else grew. Pure. Says nothing where too little is known; never promises that what
// shrinks goes on shrinking.
import type { SpaceRule } from '@leafward/shared/gen/domain.js';
import type { HostState, ServiceState, Snapshot } from '../snapshot.js';
import { DAY_MS, type Rate, type Trend } from './forecast-trend.js';
import { volumesOf, type Kept, type Room, type VolumeAt } from './forecast-volumes.js';
import { BOOT_FREE_SHARE, GUIDE_DATA_SHARE } from './thresholds.js';

type Bound = 'expected' | 'low' | 'high';

/** Later than this nothing is said: no service grows for so long as it does now. */
export const HORIZON_DAYS = 365;

export interface RuleForecast {
  readonly rule: SpaceRule;
  /** The member that it is about; undefined: whatever is on the volume. */
  readonly member?: string | undefined;
  /** What there is and what the rule wants at least of it, now; for the 50 % rule what there may be at most. */
  readonly haveBytes?: number | undefined;
  readonly wantedBytes?: number | undefined;
  readonly verdict: Verdict;
}

export type Verdict =
  | { readonly kind: 'broken' }
  /** Times are of the controller's clock. `latestAt` undefined: perhaps not within a year. */
  | {
      readonly kind: 'breaks';
      readonly expectedAt: number;
      readonly earliestAt: number;
      readonly latestAt?: number | undefined;
    }
  /** Not within a year; `earliestAt`: if it grows as fast as it may. */
  | { readonly kind: 'beyond'; readonly earliestAt?: number | undefined }
  /** `since`: of the oldest sample. */
  | { readonly kind: 'unknown'; readonly reason: string; readonly since?: number | undefined };

export interface VolumeForecast {
  readonly host: string;
  readonly volume: VolumeAt;
  readonly dataBytes?: number | undefined;
  readonly dataGrowth?: Trend | undefined;
  readonly backupBytes: number;
  /** As it will be: of kept backups whose number stays, that of the data they are copies of. */
  readonly backupGrowth?: Rate | undefined;
  readonly othersGrowth?: Trend | undefined;
  readonly rules: readonly RuleForecast[];
}

interface Known {
  readonly forecasts: readonly VolumeForecast[];
  /** The first moment that is told; from then on it has passed. */
  readonly firstAt: number;
  readonly services: Readonly<Record<string, ServiceState>>;
  readonly backups: Snapshot['backups'];
}
const known = new WeakMap<HostState, Known>();

/** Of one host. Reckoned once for each report of it: times count from when it was seen, and never lie before now. */
export function forecastHost(snapshot: Snapshot, host: HostState): readonly VolumeForecast[] {
  const { services, backups, now } = snapshot;
  let found = known.get(host);
  if (found?.services !== services || found.backups !== backups) {
    const forecasts = volumesOf(snapshot, host).map((volume, _, all) =>
      forecastVolume(host, volume, all),
    );
    const verdicts = forecasts.flatMap(({ rules }) => rules.map(({ verdict }) => verdict));
    const times = verdicts.flatMap((verdict) =>
      'earliestAt' in verdict ? (verdict.earliestAt ?? []) : [],
    );
    found = { forecasts, firstAt: Math.min(...times), services, backups };
    known.set(host, found);
  }
  if (found.firstAt >= now) return found.forecasts;
  return found.forecasts.map((forecast) => ({
    ...forecast,
    rules: forecast.rules.map((rule) => ({ ...rule, verdict: notBefore(now, rule.verdict) })),
  }));
}

function notBefore(now: number, verdict: Verdict): Verdict {
  const clamp = (at: number | undefined) => (at === undefined ? undefined : Math.max(now, at));
  if (verdict.kind === 'beyond') return { ...verdict, earliestAt: clamp(verdict.earliestAt) };
  if (verdict.kind !== 'breaks') return verdict;
  return {
    ...verdict,
    expectedAt: Math.max(now, verdict.expectedAt),
    earliestAt: Math.max(now, verdict.earliestAt),
    latestAt: clamp(verdict.latestAt),
  };
}

function forecastVolume(
  host: HostState,
  volume: VolumeAt,
  all: readonly VolumeAt[],
): VolumeForecast {
  const { rooms, kept } = volume;
  const data = rooms.map(({ dataBytes }) => dataBytes);
  const isMeasured = data.every((bytes) => bytes !== undefined);
  return {
    host: host.name,
    volume,
    dataBytes: isMeasured ? data.reduce((sum, bytes) => sum + bytes, 0) : undefined,
    dataGrowth: sumOf(rooms.map(({ storage }) => host.growth?.data[storage])),
    backupBytes: kept.reduce((sum, { bytes }) => sum + bytes, 0),
    backupGrowth: rateOfPaces(kept.map((one) => paceOf(host, one, all))),
    othersGrowth: host.growth?.others[volume.name],
    rules: [
      ...backupRule(host, volume, all),
      ...halfRule(host, volume, all),
      ...bootRule(host, volume, all),
    ],
  };
}

/** The sum of what grows; unknown as soon as one of them is. */
function sumOf(trends: readonly (Trend | undefined)[]): Trend | undefined {
  if (trends.length === 0 || trends.some((trend) => trend === undefined)) return undefined;
  const found = trends.flatMap((trend) => trend ?? []);
  const rates = found.flatMap(({ rate }) => rate ?? []);
  return {
    since: Math.max(...found.map(({ since }) => since)),
    samples: Math.min(...found.map(({ samples }) => samples)),
    rate: rates.length < found.length ? undefined : addRates(rates),
  };
}

const addRates = (rates: readonly Rate[]): Rate => ({
  bytesPerDay: rates.reduce((sum, { bytesPerDay }) => sum + bytesPerDay, 0),
  lowBytesPerDay: rates.reduce((sum, { lowBytesPerDay }) => sum + lowBytesPerDay, 0),
  highBytesPerDay: rates.reduce((sum, { highBytesPerDay }) => sum + highBytesPerDay, 0),
});

// ---- how fast things grow --------------------------------------------------------------------------------------

/** What takes more and more room, at one pace and, from a point on, at another. Rates are never below 0. */
interface Pace {
  readonly bytesPerDay: number;
  /** So much more at the first pace. */
  readonly untilBytes?: number | undefined;
  readonly thenBytesPerDay?: number | undefined;
}
/** Undefined: not known. */
type Paces = ((bound: Bound) => Pace) | undefined;

const boundOf = (rate: Rate, bound: Bound): number =>
  Math.max(
    0,
    bound === 'expected'
      ? rate.bytesPerDay
      : bound === 'low'
        ? rate.lowBytesPerDay
        : rate.highBytesPerDay,
  );

function pace(trend: Trend | undefined): Paces {
  const rate = trend?.rate;
  return rate && ((bound) => ({ bytesPerDay: boundOf(rate, bound) }));
}

/**
 * Kept backups whose number a retention holds grow as the data that they are copies of; until there are so many, at the
 * pace at which they came, and no less than that.
 */
function paceOf(host: HostState, kept: Kept, volumes: readonly VolumeAt[]): Paces {
  const own = host.growth?.backups[kept.key]?.rate;
  if (kept.most === undefined) return own && pace(host.growth?.backups[kept.key]);
  const source = volumes
    .flatMap(({ rooms }) => rooms)
    .find((room) => room.service === kept.service);
  if (source === undefined) return () => ({ bytesPerDay: 0 });
  const data = host.growth?.data[source.storage]?.rate;
  if (data === undefined) return undefined;
  const { count, most, bytes } = kept;
  if (count >= most || own === undefined)
    return (bound) => ({ bytesPerDay: count * boundOf(data, bound) });
  return (bound) => ({
    bytesPerDay: Math.max(boundOf(own, bound), count * boundOf(data, bound)),
    untilBytes: (most - count) * (bytes / Math.max(1, count)),
    thenBytesPerDay: most * boundOf(data, bound),
  });
}

/** As they begin. */
function rateOfPaces(paces: readonly Paces[]): Rate | undefined {
  if (paces.length === 0 || paces.some((one) => one === undefined)) return undefined;
  const sum = (bound: Bound): number =>
    paces.reduce((all, one) => all + (one?.(bound).bytesPerDay ?? 0), 0);
  return {
    bytesPerDay: sum('expected'),
    lowBytesPerDay: sum('low'),
    highBytesPerDay: sum('high'),
  };
}

const dataPace = (host: HostState, { storage }: Room): Paces => pace(host.growth?.data[storage]);

/** Everything that takes free space away from a volume. */
function consumption(
  host: HostState,
  volume: VolumeAt,
  all: readonly VolumeAt[],
): readonly Paces[] {
  return [
    ...volume.rooms.map((room) => dataPace(host, room)),
    ...volume.kept.map((kept) => paceOf(host, kept, all)),
    pace(host.growth?.others[volume.name]),
  ];
}

/** A storage as the service measures it: kept backups in it included. */
function wholeGrowth(host: HostState, room: Room, all: readonly VolumeAt[]): readonly Paces[] {
  return [dataPace(host, room), ...keptIn(room, all).map((kept) => paceOf(host, kept, all))];
}

const keptIn = (room: Room, all: readonly VolumeAt[]): readonly Kept[] =>
  all.flatMap(({ kept }) => kept).filter(({ key }) => room.keptInside.includes(key));

export function wholeBytesOf(room: Room, all: readonly VolumeAt[]): number | undefined {
  if (room.dataBytes === undefined) return undefined;
  return keptIn(room, all).reduce((sum, { bytes }) => sum + bytes, room.dataBytes);
}

// ---- the rules -------------------------------------------------------------------------------------------------

/** What must stay free where the next backup of this member lands. */
export function backupNeed(
  volume: VolumeAt,
  room: Room,
  all: readonly VolumeAt[],
): number | undefined {
  const whole = wholeBytesOf(room, all);
  const isShared = volume.rooms.includes(room);
  return whole === undefined
    ? undefined
    : whole + (isShared ? volume.totalBytes * BOOT_FREE_SHARE : 0);
}

/** The next backup of each member that lands on the volume; the first that will not fit is told. */
function backupRule(
  host: HostState,
  volume: VolumeAt,
  all: readonly VolumeAt[],
): readonly RuleForecast[] {
  const rooms = all.flatMap(({ rooms }) => rooms);
  const here = rooms.filter((room) => room.backupVolume === volume.name);
  const lost = volume.rooms.filter((room) => room.backupVolume === undefined);
  const about = { rule: 'backup' as const, haveBytes: volume.freeBytes };
  const judged = [
    ...here.map((room): RuleForecast => {
      const wantedBytes = backupNeed(volume, room, all);
      const paces = [...consumption(host, volume, all), ...wholeGrowth(host, room, all)];
      const verdict = verdictOf(host, wantedBytes, (need) => volume.freeBytes - need, paces);
      return { ...about, member: room.member, wantedBytes, verdict };
    }),
    ...lost.map((room): RuleForecast => {
      const reason = `how much is free at ${room.backupPath}, where its backups go, is not reported`;
      return { rule: 'backup', member: room.member, verdict: { kind: 'unknown', reason } };
    }),
  ];
  return judged.sort((a, b) => urgencyOf(a) - urgencyOf(b)).slice(0, 1);
}

/** The guide: services take half of their volume at most, unless their backups go elsewhere. */
function halfRule(
  host: HostState,
  volume: VolumeAt,
  all: readonly VolumeAt[],
): readonly RuleForecast[] {
  const isHeld = volume.rooms.some(
    ({ backupVolume }) => backupVolume === undefined || backupVolume === volume.name,
  );
  if (!isHeld) return [];
  const whole = volume.rooms.map((room) => wholeBytesOf(room, all));
  const haveBytes = whole.every((bytes) => bytes !== undefined)
    ? whole.reduce((sum, bytes) => sum + bytes, 0)
    : undefined;
  const wantedBytes = volume.totalBytes * GUIDE_DATA_SHARE;
  const paces = volume.rooms.flatMap((room) => wholeGrowth(host, room, all));
  const verdict = verdictOf(host, haveBytes, (bytes) => wantedBytes - bytes, paces);
  return [{ rule: 'half', haveBytes, wantedBytes, verdict }];
}

function bootRule(
  host: HostState,
  volume: VolumeAt,
  all: readonly VolumeAt[],
): readonly RuleForecast[] {
  if (volume.rooms.length === 0) return [];
  const wantedBytes = volume.totalBytes * BOOT_FREE_SHARE;
  const left = (need: number): number => volume.freeBytes - need;
  const verdict = verdictOf(host, wantedBytes, left, consumption(host, volume, all));
  return [{ rule: 'boot', haveBytes: volume.freeBytes, wantedBytes, verdict }];
}

/** `leftOf`: what is left of the room under the rule, by the figure that may not be known. */
function verdictOf(
  host: HostState,
  figure: number | undefined,
  leftOf: (figure: number) => number,
  paces: readonly Paces[],
): Verdict {
  if (figure === undefined)
    return { kind: 'unknown', reason: 'the size of its data is not measured yet' };
  const leftBytes = leftOf(figure);
  if (leftBytes < 0) return { kind: 'broken' };
  const given = paces.flatMap((one) => one ?? []);
  if (given.length < paces.length || host.growth === undefined)
    return { kind: 'unknown', reason: 'too little is known yet', since: oldestOf(host) };
  const atOf = (bound: Bound): number | undefined => {
    const days = daysUntilGone(
      leftBytes,
      given.map((one) => one(bound)),
    );
    return days === undefined ? undefined : (host.lastSeenAt ?? 0) + days * DAY_MS;
  };
  const expectedAt = atOf('expected');
  const earliestAt = atOf('high');
  if (expectedAt === undefined || earliestAt === undefined) return { kind: 'beyond', earliestAt };
  return { kind: 'breaks', expectedAt, earliestAt, latestAt: atOf('low') };
}

function oldestOf({ growth }: HostState): number | undefined {
  if (growth === undefined) return undefined;
  const { data, backups, others } = growth;
  const trends = [data, backups, others].flatMap((by) => Object.values(by));
  return trends.length === 0 ? undefined : Math.min(...trends.map(({ since }) => since));
}

/** Days until nothing is left; undefined: not within the horizon. */
export function daysUntilGone(leftBytes: number, paces: readonly Pace[]): number | undefined {
  const turns = paces.map(({ bytesPerDay, untilBytes }) =>
    untilBytes === undefined || bytesPerDay <= 0 ? Infinity : untilBytes / bytesPerDay,
  );
  const ends = [...turns.filter((days) => days < HORIZON_DAYS), HORIZON_DAYS].sort((a, b) => a - b);
  let left = leftBytes;
  let day = 0;
  for (const end of ends) {
    const from = day;
    const rate = paces.reduce((sum, { bytesPerDay, thenBytesPerDay = bytesPerDay }, index) => {
      const hasTurned = from >= (turns[index] ?? Infinity);
      return sum + (hasTurned ? thenBytesPerDay : bytesPerDay);
    }, 0);
    if (rate > 0 && left / rate <= end - day) return day + left / rate;
    left -= rate * (end - day);
    day = end;
  }
  return undefined;
}

/** The smaller the sooner an operator should look. */
export function urgencyOf({ verdict, haveBytes = 0, wantedBytes = 0 }: RuleForecast): number {
  switch (verdict.kind) {
    case 'broken':
      return haveBytes - wantedBytes;
    case 'breaks':
      return verdict.expectedAt;
    case 'unknown':
      return Number.MAX_SAFE_INTEGER;
    case 'beyond':
      return Number.MAX_VALUE;
  }
}
