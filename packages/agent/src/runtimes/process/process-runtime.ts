// Members as plain processes of this host. One is a session of its own that outlives the agent, known by pid
// and start time; a later agent finds it again. Must never start two on one storage (I9), and starts none by
// itself.
import { randomUUID } from 'node:crypto';
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import { systemClock, type Clock } from '@leafward/shared/clock.js';
import type { ContainerFact } from '@leafward/shared/gen/domain.js';
import type { ContainerSpec, ForeignContainer, Runtime } from '../runtime.js';
import { createSingleFlight } from '../../checks/single-flight.js';
import { commandLines } from './command-lines.js';
import { findHandStarted, socketsIn, type HandStarted } from './by-hand.js';
import { imageMissing, openImageStore, type ImageStore } from './image-store.js';
import { createCommands, type ProcessCommands } from './commands.js';
import { whyNotApart, wordsFor } from './isolation.js';
import { keptMembers, listedMember, memberFiles } from './member-files.js';
import type { KeptContainer, MemberFiles, Run } from './member-files.js';
import { rotateOutput, tailOutput } from './output.js';
import {
  allPids,
  exists,
  isAlive,
  livingInSession,
  readBootId,
  readStat,
  startedAtOf,
  type ProcessStat,
} from './proc.js';
import { stopSession } from './stop-session.js';
import { listStrangers, nameOf, stopStranger, type Stranger } from './strangers.js';
import { resolveUser } from './user.js';
import { launch, parseWrapper } from './wrapper.js';

export interface ProcessRuntimeOptions {
  /** Absolute; holds images/ and members/. */
  readonly stateDirectory: string;
  readonly clock?: Clock;
  /** Storages, links resolved, on which a program that was started by hand must be seen. */
  readonly storages?: () => readonly string[];
}

/**
 * How often a watch looks whether a member is still there: one system call for each. Only those that this agent did not
 * start wait for it.
 */
const WATCH_EVERY_MS = 200;
/** How often outputs are measured and strangers looked for. */
const SURVEY_EVERY_MS = 60_000;
/** A thousand processes take 50 ms. */
const SURVEY_DEADLINE_MS = 5000;
/** A host that boots is busy, and an agent that gives up now only begins again. */
const FIRST_SURVEY_MS = 30_000;

/** Takes over what runs already. @throws LeafwardError when /proc cannot be read. */
export async function openProcessRuntime(options: ProcessRuntimeOptions): Promise<Runtime> {
  const runtime = new ProcessRuntime(options, await readBootId());
  await runtime.load();
  await runtime.survey(FIRST_SURVEY_MS);
  return runtime;
}

interface Known {
  readonly files: MemberFiles;
  readonly kept?: KeptContainer | undefined;
  readonly run?: Run | undefined;
}

class ProcessRuntime implements Runtime {
  readonly name = 'process';
  readonly #root: string;
  readonly #images: ImageStore;
  readonly #clock: Clock;
  readonly #commands: ProcessCommands;
  readonly #known = new Map<string, Known>();
  #strangers: readonly (Stranger | HandStarted)[] = [];
  #sockets = '';
  #surveyedAt = -Infinity;

  constructor(
    readonly options: ProcessRuntimeOptions,
    readonly bootId: string,
  ) {
    this.#root = join(options.stateDirectory, 'members');
    this.#images = openImageStore(join(options.stateDirectory, 'images'));
    this.#clock = options.clock ?? systemClock;
    this.#commands = createCommands(this.#clock);
  }

  resolve: Runtime['resolve'] = (reference, signal) => this.#images.resolve(reference, signal);
  pull: Runtime['pull'] = (image, onProgress, signal) =>
    this.#images.pull(image, onProgress, signal);

  hasImage: Runtime['hasImage'] = async (image) =>
    (await this.#images.find(image.digest)) !== undefined;

  setRestartPolicyNo: Runtime['setRestartPolicyNo'] = async () => undefined;

  async inspect(member: string): Promise<ContainerFact> {
    const { kept, run, files } = await this.#load(member);
    if (kept === undefined) return { state: 'absent' };
    const fact = {
      id: kept.id,
      imageDigest: kept.imageDigest,
      specDigest: kept.specDigest,
      restartPolicy: 'no',
    };
    if (run === undefined) return { ...fact, state: 'created' };
    const { startedAt } = run;
    if (this.#lives(run)) return { ...fact, state: 'running', startedAt };
    const exitCode = (await files.readExitCode()) ?? (run.killed === true ? 137 : undefined);
    return { ...fact, state: 'exited', startedAt, exitCode };
  }

  async create(container: ContainerSpec): Promise<void> {
    const { member, spec, specDigest } = container;
    const { kept, files } = await this.#load(member);
    if (kept?.specDigest === specDigest) {
      if (kept.container === undefined) await this.#keep(files, { ...kept, container });
      return;
    }
    if (kept !== undefined)
      throw new LeafwardError(
        'already-exists',
        `create ${member}: it exists with another spec; remove it first`,
      );
    if ((await this.#images.find(spec.image.digest)) === undefined) throw imageMissing(container);
    await this.#keep(files, {
      id: randomUUID(),
      member,
      storage: spec.storage,
      specDigest,
      imageDigest: spec.image.digest,
      container,
    });
  }

  async start(member: string): Promise<void> {
    const { kept, run, files } = await this.#load(member);
    if (kept === undefined)
      throw new LeafwardError('not-found', `start ${member}: there is no such process`);
    if (run !== undefined && this.#lives(run)) return;
    if (kept.container === undefined)
      throw new LeafwardError(
        'not-found',
        `start ${member}: what it was made from is not known any more; remove and create it`,
      );
    await this.survey();
    // The survey may have found it: a start whose record could not be written is a start all the same.
    const found = (await this.#load(member)).run;
    if (found !== undefined && this.#lives(found)) return;
    await this.#refuseSharedStorage(kept);
    await this.#begin(kept.container, kept, files);
  }

  async #begin(container: ContainerSpec, kept: KeptContainer, files: MemberFiles): Promise<void> {
    const { member } = kept;
    // Meanwhile a survey may find the new process: it is not to be taken for one that nobody knows.
    this.#beginning.add(member);
    try {
      const begun = await this.#launch(container, files);
      // Known before it is written: what cannot be written down runs all the same, and must be stopped by a fence.
      this.#known.set(member, { files, kept, run: begun });
      await files.writeRun(begun).catch(() => undefined); // the next agent finds it by its wrapper
    } finally {
      this.#beginning.delete(member);
    }
  }
  readonly #beginning = new Set<string>();

  async stop(member: string, graceMs: number, signal: AbortSignal): Promise<void> {
    const { kept, run, files } = await this.#load(member);
    if (kept === undefined || run === undefined || run.bootId !== this.bootId) return;
    await stopSession(
      { member, session: run.pid, startTicks: run.startTicks, graceMs, clock: this.#clock },
      async () => {
        const killed = { ...run, killed: true };
        this.#known.set(member, { files, kept, run: killed });
        await files.writeRun(killed);
      },
      signal,
    );
  }

  async stopListed(name: string, graceMs: number, signal: AbortSignal): Promise<void> {
    if (this.#known.has(name)) return this.stop(name, graceMs, signal);
    const stranger = this.#strangers.find((one) => nameOf(one) === name);
    if (stranger !== undefined)
      await stopStranger(stranger, { graceMs, clock: this.#clock }, signal);
  }

  run: Runtime['run'] = async (container, command, signal) => {
    const image = await this.#images.find(container.spec.image.digest);
    const run = this.#known.get(container.member)?.run;
    const words = await this.#apart(
      container,
      run !== undefined && this.#lives(run) ? run : undefined,
    );
    const argv = [...words, ...command.argv];
    return this.#commands.run(container, { ...command, argv }, image, signal);
  };

  whyNoIsolation: NonNullable<Runtime['whyNoIsolation']> = (container, signal) =>
    whyNotApart((command) => this.run(container, command, signal));

  async remove(member: string): Promise<void> {
    const { kept, run, files } = await this.#load(member);
    if (kept === undefined) return;
    if (run !== undefined && this.#lives(run))
      throw new LeafwardError('refused', `remove ${member}: it runs; stop it first`);
    await files.remove();
    this.#known.delete(member);
  }

  async tail(
    member: string,
    options: { readonly sinceMs: number; readonly maxLines: number },
  ): Promise<readonly string[]> {
    return tailOutput(memberFiles(this.#root, member).outputPath, options);
  }

  async list(): Promise<readonly ForeignContainer[]> {
    const isOld = this.#clock.monotonic() - this.#surveyedAt > SURVEY_EVERY_MS;
    if (isOld || this.#sockets !== this.#socketsNow()) await this.survey();
    const own: ForeignContainer[] = [];
    for (const { kept, run } of this.#known.values())
      if (kept !== undefined) own.push(listedMember(kept, run !== undefined && this.#lives(run)));
    return [...own, ...this.#commands.list(), ...listStrangers(this.#strangers)];
  }

  watch(onChange: () => void, signal: AbortSignal): void {
    let last = '';
    this.#listeners.add(onChange);
    const look = setInterval(() => {
      const seen = [...this.#known.values()].map((one) => this.#glance(one)).join();
      if (seen !== last) onChange();
      last = seen;
    }, WATCH_EVERY_MS);
    const tidy = setInterval(() => {
      // An output that could not be cut now is cut in a minute.
      for (const { files } of this.#known.values())
        rotateOutput(files.outputPath).catch(() => undefined);
    }, SURVEY_EVERY_MS);
    const end = (): void => {
      this.#listeners.delete(onChange);
      [look, tidy].forEach(clearInterval);
    };
    signal.addEventListener('abort', end, { once: true });
  }
  readonly #listeners = new Set<() => void>();

  /** Reads what was kept of all members. */
  async load(): Promise<void> {
    await this.#commands.endOrphans();
    for (const member of await keptMembers(this.#root)) await this.#load(member);
  }

  /** @throws LeafwardError `timeout`: then who uses a storage is not known. */
  async survey(deadlineMs = SURVEY_DEADLINE_MS): Promise<void> {
    await this.#once('look at all processes', () => this.#survey(), { deadlineMs });
  }
  readonly #once = createSingleFlight();

  /** Looks at every process for wrappers: own ones that no file tells of are taken over. */
  async #survey(): Promise<void> {
    const found: Stranger[] = [];
    const nobodys: (ProcessStat & { readonly words: readonly string[] })[] = [];
    const known = [...this.#known.values()].map(({ run }) => run?.pid);
    const sessions = new Set([...known, ...this.#commands.sessions()]);
    this.#sockets = this.#socketsNow();
    for await (const [pid, words] of commandLines(allPids())) {
      const said = parseWrapper(words);
      // The program's own fork shows the wrapper's words until it is executed: only the leader counts.
      const stat = readStat(pid);
      if (stat === undefined || !isAlive(stat)) continue;
      if (said === undefined && pid !== process.pid) nobodys.push({ ...stat, words });
      if (said === undefined || stat.session !== pid) continue;
      sessions.add(pid);
      const stranger = { ...said, pid, startTicks: stat.startTicks };
      if (said.stateDirectory !== this.options.stateDirectory) found.push(stranger);
      else if (!this.#beginning.has(said.member)) await this.#adopt(stranger, stat.startTicks);
    }
    const candidates = nobodys.filter(({ session }) => !sessions.has(session));
    const byHand = await this.#commands.withoutOwn(findHandStarted(candidates, this.#storages()));
    this.#strangers = [...found, ...byHand];
    this.#surveyedAt = this.#clock.monotonic();
  }

  /** Of this runtime's members, and of those that must stay down. */
  #storages(): readonly string[] {
    const kept = [...this.#known.values()].flatMap(({ kept }) => kept?.storage ?? []);
    return [...new Set([...kept, ...(this.options.storages?.() ?? [])])];
  }

  /** Changes when a socket in one of them is opened or closed: then somebody else may run it. */
  #socketsNow(): string {
    return [...socketsIn(this.#storages()).keys()].join();
  }

  async #adopt(stranger: Stranger, startTicks: number): Promise<void> {
    const { kept, run, files } = await this.#load(stranger.member);
    if (run?.pid === stranger.pid && run.startTicks === startTicks) return;
    if (run !== undefined && this.#lives(run)) return;
    const startedAt = await startedAtOf(startTicks);
    const { member, storage, specDigest, imageDigest, pid } = stranger;
    const id = `adopted-${pid}-${startTicks}`;
    const same = kept?.specDigest === specDigest ? kept : undefined;
    const adopted = same ?? { id, member, storage, specDigest, imageDigest };
    const begun = { pid, startTicks, bootId: this.bootId, startedAt };
    this.#known.set(member, { files, kept: adopted, run: begun });
    // A full disk keeps nobody from being known: it is found again by the next agent, too.
    await files
      .writeContainer(adopted)
      .then(() => files.writeRun(begun))
      .catch(() => undefined);
  }

  async #launch(container: ContainerSpec, files: MemberFiles): Promise<Run> {
    const { spec, member } = container;
    const image = await this.#images.find(spec.image.digest);
    if (image === undefined) throw imageMissing(container);
    const user = process.getuid?.() === 0 ? await resolveUser(spec.user) : undefined;
    const made = await mkdir(spec.storage, { recursive: true });
    if (made !== undefined && user !== undefined) await chown(spec.storage, user.uid, user.gid);
    const command = spec.command.length > 0 ? spec.command : ['{image}'];
    const words = await this.#apart(container, undefined);
    const pid = launch({
      stateDirectory: this.options.stateDirectory,
      member,
      storage: spec.storage,
      specDigest: container.specDigest,
      imageDigest: spec.image.digest,
      openFiles: spec.limits.openFiles ?? 0,
      command: [...words, ...command.map((word) => filled(word, container, image))],
      environment: spec.environment,
      user,
      outputPath: files.outputPath,
      exitPath: files.exitPath,
      onEnd: () => this.#listeners.forEach((listener) => listener()),
    });
    // Gone already: no process has its start time, which is what a dead one looks like.
    const startTicks = readStat(pid)?.startTicks ?? -1;
    return { pid, startTicks, bootId: this.bootId, startedAt: this.#clock.now() };
  }

  #apart(container: ContainerSpec, run: Run | undefined): Promise<readonly string[]> {
    return wordsFor(container, { images: join(this.options.stateDirectory, 'images'), run });
  }

  async #refuseSharedStorage(kept: KeptContainer): Promise<void> {
    const users = (await this.list()).filter(
      (one) => one.running && one.member !== kept.member && one.writes.includes(kept.storage),
    );
    if (users.length > 0)
      throw new LeafwardError(
        'refused',
        `start ${kept.member}: ${kept.storage} is in use by ${users.map((one) => one.name).join(', ')} (I9)`,
      );
  }

  #lives(run: Run): boolean {
    if (run.bootId !== this.bootId || run.startTicks < 0) return false;
    const stat = readStat(run.pid);
    if (stat?.startTicks === run.startTicks && isAlive(stat)) return true;
    if (this.#dead.get(run.pid) === run.startTicks) return false;
    const lives = livingInSession(run.pid, run.startTicks).length > 0;
    if (!lives) this.#dead.set(run.pid, run.startTicks);
    return lives;
  }
  /** Sessions that were proven empty; they never fill again. One entry for each pid that was ours. */
  readonly #dead = new Map<number, number>();

  #glance({ run }: Known): string {
    if (run === undefined) return '-';
    return `${run.pid}/${run.startTicks}/${exists(run.pid) ? 'there' : 'gone'}`;
  }

  async #load(member: string): Promise<Known> {
    const known = this.#known.get(member);
    if (known !== undefined) return known;
    const files = memberFiles(this.#root, member);
    const kept = await files.readContainer();
    const read = { files, kept, run: kept === undefined ? undefined : await files.readRun() };
    if (kept !== undefined) this.#known.set(member, read);
    return read;
  }

  async #keep(files: MemberFiles, kept: KeptContainer): Promise<void> {
    await files.writeContainer(kept);
    const run = this.#known.get(kept.member)?.run;
    this.#known.set(kept.member, { files, kept, run });
  }
}

function filled(word: string, { spec, member }: ContainerSpec, image: string): string {
  return word
    .replaceAll('{image}', image)
    .replaceAll('{storage}', spec.storage)
    .replaceAll('{member}', member);
}
