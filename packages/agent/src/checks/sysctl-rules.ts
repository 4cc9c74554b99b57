// The five sysctls that the guide sets: what each should be on this host. Pure; the checks and the
// tuner share it.
import { scaleDirtyLimits, type DirtyLimit } from './dirty-scale.js';

/** One assignment: `vm.dirty_ratio` and "4". */
export interface Setting {
  readonly key: string;
  readonly value: string;
}

export interface SysctlRule {
  /** Id of the check that looks at it. */
  readonly check: string;
  readonly key: string;
  /** The `*_bytes` form of a ratio: the kernel shows 0 for the one that is not in force. */
  readonly twin?: string | undefined;
  wanted(ramBytes: number): Setting;
}

export const SWAPPINESS: SysctlRule = exactly('vm.swappiness', 10);
export const DIRTY_EXPIRE: SysctlRule = exactly('vm.dirty_expire_centisecs', 20);
export const DIRTY_WRITEBACK: SysctlRule = exactly('vm.dirty_writeback_centisecs', 20);
export const DIRTY_BACKGROUND: SysctlRule = scaled(
  'vm.dirty_background_ratio',
  'vm.dirty_background_bytes',
  (ramBytes) => scaleDirtyLimits(ramBytes).background,
);
export const DIRTY: SysctlRule = scaled(
  'vm.dirty_ratio',
  'vm.dirty_bytes',
  (ramBytes) => scaleDirtyLimits(ramBytes).dirty,
);

export const SYSCTL_RULES: readonly SysctlRule[] = [
  SWAPPINESS,
  DIRTY_EXPIRE,
  DIRTY_WRITEBACK,
  DIRTY_BACKGROUND,
  DIRTY,
];

/** vm.dirty_ratio → vm-dirty-ratio, the id of its check. */
function checkIdOf(key: string): string {
  return key.replaceAll(/[._]/g, '-');
}

function exactly(key: string, value: number): SysctlRule {
  return { check: checkIdOf(key), key, wanted: () => ({ key, value: String(value) }) };
}

function scaled(key: string, twin: string, limit: (ramBytes: number) => DirtyLimit): SysctlRule {
  return {
    check: checkIdOf(key),
    key,
    twin,
    wanted: (ramBytes) => {
      const { unit, value } = limit(ramBytes);
      return { key: unit === 'ratio' ? key : twin, value: String(value) };
    },
  };
}
