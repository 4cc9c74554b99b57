// A service's backups as meant: what their agents do by themselves, with defaults filled in. Pure.
import type { Keep, Window } from '../gen/domain.js';
import type { BackupText } from './backup-schema.js';
import { splitEnvironment } from './split-environment.js';
import type { BackupPolicy, DeclaredDuty, DeclaredOffsite } from './types.js';
import { parseDuration, parseSize } from './units.js';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

export function completeBackup(text: BackupText | undefined): BackupPolicy {
  const ms = (value: string | undefined, fallback: number): number =>
    value === undefined ? fallback : (parseDuration(value) ?? fallback);
  const duty = dutyOf(text, ms);
  return {
    maxAgeMs: ms(text?.maxAge, DAY_MS),
    directory: text?.directory,
    preferMirror: text?.preferMirror ?? true,
    ...(text?.drill?.required === true ? { requireDrill: true } : {}),
    ...(duty === undefined ? {} : { duty }),
    ...(text?.snapshot === undefined
      ? {}
      : {
          snapshot: {
            command: text.snapshot.command,
            timeoutMs: ms(text.snapshot.timeout, 30_000),
            freeze: text.snapshot.freeze ?? true,
          },
        }),
  };
}

/** Left out as long as nothing is said, so that an order of before is no other order. */
function dutyOf(
  text: BackupText | undefined,
  ms: (value: string | undefined, fallback: number) => number,
): DeclaredDuty | undefined {
  if (text === undefined) return undefined;
  const { schedule, drill, keep, offsite, window } = text;
  const isSilent = [schedule, drill?.schedule, keep, offsite].every((part) => part === undefined);
  if (isSilent) return undefined;
  return {
    ...(schedule === undefined ? {} : { schedule }),
    timeZone: text.timeZone ?? 'UTC',
    jitterMs: ms(text.jitter, 5 * MINUTE_MS),
    takeoverMs: ms(text.takeover, 30 * MINUTE_MS),
    ...(window === undefined ? {} : { window: windowOf(window) }),
    ...(keep === undefined ? {} : { keep: keepOf(keep) }),
    ...(drill?.schedule === undefined ? {} : { drillSchedule: drill.schedule }),
    ...(offsite === undefined ? {} : { offsite: offsiteOf(offsite) }),
  };
}

function windowOf({ from, to }: NonNullable<BackupText['window']>): Window {
  return { fromMinute: minuteOf(from), toMinute: minuteOf(to) };
}

function minuteOf(time: string): number {
  const [hour, minute] = time.split(':').map(Number);
  return (hour ?? 0) * 60 + (minute ?? 0);
}

function keepOf(text: NonNullable<BackupText['keep']>): Keep {
  const { last = 0, hourly = 0, daily = 0, weekly = 0, monthly = 0, minFree } = text;
  const minFreeBytes = minFree === undefined ? 0 : (parseSize(minFree) ?? 0);
  return { last, hourly, daily, weekly, monthly, minFreeBytes };
}

function offsiteOf(text: NonNullable<BackupText['offsite']>): DeclaredOffsite {
  const { plain, secret } = splitEnvironment(text.environment ?? {});
  return {
    repository: text.repository,
    environment: Object.fromEntries(plain),
    ...(secret.length === 0 ? {} : { secretEnvironment: Object.fromEntries(secret) }),
    each: text.each ?? true,
    ...(text.keep === undefined ? {} : { keep: keepOf(text.keep) }),
  };
}
