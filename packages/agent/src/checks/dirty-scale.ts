// The guide's dirty ratios, 2 and 4 at 128 GiB, scaled to a host's RAM. Pure.

const GIB = 2 ** 30;
/** The guide's values hold at this much RAM (devops guide, "Performance Tuning"). */
export const REFERENCE_RAM_BYTES = 128 * GIB;
/** Largest page size that Linux uses by default (64 KiB on some arm64 and ppc64 kernels). */
const PAGE_BYTES = 65_536;

export interface DirtyLimit {
  readonly unit: 'ratio' | 'bytes';
  /** Percent for a ratio, else bytes. */
  readonly value: number;
}

interface Rule {
  /** Percent at 128 GiB. */
  readonly reference: number;
  /** The kernel's default: a tuned host never holds more dirty memory than an untuned one. */
  readonly cap: number;
}

const BACKGROUND: Rule = { reference: 2, cap: 10 };
const DIRTY: Rule = { reference: 4, cap: 20 };

/**
 * Limits for `vm.dirty_background_*` and `vm.dirty_*`.
 *
 *     ratio(RAM) = min(kernel default, round(reference × 128 GiB / RAM))
 *     bytes      = reference × 128 GiB / 100, down to a whole page, where that ratio is below 1
 *
 * What stays the same is the amount of dirty memory (2.56 GiB and 5.12 GiB), since what it bounds,
 * the time that a disk needs to write it out, does not grow with RAM. Smaller RAM, larger ratio, as
 * the guide says; capped at the kernel's defaults 10 and 20. Over 256 and 512 GiB the ratio would
 * fall under 1, the smallest the kernel takes, so the limit is given in bytes. Background stays
 * below dirty (else the kernel halves it), bytes are above the kernel's least of two pages.
 * Source: devops guide, "Performance Tuning"; kernel Documentation/admin-guide/sysctl/vm.rst.
 */
export function scaleDirtyLimits(ramBytes: number): {
  readonly background: DirtyLimit;
  readonly dirty: DirtyLimit;
} {
  return { background: scale(BACKGROUND, ramBytes), dirty: scale(DIRTY, ramBytes) };
}

function scale(rule: Rule, ramBytes: number): DirtyLimit {
  const ratio = (rule.reference * REFERENCE_RAM_BYTES) / ramBytes;
  if (ratio >= 1) return { unit: 'ratio', value: Math.min(rule.cap, Math.round(ratio)) };
  const bytes = (rule.reference * REFERENCE_RAM_BYTES) / 100;
  return { unit: 'bytes', value: Math.floor(bytes / PAGE_BYTES) * PAGE_BYTES };
}
