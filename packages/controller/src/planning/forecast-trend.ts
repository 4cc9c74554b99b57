// How fast something grows, by measurements that are late, noisy, or begin anew: the slope of Theil and Sen with Sen's
// interval. Pure; knows nothing of what is measured.

/** One measurement. `at`: milliseconds since 1970. */
export interface Point {
  readonly at: number;
  readonly bytes: number;
}

export interface Rate {
  /** The median of the slopes between all pairs of points. */
  readonly bytesPerDay: number;
  /** The slope lies between these two with nine tenths' probability, if the points' errors are independent. */
  readonly lowBytesPerDay: number;
  readonly highBytesPerDay: number;
}

export interface Trend {
  /** The oldest point that counts. */
  readonly since: number;
  readonly samples: number;
  /** Undefined: too little is known. */
  readonly rate?: Rate | undefined;
}

export const DAY_MS = 86_400_000;
/** Two nights: what runs once a day has shown itself twice. */
export const LEAST_SPAN_MS = 2 * DAY_MS;
/** Fewer give an interval that is as wide as all slopes. */
export const LEAST_SAMPLES = 12;
/** Pairs grow with the square: 96 points are 4,560 slopes, a millisecond of work; neighbours within an hour tell little. */
const MOST_POINTS = 96;
/** Of the standard normal distribution, two-sided 90 %. */
const Z_90 = 1.645;

/**
 * Where a measured thing begins anew, a new run begins: no slope is taken across it, but each run says how fast it grew.
 * `beginsAnew`: whether the second of two neighbours belongs to another run than the first. Any order of points.
 */
export function runsOf<T extends Point>(
  points: readonly T[],
  beginsAnew: (before: T, after: T) => boolean,
): readonly (readonly T[])[] {
  const runs: T[][] = [];
  let before: T | undefined;
  for (const point of [...points].sort((a, b) => a.at - b.at || a.bytes - b.bytes)) {
    const run = runs.at(-1);
    if (before === undefined || run === undefined || beginsAnew(before, point)) runs.push([point]);
    else run.push(point);
    before = point;
  }
  return runs;
}

/** Undefined for no points at all. Points of one run are in the order of time. */
export function trendOf(runs: readonly (readonly Point[])[]): Trend | undefined {
  const all = runs.flat();
  const [first] = all;
  const last = all.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const spanMs = runs.reduce((sum, run) => sum + ((run.at(-1)?.at ?? 0) - (run[0]?.at ?? 0)), 0);
  const known = { since: first.at, samples: all.length };
  if (all.length < LEAST_SAMPLES || spanMs < LEAST_SPAN_MS) return known;
  const widthMs = (last.at - first.at) / MOST_POINTS;
  return { ...known, rate: slopeOf(runs.map((run) => thinned(run, widthMs))) };
}

/** The last point of each span of time. */
function thinned(run: readonly Point[], widthMs: number): readonly Point[] {
  const begin = run[0]?.at ?? 0;
  const spanOf = ({ at }: Point): number => Math.floor((at - begin) / widthMs);
  return run.filter((point, index) => {
    const next = run[index + 1];
    return next === undefined || spanOf(next) !== spanOf(point);
  });
}

/** Sen 1968, section 6; over several runs the variances add up (Hirsch, Slack and Smith 1982, for seasons). */
function slopeOf(runs: readonly (readonly Point[])[]): Rate | undefined {
  const slopes = slopesOf(runs);
  if (slopes.length === 0) return undefined;
  const variance = runs.reduce((sum, { length: n }) => sum + (n * (n - 1) * (2 * n + 5)) / 18, 0);
  const half = (Z_90 * Math.sqrt(variance)) / 2;
  const middle = slopes.length / 2;
  const at = (index: number): number =>
    slopes[Math.min(slopes.length - 1, Math.max(0, index))] ?? 0;
  return {
    bytesPerDay: (at(Math.ceil(middle) - 1) + at(Math.floor(middle))) / 2,
    lowBytesPerDay: at(Math.floor(middle - half) - 1),
    highBytesPerDay: at(Math.ceil(middle + half)),
  };
}

/** Of all pairs within one run, in order. Plain numbers in one piece of memory: there are thousands for each series. */
function slopesOf(runs: readonly (readonly Point[])[]): Float64Array {
  const pairs = runs.reduce((sum, { length }) => sum + (length * (length - 1)) / 2, 0);
  const slopes = new Float64Array(pairs);
  let count = 0;
  for (const run of runs)
    run.forEach((one, index) => {
      for (let next = index + 1; next < run.length; next += 1) {
        const other = run[next];
        if (other === undefined || other.at <= one.at) continue;
        slopes[count] = ((other.bytes - one.bytes) * DAY_MS) / (other.at - one.at);
        count += 1;
      }
    });
  return slopes.subarray(0, count).sort();
}
