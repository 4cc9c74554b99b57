// Figures as an operator reads them: durations, ages, sizes, positions, moments. Pure.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const NOTHING = '–';

/** Two units at most: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min, 3 d 4 h. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 10) return `${Math.round(ms)} ms`;
  if (ms < 10 * SECOND) return `${Number((ms / SECOND).toFixed(1))} s`;
  const whole = Math.round(ms / SECOND) * SECOND;
  if (whole < MINUTE) return `${whole / SECOND} s`;
  if (whole < HOUR) return pair(whole, [MINUTE, 'min'], [SECOND, 's']);
  if (whole < DAY) return pair(whole, [HOUR, 'h'], [MINUTE, 'min']);
  return pair(whole, [DAY, 'd'], [HOUR, 'h']);
}

function pair(
  ms: number,
  big: readonly [number, string],
  small: readonly [number, string],
): string {
  const bigs = Math.floor(ms / big[0]);
  const smalls = Math.floor((ms - bigs * big[0]) / small[0]);
  return smalls === 0 ? `${bigs} ${big[1]}` : `${bigs} ${big[1]} ${smalls} ${small[1]}`;
}

/** One unit: 0 s, 12 s, 3 min, 2 h, 5 d. A moment in the future counts as now. */
export function formatAge(at: number | undefined, now: number): string {
  if (at === undefined) return NOTHING;
  const ms = Math.max(0, now - at);
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < 2 * DAY) return `${Math.floor(ms / HOUR)} h`;
  return `${Math.floor(ms / DAY)} d`;
}

/** 'in 3 min', or '3 min ago' once it has passed. */
export function formatUntil(at: number, now: number): string {
  return at >= now ? `in ${formatDuration(at - now)}` : `${formatAge(at, now)} ago`;
}

const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** Three figures at most, in powers of 1024. */
export function formatBytes(bytes: number | undefined): string {
  if (bytes === undefined) return NOTHING;
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < SIZES.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const figures = unit === 0 || size >= 99.5 ? Math.round(size) : Number(size.toFixed(1));
  return `${figures} ${SIZES[unit]}`;
}

/** 1204331 → 1,204,331 */
export function formatCount(count: number | undefined): string {
  return count === undefined ? NOTHING : String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** 2026-11-21 12:24 UTC */
export function formatMoment(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** 12:24:52, UTC */
export function formatClock(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND,
  m: MINUTE,
  min: MINUTE,
  h: HOUR,
  d: DAY,
  w: 7 * DAY,
};

/** Milliseconds of 90s, 30m, 1h30m, 7d; undefined when it is none of these. */
export function parseDuration(text: string): number | undefined {
  const compact = text.replaceAll(' ', '');
  if (!/^(\d+(\.\d+)?(ms|s|min|m|h|d|w))+$/.test(compact)) return undefined;
  let ms = 0;
  for (const [, figure, unit] of compact.matchAll(/(\d+(?:\.\d+)?)(ms|s|min|m|h|d|w)/g))
    ms += Number(figure) * (UNITS[unit ?? ''] ?? NaN);
  return Math.round(ms);
}

/** A moment after `now`: a duration from now (7d) or a date (2026-12-01, 2026-12-01T12:00Z). */
export function parseMoment(text: string, now: number): number | undefined {
  const duration = parseDuration(text.replace(/^\+/, ''));
  if (duration !== undefined) return now + duration;
  if (!/^\d{4}-\d{2}-\d{2}/.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}
