// Rule: vm.dirty_expire_centisecs by the guide. Reads /proc/sys; the tuner changes it.
import type { Check } from './check.js';
import { judgeExact, sysctlCheck } from './sysctl-check.js';
import { DIRTY_EXPIRE } from './sysctl-rules.js';

export const vmDirtyExpire: Check = sysctlCheck(
  DIRTY_EXPIRE,
  {
    why: 'What was changed more than 200 ms ago counts as old and is written out: a sync then finds little left to do. (devops guide, “Performance Tuning”)',
    source: 'devops guide, Performance Tuning; kernel Documentation/admin-guide/sysctl/vm.rst',
  },
  judgeExact,
);
