// The newest latencies of one volume and their quantiles. Bounded; knows nothing of disks.

export interface LatencySamples {
  add(samplesMs: readonly number[]): void;
  /** Value at a quantile between 0 and 1 (nearest rank); 0 without samples. */
  quantile(q: number): number;
  count(): number;
}

/** Keeps the newest `capacity` samples, in milliseconds. */
export function createLatencySamples(capacity: number): LatencySamples {
  let ring: number[] = [];
  return {
    add: (samplesMs) => {
      ring = [...ring, ...samplesMs].slice(-capacity);
    },
    quantile: (q) => quantileOf(ring, q),
    count: () => ring.length,
  };
}

/** Nearest-rank quantile, as fio reports it; 0 for no samples. */
export function quantileOf(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const rank = Math.min(sorted.length, Math.max(1, Math.ceil(q * sorted.length)));
  return sorted[rank - 1] ?? 0;
}
