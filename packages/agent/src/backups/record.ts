// What a backup's record must be to be believed: it may lie where a member can write, and is told on. Checked by hand,
// since a library for it would be a tenth of an agent's memory.
import type {
  Backup,
  Drill,
  Image,
  OffsiteCopy,
  Verification,
} from '@leafward/shared/gen/domain.js';

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

const truth: Check = (value) => typeof value === 'boolean';
const texts: Check = (value) =>
  Array.isArray(value) && value.length <= 100 && value.every(text(1000));
const isAll =
  <T>(wanted: Readonly<Record<keyof T, Check>>): Check =>
  (value) => {
    if (typeof value !== 'object' || value === null) return false;
    const found = value as Readonly<Record<string, unknown>>;
    return Object.entries<Check>(wanted).every(([key, check]) => check(found[key]));
  };

const isVerification = isAll<Verification>({
  at: whole,
  ok: truth,
  files: count,
  bytes: count,
  tookMs: count,
  problems: texts,
});
const isImage = isAll<Image>({
  reference: text(4096),
  digest: text(200),
  version: orNothing(text(200)),
  sizeBytes: orNothing(count),
});
const isDrill = isAll<Drill>({
  at: whole,
  ok: truth,
  image: isImage,
  version: orNothing(text(200)),
  position: orNothing(whole),
  tookMs: count,
  copyMs: count,
  migrationMs: count,
  bytes: count,
  problems: texts,
});
const isCopy = isAll<OffsiteCopy>({
  repository: text(4096),
  snapshot: text(200),
  at: whole,
  tookMs: count,
  addedBytes: count,
  checkedAt: orNothing(whole),
  problem: orNothing(text(1000)),
});
const areCopies: Check = (value) => {
  const copies = (value as { readonly copies?: unknown } | null)?.copies;
  return Array.isArray(copies) && copies.length <= 100 && copies.every(isCopy);
};

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
  drill: orNothing(isDrill),
  copies: orNothing(areCopies),
  scheduledFor: orNothing(whole),
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
