// Looks at every member of the intent: runtime, service, storage, memory. Reads only, never throws, and one
// member that hangs keeps no other waiting longer than its own deadlines.
import { resolve } from 'node:path';
import { messageOf } from '@leafward/shared/errors.js';
import type { Clock } from '@leafward/shared/clock.js';
import type { ContainerFact, EngineFact, MemberIntent } from '@leafward/shared/gen/domain.js';
import { canonicalJson, specDigestOf } from '@leafward/shared/spec-digest.js';
import type { Ended } from './chains.js';
import { engineMember } from './engines/engine-member.js';
import type { Engine, EngineMember } from './engines/engine.js';
import type { JournalState } from './journal.js';
import {
  afterLook,
  afterSteps,
  backoffOf,
  freshAttempts,
  type Attempts,
} from './observe/attempts.js';
import { missingFiles } from './observe/files.js';
import { createStorageReader, type StorageReader, type StorageReading } from './observe/storage.js';
import { createStoredReader, type StoredReader } from './observe/stored.js';
import { createTrespasserFinder, type Listed } from './observe/trespassers.js';
import type { Permits } from './permits.js';
import type { Observed, ObservedMember } from './plan/observed.js';
import { mayRun } from './plan/stopped.js';
import type { ForeignContainer, Runtime } from './runtimes/runtime.js';
import type { Secrets } from './secrets.js';
import { isEmptyStorage } from './storage-content.js';

export interface ObserverOptions {
  readonly journal: () => JournalState;
  readonly permits: Permits;
  readonly clock: Clock;
  readonly fleet?: string | undefined;
  readonly runtimeOf: (intent: MemberIntent) => Runtime;
  /** By name, for what no order names any more. */
  readonly runtime: (name: Runtime['name']) => Runtime;
  readonly engineOf: (intent: MemberIntent) => Engine;
  readonly isPromoting: (member: string) => boolean;
  /** True while a chain of steps works on the member. */
  readonly isBusy: (member: string) => boolean;
  /** Allocated bytes by storage path, measured in the background. */
  readonly dataBytes: () => ReadonlyMap<string, number>;
  readonly secrets: Pick<Secrets, 'missing' | 'redact'>;
}

export interface Observer {
  observe(waitingSince: Observed['waitingSince'], signal: AbortSignal): Promise<Observed>;
  /** What came of a member's steps. */
  note(intent: MemberIntent, steps: Ended): void;
}

const LAST_LINES = 5;
const MIGRATION_LINES = 200;

export function createObserver(options: ObserverOptions): Observer {
  const { clock } = options;
  const trespassers = createTrespasserFinder();
  const memory: Memory = {
    storages: createStorageReader(),
    stored: createStoredReader(clock),
    attempts: new Map(),
  };
  return {
    async observe(waitingSince, signal) {
      const journal = options.journal();
      const runtimes = runtimesToAsk(options, journal);
      const surroundings = await observeSurroundings(runtimes, signal);
      const [members, found] = await Promise.all([
        Promise.all(
          intentsOf(journal).map((one) =>
            observeMember(one, { ...options, ...memory, surroundings }, signal),
          ),
        ),
        trespassers.find(surroundings.listed, journal),
      ]);
      const { fleet } = options;
      return { now: clock.now(), fleet, journal, members, trespassers: found, waitingSince };
    },
    note(intent, steps) {
      const { attempts, stored } = memory;
      const wantsRunning = intent.run === 'running';
      const known = attemptsFor(intent, attempts.get(intent.member));
      const next = afterSteps(known, { ...steps, wantsRunning }, clock.monotonic());
      attempts.set(intent.member, next);
      stored.changed(intent.member);
    },
  };
}

/** What is kept from one look to the next. */
interface Memory {
  readonly storages: StorageReader;
  readonly stored: StoredReader;
  readonly attempts: Map<string, Attempts>;
}

type Sight = ObserverOptions & Memory & { readonly surroundings: Surroundings };

async function observeMember(
  intent: MemberIntent,
  sight: Sight,
  signal: AbortSignal,
): Promise<ObservedMember> {
  const { clock, storages, surroundings, secrets } = sight;
  const { member, spec } = intent;
  const runtime = sight.runtimeOf(intent);
  const engine = sight.engineOf(intent);
  const specDigest = specDigestOf(spec);
  const { container, storage, attempts } = await look(intent, sight, signal);
  if (intent.role === 'leader' && intent.mirrored) sight.permits.expect(member, intent.term);
  const own = surroundings.containers.find((one) => one.member === member && !one.command);
  const fact = await observeEngine(sight, intent, container, signal);
  const looked = { intent, container, fact, storage, journal: sight.journal() };
  const { position, ...role } = await sight.stored.read(
    { ...looked, atWork: sight.isBusy(member) },
    engine,
    signal,
  );
  return {
    intent,
    specDigest,
    container,
    storage: { ...storage.fact, position },
    storagePath: storage.path,
    storageMounted: storage.mounted,
    storageEmpty: await isEmpty(intent, container, storages),
    marker: storage.marker,
    engine: fact,
    abilities: engine.abilities(engineMember(intent)),
    ...role,
    missingSecrets: secrets.missing(spec),
    missingFiles: await missingFiles(spec, storages.once),
    imagePresent: await hasImage(runtime, intent, container, specDigest, signal),
    storageUsers: usersOf(storage.path, intent, surroundings.containers),
    storageUsersError: surroundings.errors.get(runtime),
    containerName: own?.name ?? member,
    permit: sight.permits.of(member, intent.term),
    backoff: backoffOf(attempts, clock.monotonic()),
    lastLines: (await lastLines(runtime, member, container, signal))
      .map(secrets.redact)
      .map(withoutSecrets),
    promoting: sight.isPromoting(member),
  };
}

/** Container and storage, and what its end means if it has ended. */
async function look(
  intent: MemberIntent,
  sight: Sight,
  signal: AbortSignal,
): Promise<{
  readonly container: ContainerFact;
  readonly storage: StorageReading;
  readonly attempts: Attempts;
}> {
  const { member, spec } = intent;
  const wasBusy = sight.isBusy(member);
  const before = sight.attempts.get(member);
  const [container, storage] = await Promise.all([
    inspect(sight.runtimeOf(intent), member, signal),
    sight.storages.read(spec.storage, sight.dataBytes().get(spec.storage)),
  ]);
  // An end that this agent's own steps brought about meanwhile is no crash.
  const ours = wasBusy || sight.isBusy(member) || sight.attempts.get(member) !== before;
  const known = attemptsFor(intent, sight.attempts.get(member));
  const attempts = ours ? known : afterLook(known, container, sight.clock.monotonic());
  sight.attempts.set(member, attempts);
  return { container, storage, attempts };
}

const EMPTY_DEADLINE_MS = 2000;

/** Asked of a mirror that does not run; undefined for any other, and where it cannot be read. */
async function isEmpty(
  { role, spec }: MemberIntent,
  { state }: ContainerFact,
  { once }: StorageReader,
): Promise<boolean | undefined> {
  if (role !== 'mirror' || mayRun(state)) return undefined;
  const look = (): Promise<boolean> => isEmptyStorage(spec);
  const limit = { deadlineMs: EMPTY_DEADLINE_MS };
  return once(`list ${spec.storage}`, look, limit).catch(() => undefined);
}

/** An order that stays is the same object at every look. */
const keys = new WeakMap<MemberIntent, string>();
function keyOf(intent: MemberIntent): string {
  const known = keys.get(intent) ?? canonicalJson(intent);
  keys.set(intent, known);
  return known;
}

/** A changed order begins anew, but what runs is still expected to run. */
function attemptsFor(intent: MemberIntent, known: Attempts | undefined): Attempts {
  const key = keyOf(intent);
  if (known?.key === key) return known;
  const fresh = freshAttempts(key);
  if (known === undefined) return fresh;
  const { expectsRunning, runningSince } = known;
  return { ...fresh, expectsRunning, runningSince };
}

async function inspect(
  runtime: Runtime,
  member: string,
  signal: AbortSignal,
): Promise<ContainerFact> {
  try {
    return await runtime.inspect(member, signal);
  } catch (error) {
    return { state: 'unknown', error: messageOf(error) };
  }
}

const intentsOf = ({ intent }: JournalState): readonly MemberIntent[] => intent?.members ?? [];

/** Those of the order's members, and those that may run something on a retired storage. */
function runtimesToAsk(options: ObserverOptions, journal: JournalState): readonly Runtime[] {
  const intents = intentsOf(journal);
  const retired = Object.values(journal.retirements).map(({ runtime }) => runtime ?? 'process');
  // A plain process needs nothing of a retired member's runtime; an agent without a memory looks for it, too.
  const also = retired.length > 0 || intents.length === 0 ? (['process'] as const) : [];
  const others = [...new Set([...retired, ...also])].map(options.runtime);
  return [...new Set([...intents.map(options.runtimeOf), ...others])];
}

interface Surroundings {
  readonly containers: readonly ForeignContainer[];
  readonly listed: readonly Listed[];
  /** Runtimes that did not say what they have. */
  readonly errors: ReadonlyMap<Runtime, string>;
}

async function observeSurroundings(
  runtimes: readonly Runtime[],
  signal: AbortSignal,
): Promise<Surroundings> {
  const errors = new Map<Runtime, string>();
  const lists = await Promise.all(
    runtimes.map(async (runtime) => {
      try {
        return await runtime.list(signal);
      } catch (error) {
        errors.set(runtime, messageOf(error));
        return [];
      }
    }),
  );
  const listed = lists.flatMap((list, index) => {
    const runtime = runtimes[index]?.name ?? 'process';
    return list.map((container) => ({ runtime, container }));
  });
  return { containers: lists.flat(), listed, errors };
}

/** I9: whoever else has this very directory for writing. */
function usersOf(
  path: string,
  intent: MemberIntent,
  containers: readonly ForeignContainer[],
): ObservedMember['storageUsers'] {
  const isHere = (written: string): boolean =>
    resolve(written) === path || resolve(written) === resolve(intent.spec.storage);
  return containers
    .filter((one) => one.member !== intent.member && one.writes.some(isHere))
    .map(({ name, running }) => ({ name, running }));
}

async function observeEngine(
  options: ObserverOptions,
  intent: MemberIntent,
  container: ContainerFact,
  signal: AbortSignal,
): Promise<EngineFact> {
  if (container.state !== 'running') return { answered: false, error: 'it does not run' };
  // One that is to be fenced may hang: its end must not wait for its answer (I2).
  if (intent.run === 'retired') return { answered: false, error: 'it is retired' };
  const engine = options.engineOf(intent);
  const { redact } = options.secrets;
  const seen = await engine.observe(engineMember(intent), signal);
  const said = seen.error === undefined ? seen : { ...seen, error: redact(seen.error) };
  // A service that does not name its runs is a new one when its program was started anew.
  const { startedAt } = container;
  const runId = said.runId ?? (startedAt === undefined ? undefined : `started at ${startedAt}`);
  const fact = said.answered ? { ...said, runId } : said;
  if (fact.answered) return fact;
  const migrating = await migrationOf(options.runtimeOf(intent), engine, {
    of: engineMember(intent),
    sinceMs: container.startedAt ?? 0,
    signal,
  });
  return migrating === undefined ? fact : { ...fact, migrating: redact(migrating) };
}

/** A service that migrates does not answer; its log does. The last word counts. */
async function migrationOf(
  runtime: Runtime,
  engine: Engine,
  options: {
    readonly of: EngineMember;
    readonly sinceMs: number;
    readonly signal: AbortSignal;
  },
): Promise<string | undefined> {
  let migrating: string | undefined;
  const { member } = options.of;
  for (const line of await tail(runtime, { ...options, member, maxLines: MIGRATION_LINES })) {
    const said = engine.migrationIn(line, options.of);
    if (said !== undefined) migrating = said === 'running' ? line : undefined;
  }
  return migrating;
}

async function lastLines(
  runtime: Runtime,
  member: string,
  container: ContainerFact,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (container.state !== 'exited') return [];
  return tail(runtime, { member, sinceMs: 0, maxLines: LAST_LINES, signal });
}

/** A service may print its provisioning URL or a password in one (I14). */
export function withoutSecrets(line: string): string {
  return line
    .slice(0, 400)
    .replace(/\b([a-z][a-z0-9+.-]*:\/\/)\S+/gi, '$1[hidden]')
    .replace(/\b(passw(?:or)?d|token|secret|key)(\s*[=:]\s*)\S+/gi, '$1$2[hidden]');
}

async function tail(
  runtime: Runtime,
  options: {
    readonly member: string;
    readonly sinceMs: number;
    readonly maxLines: number;
    readonly signal: AbortSignal;
  },
): Promise<readonly string[]> {
  try {
    return await runtime.tail(options.member, options, options.signal);
  } catch {
    return [];
  }
}

/** Asked only when a container has to be made. */
async function hasImage(
  runtime: Runtime,
  intent: MemberIntent,
  container: ContainerFact,
  digest: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (container.state === 'unknown') return false;
  if (container.state !== 'absent' && container.specDigest === digest) return true;
  try {
    return await runtime.hasImage(intent.spec.image, signal);
  } catch {
    return false;
  }
}
