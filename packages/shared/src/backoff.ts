// How long to wait before trying again: exponential with full jitter, bounded on both ends, so that many clients
// of one server that died do not all come back at once. Pure: the caller draws the random number.

export interface BackoffLimits {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Milliseconds before attempt `failures` + 1; `random` is within [0, 1). */
export function backoffMs(failures: number, limits: BackoffLimits, random: number): number {
  const ceiling = Math.min(limits.maxMs, limits.minMs * 2 ** Math.min(failures, 30));
  return limits.minMs + random * (ceiling - limits.minMs);
}
