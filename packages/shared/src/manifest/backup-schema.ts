// What fleet.yaml says of a service's backups: what they have to be, when they are taken and drilled, which of them
// stay, and where copies go. Shape only; cron expressions and time zones are checked in check-duty.ts.
import { z } from 'zod';
import { environmentSchema } from './environment-schema.js';
import { absolutePath, duration, size } from './schema-parts.js';
import { parseDuration } from './units.js';

const cron = (description: string) =>
  z.string().min(9, 'a schedule has five fields').max(256).describe(description).optional();
const count = (what: string) =>
  z.int().min(0).max(10_000).describe(`How many of ${what} stay.`).optional();
const timeOfDay = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'a time of day is written 22:30')
  .describe('As 22:30, in the time zone of the schedule.');

const keepRules = {
  last: count('the newest backups'),
  hourly: count('the hours that have one: the newest of each'),
  daily: count('the days that have one: the newest of each'),
  weekly: count('the weeks that have one: the newest of each'),
  monthly: count('the months that have one: the newest of each'),
};

const keepSchema = z
  .strictObject({
    ...keepRules,
    minFree: size('So much stays free on the backups’ volume, whatever the other rules keep.'),
  })
  .describe('Which backups stay on a host; the last proven one always does.');

const offsiteSchema = z
  .strictObject({
    repository: z
      .string()
      .min(1)
      .max(2048)
      .describe('restic repository of this service: a path, sftp:…, rest:…, s3:…'),
    environment: environmentSchema
      .describe('For restic: RESTIC_PASSWORD as { secret: NAME }, AWS_ACCESS_KEY_ID and the like.')
      .optional(),
    each: z.boolean().describe('Copy each new backup. Default true.').optional(),
    keep: z
      .strictObject(keepRules)
      .describe('Which copies of a host’s backups stay there; the last proven one always does.')
      .optional(),
  })
  .describe('Copies off the host, by restic.');

/** Longer, and clients give up on their writes. */
const MOST_SNAPSHOT_MS = 10 * 60_000;

const snapshotSchema = z
  .strictObject({
    command: z
      .array(z.string().min(1).max(4096), {
        error: 'a command is a list of words: [program, argument]',
      })
      .min(1, 'a command needs at least one word: the program')
      .max(256)
      .describe(
        'Run on the member’s host, as root where its agent is root: a list of words, never a line for a shell. {member}, {service} and {storage} are replaced.',
      ),
    timeout: duration('When it is ended, and how long writes wait at most. Default 30s.').refine(
      (text) => text === undefined || (parseDuration(text) ?? 0) <= MOST_SNAPSHOT_MS,
      'writes wait that long: at most 10m',
    ),
    freeze: z.boolean().describe('Writes wait while it runs. Default true.').optional(),
  })
  .describe(
    'Snapshots of a member’s volume, by a command of yours: leafward backup run --snapshot.',
  );

export const backupSchema = z.strictObject({
  maxAge: duration('Oldest backup that an update accepts. Default 24h.'),
  directory: absolutePath
    .describe('Host directory for backups. Default: where the service puts them.')
    .optional(),
  preferMirror: z
    .boolean()
    .describe('Take backups of a caught-up mirror rather than of the leader. Default true.')
    .optional(),
  schedule: cron('When one is taken, as cron writes it: minute hour day month weekday.'),
  timeZone: z
    .string()
    .min(1)
    .max(64)
    .describe('Time zone of the schedules and of the window, as Europe/Vienna. Default UTC.')
    .optional(),
  jitter: duration('Each member begins at a moment of its own within this time. Default 5m.'),
  takeover: duration('How late a backup is when another member takes it instead. Default 30m.'),
  window: z
    .strictObject({ from: timeOfDay, to: timeOfDay })
    .describe('Backups by the schedule begin within it only.')
    .optional(),
  drill: z
    .strictObject({
      schedule: cron('When the newest backup is booted in isolation and compared.'),
      required: z
        .boolean()
        .describe('An update needs a backup that a drill has booted. Default false.')
        .optional(),
    })
    .describe('A backup is proven when a drill has booted it.')
    .optional(),
  keep: keepSchema.optional(),
  offsite: offsiteSchema.optional(),
  snapshot: snapshotSchema.optional(),
});

export type BackupText = z.infer<typeof backupSchema>;
