// Rule: vm.dirty_writeback_centisecs by the guide. Reads /proc/sys; the tuner changes it.
import type { Check } from './check.js';
import { judgeExact, sysctlCheck } from './sysctl-check.js';
import { DIRTY_WRITEBACK } from './sysctl-rules.js';

export const vmDirtyWriteback: Check = sysctlCheck(
  DIRTY_WRITEBACK,
  {
    why: 'The kernel looks for old data to write out five times a second, so that dirty memory does not pile up. (devops guide, “Performance Tuning”)',
    source: 'devops guide, Performance Tuning; kernel Documentation/admin-guide/sysctl/vm.rst',
  },
  judgeExact,
);
