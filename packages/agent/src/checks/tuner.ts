// Applies the guide's sysctls, at once and durably, and puts back what was. Touches the five keys
// of sysctl-rules.ts, its own sysctl.d file and its state file; never another file.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { TuneChange } from '@leafward/shared/gen/domain.js';
import type { HostRoots, Tuner } from './check.js';
import { removeFile, replaceFile } from './durable-file.js';
import { readMemory, readSysctl, readText, sysctlPath } from './kernel-files.js';
import { OWN_SYSCTL_FILE, readInForce } from './sysctl-check.js';
import { parseAssignments } from './sysctl-order.js';
import { findOverride } from './sysctl-overriders.js';
import { SYSCTL_RULES, type Setting, type SysctlRule } from './sysctl-rules.js';
import { readOriginals, writeOriginals, type Originals } from './tuner-state.js';

export interface TunerOptions {
  readonly roots: HostRoots;
  /** On the agent's own disk: the values from before the first apply. */
  readonly stateFile: string;
}

/** What is to be done with one sysctl. */
interface Task {
  readonly rule: SysctlRule;
  readonly before: Setting;
  readonly after: Setting;
}

const HEADER =
  '# Made by Leafward (leafward host check --fix); undone by leafward host check --undo. Not to be edited:\n' +
  '# it is written anew each time. A file with a later name has the last word.\n';

/**
 * Both methods take ids of checks (vm-swappiness …; none: all five), change what differs, and
 * return the changes in the order of the rules. Each step is synchronous: two calls never mix.
 * @throws LeafwardError `invalid` for a check that cannot be tuned; `failed` when some could not be
 * changed or
 *   did not stay changed, with one line of detail for each change and each failure.
 */
export function createTuner(options: TunerOptions): Tuner {
  const { roots, stateFile } = options;
  const own = join(roots.etc, OWN_SYSCTL_FILE);
  return {
    apply: async (checks, { dryRun }) => {
      const originals = readOriginals(stateFile);
      const failures: string[] = [];
      const tasks = planApply(roots, own, chooseRules(checks), failures);
      if (!dryRun && tasks.length > 0) {
        writeOriginals(stateFile, withOriginals(originals, tasks));
        attempt(failures, `write ${own}`, () => keepDurably(own, tasks, 'set'));
        for (const task of tasks) change(roots, task, failures);
      }
      return conclude('apply', toChanges(roots, own, tasks), failures);
    },
    undo: async (checks, { dryRun }) => {
      const originals = readOriginals(stateFile);
      const failures: string[] = [];
      const tasks = planUndo(roots, originals, chooseRules(checks), failures);
      if (!dryRun && tasks.length > 0) {
        const undone = tasks.filter((task) => change(roots, task, failures));
        // The original is forgotten last: an undo that was cut short is done again.
        const removed = attempt(failures, `write ${own}`, () => keepDurably(own, undone, 'remove'));
        if (removed) writeOriginals(stateFile, withoutOriginals(originals, undone));
      }
      return conclude('undo', describeTasks(tasks, own), failures);
    },
  };
}

function chooseRules(checks: readonly string[]): readonly SysctlRule[] {
  const unknown = checks.filter((id) => !SYSCTL_RULES.some((rule) => rule.check === id));
  if (unknown.length > 0) {
    throw new LeafwardError(
      'invalid',
      `tune ${unknown.join(', ')}: only ${SYSCTL_RULES.map(({ check }) => check).join(', ')} can be applied ` +
        'by Leafward; the other findings say how to fix them by hand',
    );
  }
  return SYSCTL_RULES.filter(({ check }) => checks.length === 0 || checks.includes(check));
}

function planApply(
  roots: HostRoots,
  own: string,
  rules: readonly SysctlRule[],
  failures: string[],
): readonly Task[] {
  const memory = readMemory(roots);
  if (memory === undefined) {
    throw new LeafwardError(
      'failed',
      `read the size of memory from ${join(roots.proc, 'meminfo')}: it has none; nothing was changed; run the ` +
        'agent on the host itself, with its /proc',
    );
  }
  const kept = readOwn(own);
  return rules.flatMap((rule) => {
    const before = readInForce(roots, rule);
    const after = rule.wanted(memory.totalBytes);
    if (before === undefined) {
      failures.push(`${rule.key}: cannot be read at ${sysctlPath(roots, rule.key)}`);
      return [];
    }
    const durable = kept.get(after.key) === after.value;
    return durable && equal(before, after) ? [] : [{ rule, before, after }];
  });
}

function planUndo(
  roots: HostRoots,
  originals: Originals,
  rules: readonly SysctlRule[],
  failures: string[],
): readonly Task[] {
  return rules.flatMap((rule) => {
    const after = originals[rule.key];
    if (after === undefined) return [];
    const before = readInForce(roots, rule);
    if (before === undefined) {
      failures.push(`${rule.key}: cannot be read at ${sysctlPath(roots, rule.key)}`);
      return [];
    }
    return [{ rule, before, after }];
  });
}

/** Writes one value into the kernel and reads it back: it may be refused without an error. */
function change(roots: HostRoots, { after }: Task, failures: string[]): boolean {
  const path = sysctlPath(roots, after.key);
  return attempt(failures, `write ${after.value} to ${path}`, () => {
    writeFileSync(path, `${after.value}\n`);
    const read = readSysctl(roots, after.key);
    if (read !== after.value)
      throw new Error(`the kernel kept ${read ?? 'nothing that can be read'}`);
  });
}

function attempt(failures: string[], what: string, work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    failures.push(`${what}: ${messageOf(error)}`);
    return false;
  }
}

/** The own file with these tasks' settings set or removed; lines of other origin are not kept. */
function keepDurably(own: string, tasks: readonly Task[], mode: 'set' | 'remove'): void {
  const kept = readOwn(own);
  for (const { rule, after } of tasks) {
    kept.delete(rule.key);
    if (rule.twin !== undefined) kept.delete(rule.twin);
    if (mode === 'set') kept.set(after.key, after.value);
  }
  if (kept.size === 0) {
    if (readText(own) !== undefined) removeFile(own);
    return;
  }
  const lines = [...kept].sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => `${k} = ${v}\n`);
  replaceFile(own, HEADER + lines.join(''), 0o644);
}

function readOwn(own: string): Map<string, string> {
  const known = SYSCTL_RULES.flatMap(({ key, twin }) => (twin === undefined ? [key] : [key, twin]));
  const assignments = parseAssignments(readText(own) ?? '', own);
  return new Map(
    assignments.filter(({ key }) => known.includes(key)).map(({ key, value }) => [key, value]),
  );
}

/** The first apply's values stay: later ones would remember Leafward's own. */
function withOriginals(originals: Originals, tasks: readonly Task[]): Originals {
  const added = tasks
    .filter(({ rule }) => originals[rule.key] === undefined)
    .map(({ rule, before }) => [rule.key, before] as const);
  return { ...originals, ...Object.fromEntries(added) };
}

function withoutOriginals(originals: Originals, undone: readonly Task[]): Originals {
  const keys = undone.map(({ rule }) => rule.key);
  return Object.fromEntries(Object.entries(originals).filter(([key]) => !keys.includes(key)));
}

function equal(a: Setting, b: Setting): boolean {
  return a.key === b.key && a.value === b.value;
}

function toChanges(roots: HostRoots, own: string, tasks: readonly Task[]): readonly TuneChange[] {
  return describeTasks(tasks, own).map((described, index) => {
    const task = tasks[index];
    if (task === undefined) return described;
    const keys = [task.rule.key, ...(task.rule.twin === undefined ? [] : [task.rule.twin])];
    return { ...described, overriddenBy: findOverride(roots, task.after, { keys, own }) };
  });
}

function describeTasks(tasks: readonly Task[], own: string): readonly TuneChange[] {
  return tasks.map(({ rule, before, after }) => {
    const named = before.key !== after.key;
    return {
      check: rule.check,
      name: after.key,
      before: named ? `${before.key} = ${before.value}` : before.value,
      after: named ? `${after.key} = ${after.value}` : after.value,
      file: own,
    };
  });
}

function conclude(
  verb: 'apply' | 'undo',
  changes: readonly TuneChange[],
  failures: readonly string[],
): readonly TuneChange[] {
  if (failures.length === 0) return changes;
  throw new LeafwardError(
    'failed',
    `${verb} sysctls: ${failures.length} of the steps failed: ${failures.join('; ')}; the others were done; ` +
      'when the cause is mended (root, a writable /proc/sys and /etc/sysctl.d) order it again',
    {
      retry: 'later',
      detail: [
        ...changes.map(({ name, before, after }) => `tried ${name}: ${before} -> ${after}`),
        ...failures.map((failure) => `failed: ${failure}`),
      ],
    },
  );
}
