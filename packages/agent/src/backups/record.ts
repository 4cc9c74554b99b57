// What a backup's record must be to be believed: it may lie where a member can write, and is told on. Checked by hand,
// since a library for it would be a tenth of an agent's memory.
import type { Backup, Verification } from '@leafward/shared/gen/domain.js';

type Check = (value: unknown) => boolean;

const text =
  (most: number): Check =>
  (value) =>
    typeof value === 'string' && value.length <= most;
const whole: Check = (value) => Number.isSafeInteger(value);
const count: Check = (value) => whole(value) && (value as number) >= 0;
const sha256: Check = (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const orNothing =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

const verificationChecks: Readonly<Record<keyof Verification, Check>> = {
  at: whole,
  ok: (value) => typeof value === 'boolean',
  files: count,
  bytes: count,
  tookMs: count,
  problems: (value) => Array.isArray(value) && value.length <= 100 && value.every(text(1000)),
};
function isVerification(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const found = value as Readonly<Record<string, unknown>>;
  return Object.entries(verificationChecks).every(([key, check]) => check(found[key]));
}

const checks: Readonly<Record<keyof Backup, Check>> = {
  name: text(200),
  service: text(200),
  member: text(200),
  host: text(200),
  path: text(4096),
  sizeBytes: count,
  files: count,
  position: orNothing(whole),
  version: orNothing(text(200)),
  term: count,
  startedAt: whole,
  finishedAt: whole,
  manifestSha256: sha256,
  iden: orNothing(text(200)),
  databaseBackup: orNothing(text(400)),
  verification: orNothing(isVerification),
};

/** What is known of it and nothing else. @throws Error that names every key that is missing or wrong. */
export function asBackup(value: unknown): Backup {
  if (typeof value !== 'object' || value === null) throw new Error('it is no record');
  const found = value as Readonly<Record<string, unknown>>;
  const keys = Object.keys(checks) as (keyof Backup)[];
  const wrong = keys.filter((key) => !checks[key](found[key]));
  if (wrong.length > 0) throw new Error(`it is no record: ${wrong.join(', ')} missing or wrong`);
  const known = keys.filter((key) => found[key] !== undefined).map((key) => [key, found[key]]);
  const backup: unknown = Object.fromEntries(known);
  return backup as Backup;
}
