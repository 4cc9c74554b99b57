// Rule: vm.dirty_ratio by the guide. Reads /proc/sys; the tuner changes it.
import type { Check } from './check.js';
import { judgeDirty, sysctlCheck } from './sysctl-check.js';
import { DIRTY } from './sysctl-rules.js';

export const vmDirty: Check = sysctlCheck(
  DIRTY,
  {
    why: 'Above this every write becomes synchronous and a service pauses until the disk has caught up. 4 % at 128 GiB, more on smaller hosts. (devops guide, “Performance Tuning”)',
    source: 'devops guide, Performance Tuning; kernel Documentation/admin-guide/sysctl/vm.rst',
  },
  judgeDirty(DIRTY),
);
