// Rule: RAM against the size of all databases of this host. Pure but for /proc/meminfo.
import type { Check, CheckContext, CheckResult } from './check.js';
import { formatBytes } from './figures.js';
import { readMemory } from './kernel-files.js';
import { storagesOf } from './volumes.js';

/** Beyond this the page cache holds less than a quarter of the data and reads go to the disk. */
const WARN_RATIO = 4;

export const memorySize: Check = {
  id: 'memory-size',
  why: 'Under ideal circumstances RAM exceeds the total size of the databases; the closer, the better (devops guide, “Performance Tuning”)',
  source: 'devops guide, Performance Tuning',
  fixable: false,
  run: async (context) => (storagesOf(context.members).size === 0 ? [] : [judge(context)]),
};

function judge({ roots, members, dataBytes }: CheckContext): CheckResult {
  const memory = readMemory(roots);
  const paths = [...storagesOf(members).keys()];
  const measured = paths.flatMap((path) => dataBytes.get(path) ?? []);
  const sum = measured.reduce((total, bytes) => total + bytes, 0);
  const common = { subject: 'memory', wanted: `RAM ≥ ${formatBytes(sum)} of data` };
  if (memory === undefined || measured.length < paths.length) {
    return {
      ...common,
      severity: 'unknown',
      seen:
        memory === undefined
          ? 'cannot read the size of memory'
          : `${measured.length} of ${paths.length} storages measured so far`,
      wanted: 'RAM ≥ the size of all data',
      fix: 'wait until the data was measured',
    };
  }
  const ratio = sum / memory.totalBytes;
  return {
    ...common,
    severity: ratio <= 1 ? 'ok' : ratio <= WARN_RATIO ? 'info' : 'warning',
    seen: `${formatBytes(memory.totalBytes)} of RAM, ${formatBytes(sum)} of data (${ratio.toFixed(2)} × RAM)`,
    fix:
      ratio <= 1
        ? ''
        : 'more RAM, fewer members on this host, or a cold backup that compacts the databases',
  };
}
