// Which backups of one service on one host stay and which go, and why: the rules of keep as restic has them, below what
// no rule may take (I13). Pure; the same answer in whatever order they come.
import type { Backup, Keep, KeepVerdict } from './gen/domain.js';
import { periodsIn, type Period } from './retention-periods.js';
import { renderSize } from './manifest/units.js';

export interface KeepQuestion {
  readonly keep: Keep;
  /** In which hours, days, weeks and months begin. */
  readonly timeZone: string;
  readonly now: number;
  /** On the volume of the backups. Undefined: not known, then minFree takes nothing. */
  readonly freeBytes: number | undefined;
  /** Paths of backups that stay whatever the rules say, with the reason. */
  readonly pinned: ReadonlyMap<string, string>;
}

/** Why one stays: by rules, which minFree overrules, and by what nothing overrules. */
interface Reasons {
  readonly always: string[];
  readonly rules: string[];
}

const PERIODS: readonly Period[] = ['hourly', 'daily', 'weekly', 'monthly'];

/**
 * Newest first. A period counts when it has a backup that is not damaged, and the newest of it stays. Taking away what
 * goes and asking again takes no more. @throws RangeError for a time zone that is none.
 */
export function judgeBackups(
  backups: readonly Backup[],
  question: KeepQuestion,
): readonly KeepVerdict[] {
  const newestFirst = [...backups].sort(byAge);
  const reasons = new Map(newestFirst.map((one) => [one, noReasons()]));
  const of = (backup: Backup): Reasons => reasons.get(backup) ?? noReasons();
  const past = newestFirst.filter(({ startedAt }) => startedAt <= question.now);
  for (const one of newestFirst) {
    if (one.startedAt > question.now)
      of(one).always.push('it is of a time to come (clock set back)');
    const why = question.pinned.get(one.path);
    if (why !== undefined) of(one).always.push(why);
  }
  for (const { backup, why } of protectedOf(past)) of(backup).always.push(why);
  applyRules(past.filter(isWhole), question, (backup, why) => of(backup).rules.push(why));
  keepDamaged(past, of);
  const taken = takenForRoom(newestFirst, of, question);
  return newestFirst.map((backup) => verdictOf(backup, of(backup), taken.get(backup)));
}

/** What taking away those that go frees, bytes. */
export function freedBytes(verdicts: readonly KeepVerdict[]): number {
  return verdicts.reduce((sum, { keeps, sizeBytes }) => sum + (keeps ? 0 : sizeBytes), 0);
}

const noReasons = (): Reasons => ({ always: [], rules: [] });

/** The newest first; a backup is as old as its beginning: it holds nothing later for sure. */
function byAge(a: Backup, b: Backup): number {
  return (
    b.startedAt - a.startedAt ||
    b.finishedAt - a.finishedAt ||
    compareText(a.name, b.name) ||
    compareText(a.path, b.path)
  );
}

const compareText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

const isWhole = ({ verification }: Backup): boolean => verification?.ok !== false;
const isProven = (backup: Backup): boolean => backup.drill?.ok === true && isWhole(backup);

/** I13: what no rule takes. */
function protectedOf(
  newestFirst: readonly Backup[],
): readonly { readonly backup: Backup; readonly why: string }[] {
  const isProvenOnce = ({ drill }: Backup): boolean => drill?.ok === true;
  const isVerified = ({ verification }: Backup): boolean => verification?.ok === true;
  const nothing = !newestFirst.some(isProven);
  const kinds = [
    { is: (): boolean => true, why: 'the newest' },
    { is: isWhole, why: 'the newest that is not damaged' },
    { is: isProven, why: 'the last proven' },
    { is: isProvenOnce, why: 'the last that a drill has booted' },
    {
      is: (one: Backup): boolean => nothing && isVerified(one),
      why: 'the last verified, none is proven',
    },
  ];
  const found = new Map<Backup, string>();
  for (const { is, why } of kinds) {
    const backup = newestFirst.find(is);
    if (backup === undefined) continue;
    const before = found.get(backup);
    if (before === undefined) found.set(backup, why);
    else if (why === 'the last proven') found.set(backup, `${before}, ${why}`);
  }
  return [...found].map(([backup, why]) => ({ backup, why }));
}

function applyRules(
  newestFirst: readonly Backup[],
  { keep, timeZone }: KeepQuestion,
  onKept: (backup: Backup, why: string) => void,
): void {
  for (const backup of newestFirst.slice(0, keep.last)) onKept(backup, 'last');
  const periodsOf = periodsIn(timeZone);
  const seen = new Map(PERIODS.map((period) => [period, new Set<string>()]));
  for (const backup of newestFirst) {
    const names = periodsOf(backup.startedAt);
    for (const period of PERIODS) {
      const periods = seen.get(period);
      if (periods === undefined || periods.has(names[period])) continue;
      if (periods.size < keep[period]) onKept(backup, `${period} ${names[period]}`);
      periods.add(names[period]);
    }
  }
}

/** What is whole of a damaged one may be wanted until a newer one is known to be whole. */
function keepDamaged(newestFirst: readonly Backup[], of: (backup: Backup) => Reasons): void {
  let isReplaced = false;
  for (const backup of newestFirst) {
    const isKnown = backup.verification?.ok === true || isProven(backup);
    if (isKnown && isKept(of(backup))) isReplaced = true;
    if (!isWhole(backup) && !isReplaced)
      of(backup).rules.push('damaged, and no newer one is known to be whole');
  }
}

const isKept = ({ always, rules }: Reasons): boolean => always.length + rules.length > 0;

/** The oldest further ones, for minFree; with the reason. */
function takenForRoom(
  newestFirst: readonly Backup[],
  of: (backup: Backup) => Reasons,
  { keep, freeBytes }: KeepQuestion,
): ReadonlyMap<Backup, string> {
  const taken = new Map<Backup, string>();
  if (freeBytes === undefined || keep.minFreeBytes === 0) return taken;
  let free = freeBytes;
  for (const backup of newestFirst) if (!isKept(of(backup))) free += backup.sizeBytes;
  for (const backup of [...newestFirst].reverse()) {
    if (free >= keep.minFreeBytes) return taken;
    if (!isKept(of(backup)) || of(backup).always.length > 0) continue;
    taken.set(backup, `so that ${renderSize(keep.minFreeBytes)} stay free (minFree)`);
    free += backup.sizeBytes;
  }
  return taken;
}

function verdictOf(backup: Backup, reasons: Reasons, takenFor: string | undefined): KeepVerdict {
  const { name, path, sizeBytes } = backup;
  const keeps = isKept(reasons) && takenFor === undefined;
  const none = isWhole(backup) ? 'no rule keeps it' : 'damaged: it counts for no rule';
  const why = [...reasons.always, ...reasons.rules].join(', ');
  return { name, path, keeps, reason: keeps ? why : (takenFor ?? none), sizeBytes };
}
