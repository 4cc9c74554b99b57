// Tries backups out: a copy is booted where nothing can reach it or be reached, asked what it is, and taken away again.
// One at a time. Must never boot one that is not kept apart, and never touch the backup or a member.
import { randomUUID } from 'node:crypto';
import { chmod, chown, mkdir, readdir, realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type {
  Backup,
  Drill,
  Image,
  MemberIntent,
  MemberSpec,
  Runtime as RuntimeName,
} from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import { allocatedBytes } from '../backups/allocated-bytes.js';
import { backupDirectoryOf } from '../backups/place.js';
import type { Engine, EngineMember } from '../engines/engine.js';
import { engineFactories, engineNameOf } from '../engines/registry.js';
import { MARKER_FILE } from '../marker.js';
import type { ContainerSpec, Runtime } from '../runtimes/runtime.js';
import { untilUp, type Booted } from './boot.js';
import { problemsOf } from './compare.js';
import { backupsIn, drillMember, scratchIn, storageIn, type DrillPlace } from './drill-member.js';
import { openLeftovers, type DrillRecord, type Leftovers } from './leftovers.js';
import { drillPath, findRoom } from './place.js';
import { giveTo, userApart } from './user-apart.js';

export interface DrillOrder {
  readonly backup: Backup;
  /** Of a member of its service on this host: how it is run. */
  readonly intent: MemberIntent;
  readonly image: Image;
  /** From its start until it is ready; more while it migrates. */
  readonly timeoutMs: number;
}

export interface Drills {
  /** What came of it, a failure as well. @throws LeafwardError when it could not be tried out: `exhausted`, `unavailable`, … */
  run(order: DrillOrder, onProgress: (text: string) => void, signal: AbortSignal): Promise<Drill>;
}

export interface DrillsOptions {
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly runtime: (name: RuntimeName) => Runtime;
  /** Of this host: a drill sees the storage of none of them. */
  readonly members: () => readonly MemberIntent[];
  readonly environmentOf: (member: string, spec: MemberSpec) => Readonly<Record<string, string>>;
  readonly redact: (text: string) => string;
  /** Ends with the agent. */
  readonly signal: AbortSignal;
}

/** An Engine that starts after its agent is there by then; the next drill tries again in any case. */
const SWEEP_EVERY_MS = 30_000;
const MOST_SWEEPS = 20;
/** After an abort: enough to close its files. */
const ABORTED_GRACE_MS = 2000;
/** What a restore says of a backup that is not what it should be; the rest says nothing of the backup. */
const BACKUPS_FAULT = new Set(['failed', 'not-found', 'invalid', 'timeout']);

/** Begins at once to take away what an agent before this one has left. */
export function openDrills(options: DrillsOptions): Drills {
  const directory = join(options.stateDirectory, 'drills');
  const leftovers = openLeftovers({ ...options, directory });
  const inTurn = oneAtATime();
  const never = new AbortController().signal;
  const sweepAtLast = async (): Promise<void> => {
    for (let tries = 0; tries < MOST_SWEEPS; tries += 1) {
      if (await inTurn(() => leftovers.sweep(), never)) return;
      await options.clock.sleep(SWEEP_EVERY_MS, options.signal);
    }
  };
  sweepAtLast().catch(() => undefined); // the agent ends: the next one begins with it
  return {
    run: (order, onProgress, signal) => {
      onProgress('waiting until no other drill is under way here');
      return inTurn(async () => {
        await leftovers.sweep();
        return runDrill({ options, leftovers, order, onProgress, signal });
      }, signal);
    },
  };
}

type InTurn = <T>(work: () => Promise<T>, signal: AbortSignal) => Promise<T>;

/** What is aborted before its turn is left out, and those behind it wait for those before it all the same. */
function oneAtATime(): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  return async (work, signal) => {
    const before = last;
    let release = (): void => undefined;
    last = Promise.all([before, new Promise<void>((resolve) => (release = resolve))]);
    try {
      await orAborted(before, signal);
      return await work();
    } finally {
      release();
    }
  };
}

async function orAborted(waited: Promise<unknown>, signal: AbortSignal): Promise<void> {
  let forget = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = (): void =>
      reject(new LeafwardError('aborted', 'drill: stopped before it was its turn'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    forget = () => signal.removeEventListener('abort', onAbort);
  });
  try {
    await Promise.race([waited, aborted]);
  } finally {
    forget();
  }
}

interface Running {
  readonly options: DrillsOptions;
  readonly leftovers: Leftovers;
  readonly order: DrillOrder;
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

async function runDrill(running: Running): Promise<Drill> {
  const { options, leftovers, order, onProgress, signal } = running;
  const { intent, image, backup } = order;
  const runtime = options.runtime(intent.spec.runtime);
  if (!(await runtime.hasImage(image, signal))) await runtime.pull(image, onProgress, signal);
  const directory = await realpath(await findRoom(backup, intent.spec));
  const id = randomUUID().slice(0, 8);
  const record: DrillRecord = { id, runtime: intent.spec.runtime, root: drillPath(directory, id) };
  // Refused before there is anything to take away.
  const member = drillMember(intent, record, { image, sockets: await socketsAmong(intent.spec) });
  await leftovers.note(record);
  try {
    await makePlace(record, intent.spec);
    return await tryOut(running, { record, runtime, member, name: engineNameOf(intent) });
  } finally {
    const graceMs = signal.aborted ? ABORTED_GRACE_MS : intent.spec.stopGraceMs;
    await leftovers
      .clear(record, graceMs)
      .catch((error: unknown) =>
        options.log.error({ drill: id }, `a drill's leftovers stay for now: ${messageOf(error)}`),
      );
  }
}

interface Trial {
  readonly record: DrillRecord;
  readonly runtime: Runtime;
  readonly member: EngineMember;
  /** Of its engine. */
  readonly name: string;
}

async function tryOut(running: Running, trial: Trial): Promise<Drill> {
  const { record, runtime, member } = trial;
  const { options, order, onProgress, signal } = running;
  const { clock, redact } = options;
  const { backup, image, timeoutMs } = order;
  const container = containerFor(options, member, record);
  const forRestore = showing(container, [record.root, backup.path]);
  await requireApart(runtime, forRestore, signal);
  const beganAt = clock.monotonic();
  const since = (): number => Math.round(clock.monotonic() - beganAt);
  const restored = await restore(engineWith(options, trial, forRestore), running, member);
  const copyMs = since();
  await giveTo(await userApart(member.spec), member.spec.storage);
  // What a database copied of it along with its data is not its own.
  await rm(join(member.spec.storage, MARKER_FILE), { force: true });
  const bytes = await allocatedBytes(member.spec.storage, signal);
  const base = { at: clock.now(), image, copyMs, bytes };
  if (restored !== undefined)
    return { ...base, ok: false, tookMs: copyMs, migrationMs: 0, problems: [restored] };
  const engine = engineWith(options, trial, container);
  try {
    onProgress('booting it without a network');
    await runtime.create(container, signal);
    await runtime.start(container.member, signal);
    const booting = { member, engine, runtime, clock, timeoutMs, redact, onProgress };
    const booted = await untilUp(booting, signal);
    const tookMs = since();
    const isUp = booted.problems.length === 0;
    if (isUp) await engine.beforeStop?.(member, signal).catch(() => undefined);
    return { ...base, tookMs, ...verdictOf(booted, order) };
  } finally {
    engine.forget(member.member);
  }
}

function verdictOf(
  { fact, migrationMs, problems }: Booted,
  { backup, image, intent }: DrillOrder,
): Pick<Drill, 'ok' | 'version' | 'position' | 'migrationMs' | 'problems'> {
  // What only a running member says of a described kind is not in its files.
  const commands = intent.exec?.commands;
  const keepsPosition = commands === undefined || Object.hasOwn(commands, 'storedPosition');
  const found = problems.length > 0 ? problems : problemsOf(backup, fact, { image, keepsPosition });
  const { version, position } = fact;
  return {
    ok: found.length === 0,
    version,
    position,
    migrationMs: Math.round(migrationMs),
    problems: found.map((problem) => problem.slice(0, MOST_TEXT)),
  };
}
/** What a backup's record takes. */
const MOST_TEXT = 900;

/** What it says of the backup that it could not be restored. @throws LeafwardError of anything else. */
async function restore(
  engine: Engine,
  { order: { backup }, onProgress, options, signal }: Running,
  member: EngineMember,
): Promise<string | undefined> {
  try {
    await engine.restore(member, { backupPath: backup.path, onProgress }, signal);
    return undefined;
  } catch (error) {
    const isFault = error instanceof LeafwardError && BACKUPS_FAULT.has(error.code);
    if (!isFault || signal.aborted) throw error;
    return `it could not be restored: ${options.redact(error.text)}`.slice(0, MOST_TEXT);
  } finally {
    engine.forget(member.member);
  }
}

async function requireApart(
  runtime: Runtime,
  container: ContainerSpec,
  signal: AbortSignal,
): Promise<void> {
  const why =
    runtime.whyNoIsolation === undefined
      ? `the runtime ${runtime.name} knows no way`
      : await runtime.whyNoIsolation(container, signal);
  if (why === undefined) return;
  throw new LeafwardError(
    'refused',
    `drill: a copy of a ${container.spec.kind} cannot be kept apart from the fleet on this host: ${why}; ` +
      'nothing was booted. An agent that runs as a unit needs drill-processes.conf beside it (deploy/systemd)',
  );
}

function containerFor(
  options: DrillsOptions,
  { member, service, spec }: EngineMember,
  { root }: DrillPlace,
): ContainerSpec {
  const hidden = options
    .members()
    .flatMap((one) => [one.spec.storage, backupDirectoryOf(one.spec)])
    .concat(options.stateDirectory);
  return {
    member,
    service,
    spec: { ...spec, environment: options.environmentOf(member, spec) },
    specDigest: specDigestOf(spec),
    isolation: { scratch: scratchIn(root), hidden: [...new Set(hidden)], shown: [root] },
  };
}

function showing(container: ContainerSpec, shown: readonly string[]): ContainerSpec {
  const { isolation } = container;
  return isolation === undefined ? container : { ...container, isolation: { ...isolation, shown } };
}

/** An engine of the drill's own: whatever it runs is run apart. */
function engineWith(
  { redact, log }: DrillsOptions,
  { name, runtime }: Pick<Trial, 'name' | 'runtime'>,
  container: ContainerSpec,
): Engine {
  const parts = { runtimeOf: () => runtime, containerOf: () => container, redact, log };
  const factory = engineFactories[name];
  if (factory !== undefined) return factory(parts);
  throw new LeafwardError('invalid', `drill: this agent knows no kind ${name}`);
}

/** As open to whoever runs it as the directories that they stand for, and to nobody else. */
async function makePlace({ root }: DrillPlace, spec: MemberSpec): Promise<void> {
  const like = await stat(spec.storage);
  const user = (await userApart(spec)) ?? like;
  for (const path of [root, storageIn(root), scratchIn(root), backupsIn(root)]) {
    await mkdir(path, { mode: 0o700 });
    await chown(path, user.uid, user.gid);
  }
  await chmod(scratchIn(root), 0o755);
  await chmod(storageIn(root), like.mode & 0o777);
}

/** Sources of its mounts that are sockets or hold one: somebody listens there. */
async function socketsAmong({ mounts }: MemberSpec): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const { source } of mounts) {
    const about = await stat(source).catch(() => undefined);
    const entries =
      about?.isDirectory() === true
        ? await readdir(source, { withFileTypes: true }).catch(() => [])
        : [];
    if (about?.isSocket() === true || entries.some((entry) => entry.isSocket())) found.add(source);
  }
  return found;
}
