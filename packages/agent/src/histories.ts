// What members' logs have at the offsets that a controller asks for, so that it can compare leader and mirrors. In memory
// only, read again after every start of a member. Reads one entry at a time; must never load a member that is busy.
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type {
  EngineFact,
  HistoryEntry,
  HistoryFact,
  HistoryWishes,
  MemberIntent,
} from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { startLoop, type Loop } from '@leafward/shared/loop.js';
import { engineMember } from './engines/engine-member.js';
import type { Engine } from './engines/engine.js';
import type { Observer } from './observe.js';
import type { ObservedMember } from './plan/observed.js';

export interface HistoriesOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly engineOf: (intent: MemberIntent) => Engine;
  /** True while steps or a restore are at work on the member. */
  readonly isBusy: (member: string) => boolean;
  /** Something new is to be told. */
  readonly onChange: () => void;
}

export interface Histories {
  /** What is to be told from now on, with every answer of a controller. */
  heard(wishes: HistoryWishes | undefined): void;
  /** The same observer, whose looks begin what is to be read and show what was. */
  watching(observer: Observer): Observer;
  stop(): Promise<void>;
}

/** An index lookup in a log; a command of a kind that is described takes its container's time. */
const READ_MS = 15_000;
/** A member that could not be asked is left alone for this long: nobody waits for its answer. */
const AGAIN_MS = 60_000;
/** What nobody asks for any more is told for this long: the answer to an older report may still be on its way. */
const KEPT_MS = 30_000;
const LOOK_EVERY_MS = 30_000;
const PASS_MS = 5 * 60_000;
/** A controller asks for a dozen. */
const MOST_OFFSETS = 64;
/** The end of a log before a restart, or before its member ceased to lead, is told for so long, asked for or not. */
const END_TOLD_MS = 10 * 60_000;
const MOST_ENDS = 4;

interface Read extends HistoryEntry {
  /** Of the run of the member that it was read from. */
  readonly runId: string | undefined;
  readonly readAtMs: number;
}

interface Known {
  readonly reads: Map<number, Read>;
  /** Asked for. */
  offsets: readonly number[];
  /** What it wrote last before it mirrors again: there its log parts, if it does, whatever it copies afterwards. */
  ends: readonly { readonly offset: number; readonly untilMs: number }[];
  /** As it was seen last while it answered. */
  last: Pick<EngineFact, 'runId' | 'active' | 'position'> | undefined;
  /** Monotonic. */
  heldUntilMs: number;
  reseeded: string | undefined;
}

export function createHistories(options: HistoriesOptions): Histories {
  const { clock, log } = options;
  const known = new Map<string, Known>();
  let seen: readonly ObservedMember[] = [];
  let loop: Loop | undefined;
  let isStopped = false;
  const wake = (): void => {
    if (isStopped || !seen.some((member) => nextOf(member, known, clock) !== undefined)) return;
    // Begun with the first wish: an agent that is asked nothing is left at rest.
    loop ??= startLoop({
      name: 'histories',
      clock,
      log,
      everyMs: LOOK_EVERY_MS,
      deadlineMs: PASS_MS,
      pass: (signal) => pass(signal),
    });
    loop.wake();
  };
  const pass = async (signal: AbortSignal): Promise<undefined> => {
    for (const member of seen) await readAll(member, options, known, signal);
    return undefined;
  };
  return {
    heard(wishes) {
      for (const one of known.values()) one.offsets = [];
      for (const { member, offsets } of wishes?.wishes ?? [])
        knownOf(known, member).offsets = offsets.slice(0, MOST_OFFSETS);
      wake();
    },
    watching: (observer) => ({
      ...observer,
      async observe(waitingSince, signal) {
        const observed = await observer.observe(waitingSince, signal);
        seen = observed.members;
        forget(known, seen);
        for (const member of seen) noteEnd(member, known, clock.monotonic());
        wake();
        return observed;
      },
      withEnds(observed) {
        const now = observer.withEnds(observed);
        const members = now.members.map((member) => {
          const history = factOf(member, known, clock);
          return history === undefined ? member : { ...member, history };
        });
        return { ...now, members };
      },
    }),
    async stop() {
      isStopped = true;
      await loop?.stop();
    },
  };
}

function knownOf(known: Map<string, Known>, member: string): Known {
  const one = known.get(member) ?? {
    reads: new Map<number, Read>(),
    offsets: [],
    ends: [],
    last: undefined,
    heldUntilMs: -Infinity,
    reseeded: undefined,
  };
  known.set(member, one);
  return one;
}

/** A storage that was filled anew has another log: nothing that was read of the old one is true of it. */
function forget(known: Map<string, Known>, members: readonly ObservedMember[]): void {
  const names = new Set(members.map(({ intent }) => intent.member));
  for (const name of known.keys()) if (!names.has(name)) known.delete(name);
  for (const { intent, storage, engine, container } of members) {
    const one = known.get(intent.member);
    if (one === undefined) continue;
    // A log that ends before what was read of it went back to a backup: there it will have other entries.
    if (container.state === 'running' && engine.answered && engine.position !== undefined)
      for (const offset of [...one.reads.keys()])
        if (offset >= engine.position) one.reads.delete(offset);
    if (one.reseeded === storage.reseeded) continue;
    one.reads.clear();
    one.ends = [];
    one.reseeded = storage.reseeded;
  }
}

/** Where positions are those of entries: what a kind that is described says of old ones may change. */
function noteEnd(
  { intent, engine, container }: ObservedMember,
  known: Map<string, Known>,
  nowMs: number,
): void {
  const isCompared = intent.exec === undefined && (intent.mirrored || intent.role === 'mirror');
  if (!isCompared || container.state !== 'running' || !engine.answered) return;
  const one = knownOf(known, intent.member);
  const { last } = one;
  const { runId, active, position } = engine;
  one.last = { runId, active, position };
  one.ends = one.ends.filter(({ untilMs }) => untilMs > nowMs);
  const hasCeased = last?.active === true && active !== true;
  if (last?.position === undefined || last.position < 1) return;
  if (last.runId === runId && !hasCeased) return;
  const end = { offset: last.position - 1, untilMs: nowMs + END_TOLD_MS };
  one.ends = [end, ...one.ends.filter(({ offset }) => offset !== end.offset)].slice(0, MOST_ENDS);
}

const offsetsOf = ({ offsets, ends }: Known): readonly number[] => [
  ...offsets,
  ...ends.map(({ offset }) => offset),
];

const isWanted = (one: Known, read: Read, clock: Clock): boolean =>
  offsetsOf(one).includes(read.offset) || clock.monotonic() - read.readAtMs <= KEPT_MS;

function factOf(
  { intent }: ObservedMember,
  known: ReadonlyMap<string, Known>,
  clock: Clock,
): HistoryFact | undefined {
  const one = known.get(intent.member);
  if (one === undefined) return undefined;
  for (const read of [...one.reads.values()])
    if (!isWanted(one, read, clock)) one.reads.delete(read.offset);
  const entries = [...one.reads.values()]
    .sort((a, b) => a.offset - b.offset)
    .map(({ offset, sha256, readAt }) => ({ offset, sha256, readAt }));
  return entries.length === 0 ? undefined : { entries };
}

/** The next one to read: not known, or known from before the member's last start. */
function nextOf(
  { intent, engine, container }: ObservedMember,
  known: ReadonlyMap<string, Known>,
  clock: Clock,
): number | undefined {
  const one = known.get(intent.member);
  if (one === undefined || container.state !== 'running' || !engine.answered) return undefined;
  if (clock.monotonic() < one.heldUntilMs) return undefined;
  const { position = 0, runId } = engine;
  return offsetsOf(one).find((offset) => {
    const read = one.reads.get(offset);
    return offset < position && (read === undefined || read.runId !== runId);
  });
}

async function readAll(
  member: ObservedMember,
  options: HistoriesOptions,
  known: ReadonlyMap<string, Known>,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, engineOf, isBusy, onChange } = options;
  const { intent, engine } = member;
  const one = known.get(intent.member);
  if (one === undefined) return;
  let hasRead = false;
  for (
    let offset = nextOf(member, known, clock);
    offset !== undefined && !signal.aborted && !isBusy(intent.member);
    offset = nextOf(member, known, clock)
  ) {
    try {
      const sha256 = await read(engineOf(intent), intent, offset, signal);
      const readAtMs = clock.monotonic();
      one.reads.set(offset, { offset, sha256, readAt: clock.now(), readAtMs, runId: engine.runId });
      hasRead = true;
    } catch (error) {
      one.heldUntilMs = clock.monotonic() + AGAIN_MS;
      log.debug(
        { member: intent.member, offset },
        `entry of the log not read: ${messageOf(error)}`,
      );
    }
  }
  if (hasRead) onChange();
}

/** Undefined: the log does not have it. @throws LeafwardError when it could not be asked. */
async function read(
  engine: Engine,
  intent: MemberIntent,
  offset: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(READ_MS)]);
  try {
    return (await engine.probeHistory(engineMember(intent), offset, within)).sha256;
  } catch (error) {
    if (error instanceof LeafwardError && error.code === 'not-found') return undefined;
    throw error;
  }
}
