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
  /** Failovers that nobody asked for. */
  readonly automatic: number;
  /** Acknowledged writes that a forced failover gave up, as its plan said. */
  readonly lost: number;
}

export const isBad = ({ violations, stuck }: Verdict): boolean => violations.length > 0 || stuck;

/** Undefined: it is fine. */
export const complaintOf = ({ violations, stuck, waits }: Verdict): string | undefined =>
  violations[0] ?? (stuck ? `stuck: ${waits[0] ?? ''}` : undefined);

export function told(verdict: Verdict): string {
  const { seed, kinds, virtualMs, hash } = verdict;
  const what = complaintOf(verdict) ?? 'fine';
  return `seed ${seed}  ${hash}  ${Math.round(virtualMs / 1000)} s  ${what}  [${kinds.join(', ')}]`;
}
