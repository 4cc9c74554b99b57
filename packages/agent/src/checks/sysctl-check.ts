// What the five sysctl checks share: read, compare, say who set it. Never writes; that is the
// tuner's.
import { join } from 'node:path';
import type { Severity } from '@leafward/shared/gen/domain.js';
import type { Check, CheckContext, CheckResult, HostRoots } from './check.js';
import { formatBytes } from './figures.js';
import { readMemory, readSysctl } from './kernel-files.js';
import { readAssignments } from './sysctl-order.js';
import type { Setting, SysctlRule } from './sysctl-rules.js';

/** Rounding of a ratio moves it by at most half a percent of RAM. */
const RATIO_TOLERANCE_PERCENT = 0.5;

export const OWN_SYSCTL_FILE = 'sysctl.d/60-leafward.conf';

/** The setting in force: the `*_bytes` twin when the kernel has it, else the key itself. */
export function readInForce(roots: HostRoots, rule: SysctlRule): Setting | undefined {
  const twin = rule.twin === undefined ? undefined : readSysctl(roots, rule.twin);
  if (rule.twin !== undefined && twin !== undefined && Number(twin) > 0)
    return { key: rule.twin, value: twin };
  const value = readSysctl(roots, rule.key);
  return value === undefined || value === '' ? undefined : { key: rule.key, value };
}

/** A check around a rule; `judge` decides how bad a difference is. */
export function sysctlCheck(
  rule: SysctlRule,
  texts: { readonly why: string; readonly source: string },
  judge: (seen: Setting, wanted: Setting, ramBytes: number) => Severity,
): Check {
  return {
    id: rule.check,
    ...texts,
    fixable: true,
    run: async (context) => [runRule(rule, context, judge)],
  };
}

function runRule(
  rule: SysctlRule,
  { roots }: CheckContext,
  judge: (seen: Setting, wanted: Setting, ramBytes: number) => Severity,
): CheckResult {
  const memory = readMemory(roots);
  const seen = readInForce(roots, rule);
  const wanted = memory === undefined ? undefined : rule.wanted(memory.totalBytes);
  if (memory === undefined || seen === undefined || wanted === undefined) {
    return {
      subject: rule.key,
      severity: 'unknown',
      seen: `cannot read ${rule.key} or the size of memory under ${roots.proc}`,
      wanted: wanted === undefined ? 'the guide’s value' : describe(wanted, rule, 0),
      fix: 'run the agent on the host itself, with its /proc',
    };
  }
  const severity = judge(seen, wanted, memory.totalBytes);
  return {
    subject: rule.key,
    severity,
    seen: describe(seen, rule, memory.totalBytes) + setBy(roots, rule, seen),
    wanted: describe(wanted, rule, memory.totalBytes),
    fix: severity === 'ok' ? '' : fixOf(wanted),
  };
}

function fixOf(wanted: Setting): string {
  return `sysctl -w ${wanted.key}=${wanted.value}, kept in /etc/${OWN_SYSCTL_FILE}`;
}

function describe({ key, value }: Setting, rule: SysctlRule, ramBytes: number): string {
  if (rule.twin === undefined) return value;
  if (key === rule.twin) return `${key} = ${value} (${formatBytes(Number(value))})`;
  const bytes = ramBytes === 0 ? '' : ` (${formatBytes((Number(value) / 100) * ramBytes)} of RAM)`;
  return `${value} %${bytes}`;
}

function setBy(roots: HostRoots, rule: SysctlRule, seen: Setting): string {
  const last = readAssignments(roots)
    .filter(({ key }) => key === rule.key || key === rule.twin)
    .at(-1);
  if (last === undefined || last.file === join(roots.etc, OWN_SYSCTL_FILE)) return '';
  return last.key === seen.key && last.value === seen.value ? `, set by ${last.file}` : '';
}

/** The guide gives one value. */
export function judgeExact(seen: Setting, wanted: Setting): Severity {
  return Number(seen.value) === Number(wanted.value) ? 'ok' : 'warning';
}

/** More dirty memory than wanted stalls writers for longer; less only costs throughput. */
export function judgeDirty(
  rule: SysctlRule,
): (seen: Setting, wanted: Setting, ramBytes: number) => Severity {
  const percentOf = ({ key, value }: Setting, ramBytes: number): number =>
    key === rule.twin ? (Number(value) / ramBytes) * 100 : Number(value);
  return (seen, wanted, ramBytes) => {
    const excess = percentOf(seen, ramBytes) - percentOf(wanted, ramBytes);
    // One step of a ratio is a percent of RAM: bytes below that are compared as bytes.
    if (seen.key === wanted.key && seen.value === wanted.value) return 'ok';
    if (seen.key !== wanted.key && Math.abs(excess) <= RATIO_TOLERANCE_PERCENT) return 'ok';
    return excess > 0 ? 'warning' : 'info';
  };
}
