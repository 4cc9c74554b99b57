// Whether two members' logs are one history, by the entries that their agents told, and which entries are asked next. Pure.
// What was not told, was trimmed or could not be read is never a difference.
import type { HistoryEntry, MemberFact } from '@leafward/shared/gen/domain.js';
import { digestOf } from './digest.js';

/** From here on the mirror's log is another one than its leader's. */
export interface Split {
  /** The first offset at which their entries are known to differ. */
  readonly offset: number;
  /** The last one before it at which they are known to be equal; undefined: neither log goes back so far. */
  readonly equalAt?: number | undefined;
  /** The two are neighbours, or it is the first entry of all: no earlier one differs. */
  readonly isExact: boolean;
  readonly own: HistoryEntry;
  readonly leaders: HistoryEntry;
}

export interface Watched {
  readonly member: string;
  readonly fact: MemberFact | undefined;
  /** Its agent is connected and the fact is young. */
  readonly isFresh: boolean;
  /** Its host's clock less the controller's. */
  readonly clockOffsetMs: number;
}

export interface Watch {
  readonly service: string;
  /** 0: nothing new is compared. */
  readonly everyMs: number;
  readonly now: number;
  /** An operation is going on: what it changes is not to be asked. */
  readonly isBusy: boolean;
  readonly leader: Watched;
  readonly mirrors: readonly Watched[];
}

/** What clocks may be off, and what an agent that was started anew takes to tell what it is asked for. */
const SLACK_MS = 60_000;
/** Entries are told as long as two comparisons take, so that a mirror that was away for one can be asked, too. */
const KEPT = { rounds: 2.2, leastMs: 60_000 };
/** What a mirror tells of itself is asked of its leader while it is that young: less than entries are told. */
const YOUNG = { rounds: 1, leastMs: 30_000 };
/** Of a split's interval: six to ten looks find it in a log of some million entries. */
const POINTS = 7;
const MOST_OFFSETS = 48;
/** What was written lately is looked at more often: there is what was not looked at before. */
const LATELY_OFFSETS = 1000;

export const entriesOf = (fact: MemberFact | undefined): readonly HistoryEntry[] =>
  fact?.history?.entries ?? [];

/** Undefined: as far as is known they have one history. */
export function splitOf(
  leader: MemberFact | undefined,
  mirror: MemberFact | undefined,
): Split | undefined {
  const pairs = pairsOf(leader, mirror);
  const first = pairs.find(
    ({ own, leaders }) =>
      own.sha256 !== undefined && leaders.sha256 !== undefined && own.sha256 !== leaders.sha256,
  );
  if (first === undefined) return undefined;
  const { own, leaders } = first;
  const { offset } = own;
  const below = pairs.filter((pair) => pair.own.offset < offset);
  const equalAt = below.filter(isEqual).at(-1)?.own.offset;
  return { offset, equalAt, isExact: offset === 0 || equalAt === offset - 1, own, leaders };
}

interface Pair {
  readonly own: HistoryEntry;
  readonly leaders: HistoryEntry;
}

const isEqual = ({ own, leaders }: Pair): boolean =>
  own.sha256 !== undefined && own.sha256 === leaders.sha256;

/** By offset. */
function pairsOf(leader: MemberFact | undefined, mirror: MemberFact | undefined): readonly Pair[] {
  const byOffset = new Map(entriesOf(leader).map((entry) => [entry.offset, entry]));
  return entriesOf(mirror)
    .flatMap((own): readonly Pair[] => {
      const leaders = byOffset.get(own.offset);
      return leaders === undefined ? [] : [{ own, leaders }];
    })
    .sort((a, b) => a.own.offset - b.own.offset);
}

/** When leader and mirror were compared last, by the mirror's clock; undefined: not yet, or not lately. */
export function comparedAt(
  leader: MemberFact | undefined,
  mirror: MemberFact | undefined,
): number | undefined {
  const times = pairsOf(leader, mirror)
    .filter(({ own, leaders }) => own.sha256 !== undefined && leaders.sha256 !== undefined)
    .map(({ own }) => own.readAt);
  return times.length === 0 ? undefined : Math.max(...times);
}

/**
 * Which entries each member is asked for from now on. The leader is asked first; what it has told its mirrors are asked
 * for, so that all tell the same ones whatever is written meanwhile. Made from what was told alone: a controller that
 * was restarted, or has lost its store, goes on where it was.
 */
export function wishesOf(watch: Watch): Readonly<Record<string, readonly number[]>> {
  const { leader, mirrors } = watch;
  const points = mirrors.flatMap((mirror) => pointsFor(leader.fact, mirror.fact));
  const leaders = bounded([
    ...points,
    ...nextOf(watch),
    ...recentOf(watch, leader),
    ...mirrors.flatMap((mirror) => untold(watch, mirror)),
  ]);
  const told = new Set(entriesOf(leader.fact).map(({ offset }) => offset));
  const common = new Set(points);
  const wishes: Record<string, readonly number[]> = { [leader.member]: leaders };
  for (const mirror of mirrors) {
    const own = new Set(entriesOf(mirror.fact).map(({ offset }) => offset));
    wishes[mirror.member] = leaders.filter(
      (offset) => own.has(offset) || common.has(offset) || told.has(offset),
    );
  }
  return wishes;
}

const bounded = (offsets: readonly number[]): readonly number[] =>
  [...new Set(offsets)].filter((offset) => offset >= 0).slice(0, MOST_OFFSETS);

/** The split with what is known right below it, and what lies between. */
function pointsFor(
  leader: MemberFact | undefined,
  mirror: MemberFact | undefined,
): readonly number[] {
  const split = splitOf(leader, mirror);
  if (split === undefined) return [];
  const below = pairsOf(leader, mirror).filter(({ own }) => own.offset < split.offset);
  const from = below.at(-1)?.own.offset ?? -1;
  const known = [split.offset, from, ...(split.equalAt === undefined ? [] : [split.equalAt])];
  return [...known, ...between(from, split.offset)];
}

/** All that lies between, or some of it at equal distances. */
function between(from: number, to: number): readonly number[] {
  const count = Math.min(POINTS, to - from - 1);
  const step = (to - from) / (count + 1);
  return Array.from({ length: Math.max(0, count) }, (_, index) =>
    Math.floor(from + step * (index + 1)),
  );
}

const spanOf = ({ everyMs }: Watch, { rounds, leastMs }: typeof KEPT): number =>
  Math.max(rounds * everyMs, leastMs);

const ageOf = ({ now }: Watch, member: Watched, { readAt }: HistoryEntry): number =>
  now + member.clockOffsetMs - readAt;

function recentOf(watch: Watch, member: Watched): readonly number[] {
  return entriesOf(member.fact)
    .filter((entry) => ageOf(watch, member, entry) <= spanOf(watch, KEPT))
    .map(({ offset }) => offset);
}

/**
 * All that the leader tells is of this moment: its agent was started anew, and what was known of a split must be asked
 * again. Not while entries leave by age, one agent after the other.
 */
function hasForgotten(watch: Watch): boolean {
  const { leader, everyMs } = watch;
  const ages = entriesOf(leader.fact).map((entry) => ageOf(watch, leader, entry));
  return Math.max(...ages) <= Math.min(SLACK_MS, everyMs / 2);
}

/** What a mirror tells and its leader does not: the end of its log before it mirrored again, or what is forgotten. */
function untold(watch: Watch, mirror: Watched): readonly number[] {
  const told = new Set(entriesOf(watch.leader.fact).map(({ offset }) => offset));
  const isAny = hasForgotten(watch);
  return entriesOf(mirror.fact)
    .filter((entry) => isAny || ageOf(watch, mirror, entry) <= spanOf(watch, YOUNG))
    .map(({ offset }) => offset)
    .filter((offset) => !told.has(offset));
}

/** The newest entry that all have, and two older ones, other ones each time. */
function nextOf(watch: Watch): readonly number[] {
  const { leader, mirrors, service, everyMs, now } = watch;
  if (watch.isBusy || everyMs <= 0 || !isDue(watch)) return [];
  const leads = leader.fact?.engine;
  if (!isThere(leader) || leads?.active !== true) return [];
  const positions = mirrors
    .filter((mirror) => isThere(mirror) && mirror.fact?.engine.version === leads.version)
    .map((mirror) => mirror.fact?.engine.position ?? 0)
    .filter((position) => position > 0);
  if (positions.length === 0) return [];
  const newest = Math.min(leads.position ?? 0, ...positions) - 1;
  if (newest < 1) return [newest];
  // Both of them lie before the end: where a mirror that follows again has equal newer entries.
  const drawn = (most: number, of: string): number =>
    newest - 1 - shareOf(`${service} ${of} ${Math.floor(now / everyMs)}`, Math.min(most, newest));
  return [newest, drawn(newest, 'all'), drawn(LATELY_OFFSETS, 'lately')];
}

const isThere = ({ isFresh, fact }: Watched): boolean =>
  isFresh &&
  fact?.container.state === 'running' &&
  fact.engine.answered &&
  fact.engine.migrating === undefined;

/** Services drift apart by up to a tenth, so that they are not all compared in one moment. */
function isDue(watch: Watch): boolean {
  const { leader, everyMs, service } = watch;
  const ages = entriesOf(leader.fact).map((entry) => ageOf(watch, leader, entry));
  const youngest = Math.min(...ages);
  // An entry of the future is of before the host's clock was set back.
  return youngest < -SLACK_MS || youngest >= everyMs + shareOf(service, everyMs / 10);
}

/** A whole number in [0, most), always the same one for one text. */
const shareOf = (text: string, most: number): number =>
  Math.floor((Number.parseInt(digestOf(text).slice(0, 8), 16) / 2 ** 32) * most);
