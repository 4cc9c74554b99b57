// How long past moves took, for the expected times in plans. A bounded ring a key; medians are cached.

const KEPT = 21; // odd, so that the median is one that happened; enough to forget an outlier

export interface MoveHistory {
  add(key: string, ms: number): void;
  /** Median milliseconds by `${service}/${moveKind}`. */
  medians(): Readonly<Record<string, number>>;
}

export function createHistory(): MoveHistory {
  const rings = new Map<string, number[]>();
  let cached: Readonly<Record<string, number>> | undefined;
  return {
    add(key, ms) {
      const ring = rings.get(key) ?? [];
      ring.push(ms);
      if (ring.length > KEPT) ring.shift();
      rings.set(key, ring);
      cached = undefined;
    },
    medians() {
      cached ??= Object.fromEntries([...rings].map(([key, ring]) => [key, median(ring)]));
      return cached;
    },
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
