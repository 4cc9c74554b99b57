// Rule: vm.swappiness by the guide. Reads /proc/sys; the tuner changes it.
import type { Check } from './check.js';
import { judgeExact, sysctlCheck } from './sysctl-check.js';
import { SWAPPINESS } from './sysctl-rules.js';

export const vmSwappiness: Check = sysctlCheck(
  SWAPPINESS,
  {
    why: "Reduces the kernel's wish to swap out memory-mapped files, which is what every database of a service is. (devops guide, “Performance Tuning”)",
    source: 'devops guide, Performance Tuning; kernel Documentation/admin-guide/sysctl/vm.rst',
  },
  judgeExact,
);
