// Looks at every member of the intent: runtime, service, storage, memory. Reads only, never throws, and one
// member that hangs keeps no other waiting longer than its own deadlines.
import { resolve } from 'node:path';
import { messageOf } from '@leafward/shared/errors.js';
import type { Clock } from '@leafward/shared/clock.js';
import type { Backup, ContainerFact, MemberIntent } from '@leafward/shared/gen/domain.js';
import { canonicalJson, specDigestOf } from '@leafward/shared/spec-digest.js';
import type { Ended } from './chains.js';
import { engineMember } from './engines/engine-member.js';
import type { Engine } from './engines/engine.js';
import type { JournalState } from './journal.js';
import { createAdoptedReader, type AdoptedReader } from './observe/adopted.js';
import {
  afterLook,
  afterSteps,
  backoffOf,
  freshAttempts,
  type Attempts,
} from './observe/attempts.js';
import { createDeaths, type Deaths } from './observe/deaths.js';
import { createDeprecationReader, type DeprecationReader } from './observe/deprecations.js';
import { missingFiles } from './observe/files.js';
import { observeProvisioning } from './observe/provisioning.js';
import { glance } from './observe/glance.js';
import { lastLines, withoutSecrets } from './observe/output.js';
import { DOWN, observeEngine } from './observe/service.js';
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
  /** The run of it that is to be started again. */
  readonly restartOf?: (member: string) => string | undefined;
  /** True while a chain of steps works on the member. */
  readonly isBusy: (member: string) => boolean;
  /** Whether its dead-man has stopped it since then (wall clock). */
  readonly wasStoppedBeside: (member: string, sinceMs: number) => boolean;
  /** Allocated bytes by storage path, measured in the background. */
  readonly dataBytes: () => ReadonlyMap<string, number>;
  readonly largestDatabases?: (() => ReadonlyMap<string, number>) | undefined;
  readonly secrets: Pick<Secrets, 'missing' | 'redact'>;
  /** Backups that lie on this host. Undefined: it keeps none. */
  readonly backups?: (() => readonly Backup[]) | undefined;
}

export interface Observer {
  observe(waitingSince: Observed['waitingSince'], signal: AbortSignal): Promise<Observed>;
  /** Asks nothing but whether members still run; `onDeath` for each that has died and nobody knew. */
  glance(onDeath: () => void, signal: AbortSignal): Promise<void>;
  /** The same look, with the ends that have been seen since. */
  withEnds(observed: Observed): Observed;
  /** What came of a member's steps. */
  note(intent: MemberIntent, steps: Ended): void;
}

export function createObserver(options: ObserverOptions): Observer {
  const { clock } = options;
  const trespassers = createTrespasserFinder();
  const memory: Memory = {
    storages: createStorageReader(),
    stored: createStoredReader(clock),
    attempts: new Map(),
    deaths: createDeaths(clock, keyOf),
    deprecations: createDeprecationReader(clock),
    adopted: createAdoptedReader(),
  };
  return {
    async observe(waitingSince, signal) {
      const journal = options.journal();
      const runtimes = runtimesToAsk(options, journal);
      const surroundings = await observeSurroundings(runtimes, signal);
      const sight: Sight = { ...options, ...memory, surroundings };
      const [members, found] = await Promise.all([
        Promise.all(intentsOf(journal).map((one) => observeMember(one, sight, signal))),
        trespassers.find(surroundings.listed, journal),
      ]);
      const { fleet } = options;
      return { now: clock.now(), fleet, journal, members, trespassers: found, waitingSince };
    },
    glance: (onDeath, signal) => glanceAt({ ...options, ...memory }, onDeath, signal),
    withEnds: (observed) => ({
      ...observed,
      members: observed.members.map((member) => withEnd(member, memory.deaths)),
    }),
    note(intent, steps) {
      const { attempts, stored, deaths } = memory;
      if (steps.done.includes('start')) deaths.started(intent.member);
      const wantsRunning = intent.run === 'running';
      // What was wiped has failed at nothing yet.
      const isNew = steps.done.includes('begin-anew');
      const known = attemptsFor(intent, isNew ? undefined : attempts.get(intent.member));
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
  readonly deaths: Deaths;
  readonly deprecations: DeprecationReader;
  readonly adopted: AdoptedReader;
}

type Sight = ObserverOptions & Memory & { readonly surroundings: Surroundings };
type Glimpse = ObserverOptions & Memory;

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
  const stored = await sight.stored.read(
    { ...looked, atWork: sight.isBusy(member) },
    engine,
    signal,
  );
  const storageEmpty = await isEmpty(intent, container, storages);
  const backoff = backoffOf(attempts, clock.monotonic());
  const provisioning = await observeProvisioning(
    { intent, container, engine: fact, marker: storage.marker, backoff, isEmpty: storageEmpty },
    engine,
  );
  const observed: ObservedMember = {
    intent,
    specDigest,
    container,
    storage: {
      ...storage.fact,
      position: stored.position,
      ...(provisioning === undefined ? {} : { provisioning }),
    },
    provisioning,
    storagePath: storage.path,
    storageMounted: storage.mounted,
    storageEmpty,
    marker: storage.marker,
    engine: fact,
    abilities: engine.abilities(engineMember(intent)),
    seedBackup: seedBackupOf(intent, sight.backups?.()),
    storedRole: stored.storedRole,
    storedRoleError: stored.storedRoleError,
    missingSecrets: secrets.missing(spec),
    missingFiles: await missingFiles(spec, storages.once),
    imagePresent: await hasImage(runtime, intent, container, specDigest, signal),
    storageUsers: usersOf(storage.path, intent, surroundings.containers),
    storageUsersError: surroundings.errors.get(runtime),
    containerName: own?.name ?? member,
    permit: sight.permits.of(member, intent.term),
    backoff,
    lastLines: (await lastLines(runtime, member, container, signal))
      .map(secrets.redact)
      .map(withoutSecrets),
    deprecations: await sight.deprecations.look(
      { member, runtime, container, redact: secrets.redact },
      signal,
    ),
    promoting: sight.isPromoting(member),
    restartOf: sight.restartOf?.(member),
    adoption: await sight.adopted.read(intent, container, runtime, signal),
  };
  return withEnd(observed, sight.deaths);
}

function seedBackupOf(
  { service, reseed }: MemberIntent,
  backups: readonly Backup[] = [],
): Backup | undefined {
  return reseed?.backup === undefined
    ? undefined
    : backups.find((one) => one.service === service && one.name === reseed.backup);
}

/** It may have ended while the rest of the look went on. */
function withEnd(member: ObservedMember, deaths: Deaths): ObservedMember {
  const end = deaths.of(member.intent);
  if (end === undefined) return member;
  const { death, heldMs, container } = end;
  const ended = { ...member, ended: { death, heldMs } };
  return mayRun(member.container.state) ? { ...ended, container, engine: DOWN } : ended;
}

async function glanceAt(of: Glimpse, onDeath: () => void, signal: AbortSignal): Promise<void> {
  const isLeft = ({ member, run }: MemberIntent): boolean =>
    run === 'running' && !of.isBusy(member) && of.attempts.get(member)?.expectsRunning === true;
  return glance({
    members: intentsOf(of.journal()).filter(isLeft),
    inspect: (intent) => inspect(of.runtimeOf(intent), intent.member, signal),
    saw: (intent, container, askedAtMs) =>
      of.deaths.saw({
        ...{ intent, container, askedAtMs, isFirst: false },
        isExpected: () => isLeft(intent) && !isOwnStop(intent, container, of),
      }),
    monotonic: () => of.clock.monotonic(),
    onDeath,
  });
}

const isOwnStop = (
  { member }: MemberIntent,
  { startedAt }: ContainerFact,
  { wasStoppedBeside }: Glimpse,
): boolean => startedAt !== undefined && wasStoppedBeside(member, startedAt);

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
  const askedAtMs = sight.clock.monotonic();
  const [container, storage] = await Promise.all([
    inspect(sight.runtimeOf(intent), member, signal),
    sight.storages.read(spec.storage, {
      dataBytes: sight.dataBytes().get(spec.storage),
      largestDatabaseBytes: sight.largestDatabases?.().get(spec.storage),
    }),
  ]);
  // An end that this agent's own steps brought about meanwhile is no crash.
  const ours = wasBusy || sight.isBusy(member) || sight.attempts.get(member) !== before;
  const known = attemptsFor(intent, sight.attempts.get(member));
  const attempts = ours ? known : afterLook(known, container, sight.clock.monotonic());
  sight.attempts.set(member, attempts);
  // An agent that was started anew knows from its journal whom it left running, and from the container how that ended.
  const wasLeft =
    known.expectsRunning ||
    (before === undefined && container.state === 'exited' && isLeftRunning(sight, member));
  const isExpected = (): boolean => !ours && wasLeft && !isOwnStop(intent, container, sight);
  const isFirst = before === undefined;
  sight.deaths.saw({ intent, container, askedAtMs, isExpected, isFirst });
  return { container, storage, attempts };
}

const isLeftRunning = ({ journal }: Glimpse, member: string): boolean =>
  journal().leftRunning?.[member] === true;

const EMPTY_DEADLINE_MS = 2000;

/** Asked of a mirror or a new member that does not run; undefined for any other, and where it cannot be read. */
async function isEmpty(
  { role, spec, provision }: MemberIntent,
  { state }: ContainerFact,
  { once }: StorageReader,
): Promise<boolean | undefined> {
  if ((role !== 'mirror' && provision === undefined) || mayRun(state)) return undefined;
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
    if (runtime.hasImageFor !== undefined) return await runtime.hasImageFor(intent.spec, signal);
    return await runtime.hasImage(intent.spec.image, signal);
  } catch {
    return false;
  }
}
