// What happened, one line each in fixed columns, and a hash over all of it: two runs of one seed are the same run
// when their hashes are. Keeps the last lines only; all of them go to `print` when there is one.

const KEPT = 400;

export interface Trace {
  /** True time in milliseconds, who, what. */
  line(at: number, who: string, what: string): void;
  /** Takes part in the hash and in nothing else. */
  mix(value: number): void;
  hash(): string;
  lines(): readonly string[];
  count(): number;
}

export function createTrace(print?: (line: string) => void): Trace {
  const kept: string[] = [];
  let [high, low] = [0x9dc5811c, 0x01000193];
  let count = 0;
  const mix = (value: number): void => {
    high = Math.imul(high ^ value, 0x85ebca6b);
    low = Math.imul(low ^ (value + high), 0xc2b2ae35);
    high ^= high >>> 15;
    low ^= low >>> 13;
  };
  return {
    mix,
    line(at, who, what) {
      const text = `${at.toFixed(3).padStart(13)}  ${who.padEnd(12)}  ${what}`;
      for (let index = 0; index < text.length; index += 1) mix(text.charCodeAt(index));
      count += 1;
      kept.push(text);
      if (kept.length > 2 * KEPT) kept.splice(0, KEPT);
      print?.(text);
    },
    hash: () =>
      (high >>> 0).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0'),
    lines: () => kept.slice(-KEPT),
    count: () => count,
  };
}
