// Why restic did not do it, in words that say what to do next. Pure. Knows restic by its exit codes (since 0.17) and by
// what it prints (before). What it printed must have been redacted.
import { LeafwardError } from '@leafward/shared/errors.js';
import { parseComplaints } from './restic-output.js';

export interface ResticEnd {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export type ResticFailure = 'absent' | 'locked' | 'password' | 'full' | 'incomplete' | 'other';

const MOST_SAID = 600;
/** That it asks whether there is a repository says nothing: it does so as well when nobody answers. */
const ABSENT =
  /unable to open config file:.*(no such file or directory|does not exist|not found|\b404\b)/is;
const LOCKED = /already locked (exclusively )?by/i;
const PASSWORD = /wrong password or no key found/i;
const FULL = /no space left on device|disk quota exceeded|quota exceeded|insufficient storage/i;

export function classify({ exitCode, stderr }: ResticEnd): ResticFailure {
  if (exitCode === 10 || ABSENT.test(stderr)) return 'absent';
  if (exitCode === 11 || LOCKED.test(stderr)) return 'locked';
  if (exitCode === 12 || PASSWORD.test(stderr)) return 'password';
  if (FULL.test(stderr)) return 'full';
  return exitCode === 3 ? 'incomplete' : 'other';
}

/** `what` was tried, on what. */
export function errorOf(what: string, end: ResticEnd): LeafwardError {
  const said = wordsOf(end);
  switch (classify(end)) {
    case 'absent':
      return new LeafwardError('not-found', `${what}: there is no repository (restic: ${said})`);
    case 'locked':
      return new LeafwardError(
        'unavailable',
        `${what}: the repository is locked ${holderOf(end.stderr)}; it is tried again. Locks of processes that have ` +
          'ended are taken away by themselves, those of other hosts after 30 min',
        { retry: 'later' },
      );
    case 'password':
      return new LeafwardError(
        'unauthenticated',
        `${what}: the repository has another password; set the right one with leafward secret set ` +
          'NAME, then leafward plan deploy, and check it with restic key list',
      );
    case 'full':
      return new LeafwardError(
        'exhausted',
        `${what}: there is no room left, in the repository or for restic’s own files in this agent’s state directory: ` +
          `${said}; give it some, or forget old copies with restic forget --prune`,
        { retry: 'later' },
      );
    case 'incomplete':
      return new LeafwardError(
        'failed',
        `${what}: restic could not read all of it, so that this is no copy: ${said}`,
        { retry: 'later' },
      );
    case 'other':
      return new LeafwardError('failed', `${what}: restic ended with ${end.exitCode}: ${said}`, {
        retry: 'later',
      });
  }
}

/** The last lines are the reason; what it tried again and again comes before them. */
export function wordsOf({ stderr }: Pick<ResticEnd, 'stderr'>): string {
  const lines = parseComplaints(stderr);
  // A bug of restic's ends with a page of where it was.
  const panic = lines.findIndex((line) => line.startsWith('panic:'));
  const told = panic === -1 ? lines.slice(-5) : lines.slice(panic, panic + 1);
  const text = told.join('; ');
  if (text === '') return 'nothing';
  return text.length <= MOST_SAID ? text : `${text.slice(0, MOST_SAID)}…`;
}

function holderOf(stderr: string): string {
  const holder = /already locked (?:exclusively )?(by PID \d+ on \S+)/i.exec(stderr)?.[1];
  const since = /lock was created at .*\(([^)]+?)(?:\.\d+)?s ago\)/i.exec(stderr)?.[1];
  if (holder === undefined) return 'by another process';
  return since === undefined ? holder : `${holder}, for ${since}s`;
}
