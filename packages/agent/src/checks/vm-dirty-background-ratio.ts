// Rule: vm.dirty_background_ratio by the guide. Reads /proc/sys; the tuner changes it.
import type { Check } from './check.js';
import { judgeDirty, sysctlCheck } from './sysctl-check.js';
import { DIRTY_BACKGROUND } from './sysctl-rules.js';

export const vmDirtyBackground: Check = sysctlCheck(
  DIRTY_BACKGROUND,
  {
    why: 'Above this the kernel writes out in the background; low keeps the disk busy evenly. 2 % at 128 GiB, more on smaller hosts. (devops guide, “Performance Tuning”)',
    source: 'devops guide, Performance Tuning; kernel Documentation/admin-guide/sysctl/vm.rst',
  },
  judgeDirty(DIRTY_BACKGROUND),
);
