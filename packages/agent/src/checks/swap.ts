// Rule: nothing that matters lies in swap. Reads /proc/meminfo.
import type { Check } from './check.js';
import { formatBytes } from './figures.js';
import { readMemory } from './kernel-files.js';

/**
 * Idle pages of other programs may be swapped out; more than this share of RAM means that memory is
 * short.
 */
const WARN_SHARE_OF_RAM = 0.02;

export const swap: Check = {
  id: 'swap',
  why: 'A database whose memory was swapped out waits for the disk where it expects RAM; the guide lowers swappiness for that (devops guide, “Performance Tuning”)',
  source: 'devops guide, Performance Tuning (vm.swappiness)',
  fixable: false,
  run: async ({ roots }) => {
    const memory = readMemory(roots);
    const subject = 'swap';
    const wanted = 'swap unused';
    if (memory === undefined)
      return [
        {
          subject,
          severity: 'unknown',
          seen: 'cannot read /proc/meminfo',
          wanted,
          fix: 'give the agent the host’s /proc',
        },
      ];
    if (memory.swapTotalBytes === 0)
      return [{ subject, severity: 'ok', seen: 'no swap', wanted, fix: '' }];
    const usedBytes = memory.swapTotalBytes - memory.swapFreeBytes;
    const short = usedBytes > memory.totalBytes * WARN_SHARE_OF_RAM;
    const seen = `${formatBytes(usedBytes)} of ${formatBytes(memory.swapTotalBytes)} swap used`;
    const fix =
      'find who uses the memory (smem, VmSwap in /proc/*/status), add RAM or move members; then swapoff -a && swapon -a';
    return [{ subject, severity: short ? 'warning' : 'ok', seen, wanted, fix: short ? fix : '' }];
  },
};
