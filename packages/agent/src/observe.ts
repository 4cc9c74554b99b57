// Looks at every member of the intent: runtime, service, storage, memory. Reads only, never throws, and one
// member that hangs keeps no other waiting longer than its own deadlines.
import { resolve } from 'node:path';
import { messageOf } from '@leafward/shared/errors.js';
import type { Clock } from '@leafward/shared/clock.js';
import type { ContainerFact, EngineFact, MemberIntent } from '@leafward/shared/gen/domain.js';
import { canonicalJson, specDigestOf } from '@leafward/shared/spec-digest.js';
import type { Ended } from './chains.js';
import { within } from './checks/single-flight.js';
import { engineMember } from './execute.js';
import type { Engine, EngineMember, StoredRole } from './engines/engine.js';
import type { JournalState } from './journal.js';
import {
  afterLook,
  afterSteps,
  backoffOf,
  freshAttempts,
  type Attempts,
} from './observe/attempts.js';
import { createStorageReader, type StorageReading } from './observe/storage.js';
import { createTrespasserFinder, type Listed } from './observe/trespassers.js';
import type { Permits } from './permits.js';
import type { Observed, ObservedMember } from './plan/observed.js';
import type { ForeignContainer, Runtime } from './runtimes/runtime.js';
import type { Secrets } from './secrets.js';

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

const ROLE_DEADLINE_MS = 2000;
const LAST_LINES = 5;
const MIGRATION_LINES = 200;

export function createObserver(options: ObserverOptions): Observer {
  const { clock } = options;
  const storages = createStorageReader();
  const trespassers = createTrespasserFinder();
  const attempts = new Map<string, Attempts>();
  const attemptsOf = (intent: MemberIntent): Attempts =>
    attemptsFor(intent, attempts.get(intent.member));

  const observeMember = async (
    intent: MemberIntent,
    surroundings: Surroundings,
    signal: AbortSignal,
  ): Promise<ObservedMember> => {
    const runtime = options.runtimeOf(intent);
    const digest = specDigestOf(intent.spec);
    const dataBytes = options.dataBytes().get(intent.spec.storage);
    const atWork = options.isBusy(intent.member);
    const before = attempts.get(intent.member);
    const [container, storage] = await Promise.all([
      inspect(runtime, intent.member, signal),
      storages.read(intent.spec.storage, dataBytes),
    ]);
    // An end that this agent's own steps brought about meanwhile is no crash.
    const ours = atWork || options.isBusy(intent.member) || attempts.get(intent.member) !== before;
    const known = attemptsOf(intent);
    const looked = ours ? known : afterLook(known, container, clock.monotonic());
    attempts.set(intent.member, looked);
    if (intent.role === 'leader' && intent.mirrored)
      options.permits.expect(intent.member, intent.term);
    const containers = surroundings.containers;
    const own = containers.find((one) => one.member === intent.member);
    return {
      intent,
      specDigest: digest,
      container,
      storage: storage.fact,
      storagePath: storage.path,
      marker: storage.marker,
      engine: await observeEngine(options, intent, container, signal),
      ...(await readStoredRole(options.engineOf(intent), intent, storage)),
      missingSecrets: options.secrets.missing(intent.spec),
      imagePresent: await hasImage(runtime, intent, container, digest, signal),
      storageUsers: usersOf(storage.path, intent, containers),
      storageUsersError: surroundings.errors.get(runtime),
      containerName: own?.name ?? intent.member,
      permit: options.permits.of(intent.member, intent.term),
      backoff: backoffOf(looked, clock.monotonic()),
      lastLines: (await lastLines(runtime, intent.member, container, signal))
        .map(options.secrets.redact)
        .map(withoutSecrets),
      promoting: options.isPromoting(intent.member),
    };
  };
  return {
    async observe(waitingSince, signal) {
      const journal = options.journal();
      const runtimes = runtimesToAsk(options, journal);
      const surroundings = await observeSurroundings(runtimes, signal);
      const [members, found] = await Promise.all([
        Promise.all(intentsOf(journal).map((one) => observeMember(one, surroundings, signal))),
        trespassers.find(surroundings.listed, journal),
      ]);
      const { fleet } = options;
      return { now: clock.now(), fleet, journal, members, trespassers: found, waitingSince };
    },
    note(intent, steps) {
      const wantsRunning = intent.run === 'running';
      const next = afterSteps(attemptsOf(intent), { ...steps, wantsRunning }, clock.monotonic());
      attempts.set(intent.member, next);
    },
  };
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

async function readStoredRole(
  engine: Engine,
  intent: MemberIntent,
  storage: StorageReading,
): Promise<{
  readonly storedRole?: StoredRole | undefined;
  readonly storedRoleError?: string | undefined;
}> {
  if (storage.marker.kind === 'unreadable') return { storedRoleError: storage.marker.error };
  try {
    const what = `what a start from ${intent.spec.storage} would do`;
    const read = engine.readStoredRole(engineMember(intent));
    return { storedRole: await within(read, { what, deadlineMs: ROLE_DEADLINE_MS }) };
  } catch (error) {
    return { storedRoleError: messageOf(error) };
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
