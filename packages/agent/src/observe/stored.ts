// What the storage of a member says that only its engine can read: whom a start would follow, how far a log goes. Asked
// again only when something may have changed it, since an answer may cost a process or a container. Never throws.
import { messageOf } from '@leafward/shared/errors.js';
import type { Clock } from '@leafward/shared/clock.js';
import type { ContainerFact, EngineFact, MemberIntent } from '@leafward/shared/gen/domain.js';
import { canonicalJson, specDigestOf } from '@leafward/shared/spec-digest.js';
import { within } from '../checks/single-flight.js';
import { engineMember } from '../engines/engine-member.js';
import type { Engine, StoredRole } from '../engines/engine.js';
import type { JournalState } from '../journal/records.js';
import { mayRun } from '../plan/stopped.js';
import type { StorageReading } from './storage.js';

export interface StoredFacts {
  /** Undefined when it could not be read: then `storedRoleError` says why. */
  readonly storedRole?: StoredRole | undefined;
  readonly storedRoleError?: string | undefined;
  /** Of a stopped member. */
  readonly position?: number | undefined;
}

export interface Looked {
  readonly intent: MemberIntent;
  readonly container: ContainerFact;
  readonly fact: EngineFact;
  readonly storage: StorageReading;
  readonly journal: JournalState;
  /** Steps or a request are at work on it: what lies there may be half of something. */
  readonly atWork: boolean;
}

export interface StoredReader {
  read(looked: Looked, engine: Engine, signal: AbortSignal): Promise<StoredFacts>;
  /** Something was done to this member. */
  changed(member: string): void;
}

const WAIT_MS = 2000;
/** Somebody may have changed it by hand. */
const ROLE_AGE_MS = 60_000;
const FAILED_AGE_MS = 10_000;

interface Answer<T> {
  readonly key: string;
  readonly flight: Promise<T>;
  /** Monotonic milliseconds; undefined while it is asked. */
  endedAt?: number;
  failed: boolean;
}

export function createStoredReader(clock: Pick<Clock, 'monotonic'>): StoredReader {
  const roles = createAnswers<StoredRole>(clock, ROLE_AGE_MS);
  const positions = createAnswers<number | undefined>(clock, Infinity);
  const changes = new Map<string, number>();

  const readRole = async (looked: Looked, engine: Engine): Promise<StoredFacts> => {
    const { intent, storage, journal } = looked;
    if (storage.marker.kind === 'unreadable') return { storedRoleError: storage.marker.error };
    const what = `what a start from ${intent.spec.storage} would do`;
    const ask = (): Promise<StoredRole> => engine.readStoredRole(engineMember(intent));
    try {
      // A file is read at every look.
      if (intent.exec === undefined)
        return { storedRole: await within(ask(), { what, deadlineMs: WAIT_MS }) };
      // Nothing is asked of what shall never run again: the asking itself would run on it (I2).
      if (journal.retirements[storage.path]?.proven === true) return {};
      return { storedRole: await roles.get(keyOf(looked, changes), { ask, what, ...looked }) };
    } catch (error) {
      return { storedRoleError: messageOf(error) };
    }
  };

  const readPosition = async (
    looked: Looked,
    engine: Engine,
    signal: AbortSignal,
  ): Promise<number | undefined> => {
    const { intent, container, storage } = looked;
    const marker = storage.marker.kind === 'found' ? storage.marker.marker : undefined;
    const isWhole = marker !== undefined && (marker.retired ?? marker.seeding) === undefined;
    if (!isWhole || mayRun(container.state) || container.state === 'unknown') return undefined;
    if (!engine.abilities(engineMember(intent)).storesPosition) return undefined;
    const what = `how far the log in ${intent.spec.storage} goes`;
    const ask = (): Promise<number | undefined> =>
      engine.storedPosition(engineMember(intent), signal);
    const key = keyOf(looked, changes);
    return positions.get(key, { ask, what, ...looked }).catch(() => undefined);
  };
  return {
    async read(looked, engine, signal) {
      const role = await readRole(looked, engine);
      return { ...role, position: await readPosition(looked, engine, signal) };
    },
    changed(member) {
      changes.set(member, (changes.get(member) ?? 0) + 1);
    },
  };
}

/** Another text: what lies there may be another, too. */
function keyOf(
  { intent, container, fact, storage, journal }: Looked,
  changes: ReadonlyMap<string, number>,
): string {
  const { member, spec, exec } = intent;
  return canonicalJson({
    changes: changes.get(member) ?? 0,
    spec: specDigestOf(spec),
    exec,
    container: [container.state, container.startedAt, container.id],
    fact: [fact.active, fact.upstreamUrl],
    marker: storage.marker,
    promotedAt: journal.promotions[member],
    filling: journal.fillings?.[storage.path],
  });
}

interface Question<T> {
  readonly ask: () => Promise<T>;
  readonly what: string;
  readonly intent: MemberIntent;
  readonly atWork: boolean;
}

interface Answers<T> {
  /** @throws what the asking throws, LeafwardError `timeout` while it goes on. */
  get(key: string, question: Question<T>): Promise<T>;
}

/** One answer for each member, and never two askings of one at a time. */
function createAnswers<T>(clock: Pick<Clock, 'monotonic'>, ageMs: number): Answers<T> {
  const known = new Map<string, Answer<T>>();
  const isFresh = (answer: Answer<T>, key: string): boolean => {
    if (answer.key !== key) return false;
    if (answer.endedAt === undefined) return true;
    return clock.monotonic() - answer.endedAt < (answer.failed ? FAILED_AGE_MS : ageMs);
  };
  const begin = (key: string, ask: () => Promise<T>, after: Promise<unknown>): Answer<T> => {
    const flight = after.then(ask);
    const answer: Answer<T> = { key, flight, failed: false };
    const end = (failed: boolean): void => {
      answer.endedAt = clock.monotonic();
      answer.failed = failed;
    };
    flight.then(
      () => end(false),
      () => end(true),
    );
    return answer;
  };
  return {
    get(key, { ask, what, intent, atWork }) {
      const before = known.get(intent.member);
      const isKept = before !== undefined && (atWork || isFresh(before, key));
      const after = before?.flight.catch(() => undefined) ?? Promise.resolve();
      const answer = isKept ? before : begin(key, ask, after);
      known.set(intent.member, answer);
      return within(answer.flight, { what, deadlineMs: WAIT_MS });
    },
  };
}
