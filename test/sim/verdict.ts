// What came of one seed, and how it is told.

export interface Verdict {
  readonly seed: number;
  readonly violations: readonly string[];
  /** What had not come right in the end; empty: all did. */
  readonly waits: readonly string[];
  /** Waits that no lasting harm excuses. */
  readonly stuck: boolean;
  readonly hash: string;
  readonly events: number;
  readonly virtualMs: number;
  readonly counts: Counts;
  readonly kinds: readonly string[];
  readonly lines: readonly string[];
}

export interface Counts {
  readonly acknowledged: number;
  readonly leads: number;
  readonly failovers: number;
  readonly handovers: number;
  readonly refused: number;
  readonly operations: number;
  /** Acknowledged writes that a forced failover gave up, as its plan said. */
  readonly lost: number;
}

export const isBad = ({ violations, stuck }: Verdict): boolean => violations.length > 0 || stuck;

export function told({ seed, violations, waits, stuck, kinds, virtualMs, hash }: Verdict): string {
  const what = violations.length > 0 ? violations[0] : stuck ? `stuck: ${waits[0] ?? ''}` : 'fine';
  return `seed ${seed}  ${hash}  ${Math.round(virtualMs / 1000)} s  ${what}  [${kinds.join(', ')}]`;
}
