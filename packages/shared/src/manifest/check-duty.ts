// Whether what agents shall do with backups by themselves can be done: schedules that come, a time zone that is one, a
// repository whose password is a secret. Pure; tells with paths.
import { problemOfSchedule } from '../schedule.js';
import type { Tell } from './complete.js';
import type { DeclaredOffsite, ServiceDeclaration } from './types.js';

export function checkDuty({ name, backup }: ServiceDeclaration, tell: Tell): void {
  const { duty } = backup;
  const at = ['services', name, 'backup'];
  if (duty === undefined) return;
  if (!isTimeZone(duty.timeZone)) {
    tell([...at, 'timeZone'], `there is no time zone ${duty.timeZone}; one is Europe/Vienna`);
    return;
  }
  const schedules = [
    { path: ['schedule'], cron: duty.schedule },
    { path: ['drill', 'schedule'], cron: duty.drillSchedule },
  ];
  for (const { path, cron } of schedules) {
    const problem = cron === undefined ? undefined : problemOfSchedule(cron, duty.timeZone);
    if (problem !== undefined) tell([...at, ...path], `the schedule cannot be used: ${problem}`);
  }
  if (duty.window !== undefined && duty.window.fromMinute === duty.window.toMinute)
    tell([...at, 'window'], 'it begins and ends at the same minute: nothing would ever begin');
  checkKeep(duty.keep, (message) => tell([...at, 'keep'], message));
  checkKeep(duty.offsite?.keep, (message) => tell([...at, 'offsite', 'keep'], message));
  if (duty.offsite !== undefined)
    checkOffsite(duty.offsite, (key, message) => tell([...at, 'offsite', key], message));
}

function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return true;
  } catch {
    return false;
  }
}

type Duty = NonNullable<ServiceDeclaration['backup']['duty']>;

/** Rules that keep nothing would leave one backup at the most. */
function checkKeep(keep: Duty['keep'], tell: (message: string) => void): void {
  if (keep === undefined) return;
  const { minFreeBytes: _, ...counts } = keep;
  if (Object.values(counts).every((count) => count === 0))
    tell('no rule keeps anything: say last, hourly, daily, weekly or monthly');
}

/** A password in a manifest is in every copy of it (I14). */
function checkOffsite(
  { repository, environment, secretEnvironment = {} }: DeclaredOffsite,
  tell: (key: 'repository' | 'environment', message: string) => void,
): void {
  if (/\/\/[^/@]*:[^/@]+@/.test(repository))
    tell(
      'repository',
      'there is a password in it: write it without, and the whole of it as a secret in environment: RESTIC_REPOSITORY: { secret: NAME }',
    );
  const ways = ['RESTIC_PASSWORD', 'RESTIC_PASSWORD_FILE', 'RESTIC_PASSWORD_COMMAND'];
  if (environment['RESTIC_PASSWORD'] !== undefined)
    tell(
      'environment',
      'RESTIC_PASSWORD is a secret: write { secret: NAME } and set it with leafward secret set',
    );
  else if (!ways.some((way) => way in environment || way in secretEnvironment))
    tell('environment', 'restic needs a password: RESTIC_PASSWORD: { secret: NAME }');
}
