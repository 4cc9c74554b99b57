// What is wrong in a manifest, as it is told: every problem once, in the order of the file, and not without end.
import type { LineCounter, Document } from 'yaml';
import type { z } from 'zod';
import { COMMANDS } from './abilities.js';
import type { Tell } from './complete.js';
import { problemAt, type Path } from './locate.js';
import type { ManifestProblem } from './types.js';

/** More than anybody reads. */
const MAX_PROBLEMS = 200;

/** What to tell problems to, and what was told. */
export function collectProblems(
  document: Document.Parsed,
  lines: LineCounter,
): { readonly tell: Tell; readonly told: () => readonly ManifestProblem[] } {
  const problems: ManifestProblem[] = [];
  return {
    tell: (path, message) => void problems.push(problemAt(document, lines, path, message)),
    told: () => atMost(sorted(withoutTwins(problems))),
  };
}

export const atMost = (problems: readonly ManifestProblem[]): readonly ManifestProblem[] =>
  problems.slice(0, MAX_PROBLEMS);

export function tellIssues(issues: readonly z.core.$ZodIssue[], tell: Tell): void {
  for (const issue of issues) {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part)) as Path;
    if (issue.code === 'unrecognized_keys')
      for (const key of issue.keys) tell([...path, key], unknownKey(path));
    else if (issue.code === 'invalid_key')
      tell(path, issue.issues[0]?.message ?? 'this name cannot be used');
    else if (issue.code === 'invalid_type' && issue.input === undefined)
      tell(path, isMissing(issue) ? 'this is needed and missing' : issue.message);
    else tell(path, issue.message);
  }
}

const unknownKey = ([section, , part, ...deeper]: Path): string =>
  section === 'kinds' && part === 'commands' && deeper.length === 0
    ? `there is no command of this name; commands are ${COMMANDS.join(', ')}`
    : 'this key is not known; look for a slip of the pen';

const isMissing = (issue: z.core.$ZodIssue): boolean => issue.message.includes('undefined');

function withoutTwins(problems: readonly ManifestProblem[]): readonly ManifestProblem[] {
  const seen = new Set<string>();
  return problems.filter((problem) => {
    const key = `${problem.path}\n${problem.message}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

const sorted = (problems: readonly ManifestProblem[]): readonly ManifestProblem[] =>
  [...problems].sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
