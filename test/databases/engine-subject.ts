// A tree of real database servers for the obligations of engines: members of the process runtime under the database's
// own user, talked to by the engine that the shipped kind describes.
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecEngine, Image } from '@leafward/shared/gen/domain.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import { createLogger } from '@leafward/shared/log.js';
import { parseKinds } from '@leafward/shared/manifest/parse-kinds.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import { createExecEngine } from '@leafward/agent/engines/exec/engine.js';
import type { Engine, EngineMember } from '@leafward/agent/engines/engine.js';
import { openProcessRuntime } from '@leafward/agent/runtimes/process/process-runtime.js';
import type { ContainerSpec, Runtime } from '@leafward/agent/runtimes/runtime.js';
import type { EngineSubject, Place, SubjectOptions } from '../conformance/engine.js';
import { eventually } from '../conformance/runtime.js';
import { freePorts } from '../fleet/programs.js';
import { kindOf, programOf, type Database, type DatabaseClient, type Server } from './database.js';
import { cutPowerOf, processesIn, removeSharedMemory, send } from './servers.js';
import { asRoot, PASSWORD } from './shipped-program.js';

const UPSTREAM: Readonly<Record<Place, Place | undefined>> = {
  leader: undefined,
  mirror: 'leader',
  leaf: 'mirror',
};
const PLACES = Object.keys(UPSTREAM) as Place[];
const READY_MS = 30_000;

interface Tree {
  readonly database: Database;
  readonly dir: string;
  readonly runtime: Runtime;
  readonly engine: Engine;
  readonly exec: ExecEngine;
  readonly image: Image;
  readonly servers: Readonly<Record<Place, Server>>;
  readonly clients: Map<Place, Promise<DatabaseClient>>;
}

const signal = new AbortController().signal;

export async function makeEngineSubject(
  database: Database,
  options: SubjectOptions,
): Promise<EngineSubject> {
  const tree = await makeTree(database, options);
  const { engine, runtime, servers, clients } = tree;
  const member = (place: Place): EngineMember => memberAt(tree, place);
  const drop = (place: Place): void => {
    // One that was not answered has closed itself.
    void clients.get(place)?.then(
      (open) => open.close(),
      () => undefined,
    );
    clients.delete(place);
  };
  return {
    engine,
    member,
    urlOf: (place) => urlOf(tree, place),
    start: async (place) => {
      const container = containerOf(database, member(place));
      if (UPSTREAM[place] !== undefined) await seedIfEmpty(tree, place);
      await patiently(() => runtime.create(container, signal));
      await patiently(() => runtime.start(place, signal));
      await eventually(
        () => engine.observe(member(place), signal),
        (fact) => fact.answered && fact.ready === true,
        `${place} is ready`,
        READY_MS,
      );
    },
    stop: async (place) => {
      drop(place);
      await runtime.stop(place, READY_MS, signal);
    },
    kill: async (place) => {
      drop(place);
      await cutPowerOf(servers[place].storage);
      await runtime.stop(place, 0, signal);
    },
    empty: async (place) => {
      const { storage } = servers[place];
      for (const name of await readdir(storage))
        if (name !== 'backups') await rm(join(storage, name), { recursive: true });
    },
    hang: (place) => {
      void processesIn(servers[place].storage).then((pids) =>
        pids.forEach((pid) => send(pid, 'SIGSTOP')),
      );
    },
    write: async (place, value) => void (await (await client(tree, place)).write(nameOf(value))),
    values: async (place) => {
      const held = await (await client(tree, place)).held();
      return [...held].map((value) => value.replaceAll('_', ' '));
    },
    close: async () => {
      for (const place of PLACES) {
        drop(place);
        engine.forget(place);
        await cutPowerOf(servers[place].storage);
        await runtime.stop(place, 0, signal);
        await removeSharedMemory(servers[place].storage);
      }
      await rm(tree.dir, { recursive: true, force: true });
    },
  };
}

/** What a busy machine did not do in time is tried again, as an agent does. */
async function patiently(act: () => Promise<void>): Promise<void> {
  for (let left = 5; ; left -= 1)
    try {
      return await act();
    } catch (error) {
      if (left === 0 || !(error instanceof LeafwardError) || error.code !== 'timeout') throw error;
    }
}

/** A value is one word to a database's client. */
const nameOf = (value: string): string => value.replaceAll(' ', '_');

async function makeTree(database: Database, { backupMs }: SubjectOptions): Promise<Tree> {
  const dir = await mkdtemp(join(tmpdir(), 'lw-engine-'));
  await chmod(dir, 0o755); // the database's user must pass
  const stateDirectory = join(dir, 'state');
  await mkdir(stateDirectory);
  await mkdir(join(dir, 'bin'));
  const program = join(dir, 'bin', `leafward-${database.kind}`);
  await copyFile(programOf(database), program);
  await chmod(program, 0o755);
  const launcher = join(dir, 'bin', `${database.kind}-1.0.0.sh`);
  await writeFile(launcher, `#!/bin/sh\nexec ${program} run "$@"\n`, { mode: 0o755 });
  await chmod(stateDirectory, 0o755);
  const runtime = await openProcessRuntime({ stateDirectory });
  const reference = await runtime.resolve(launcher, signal);
  const image = await runtime.pull(reference, () => undefined, signal);
  const ports = await freePorts(PLACES.length);
  const servers = {} as Record<Place, Server>;
  for (const [index, place] of PLACES.entries()) {
    const storage = join(dir, place);
    await asRoot('install', '--directory', `--owner=${database.user}`, storage);
    servers[place] = { member: place, storage, port: ports[index] ?? 0 };
  }
  const engine = createExecEngine({
    runtimeOf: () => runtime,
    containerOf: (member) => containerOf(database, member),
    redact: (text) => text.replaceAll(PASSWORD, '[hidden]'),
    log: createLogger('engine-test', 'silent'),
  });
  const exec = slowed(await readKind(database), backupMs);
  return { database, dir, runtime, engine, exec, image, servers, clients: new Map() };
}

async function readKind(database: Database): Promise<ExecEngine> {
  const parsed = parseKinds(await kindOf(database));
  const exec = parsed.ok ? parsed.kinds[database.kind] : undefined;
  if (exec === undefined) throw new Error(`the kind ${database.kind}: ${JSON.stringify(parsed)}`);
  return exec;
}

/** A backup takes at least so long. */
function slowed(exec: ExecEngine, backupMs: number): ExecEngine {
  const { backup } = exec.commands;
  const [last] = backup?.steps ?? [];
  if (backup === undefined || last === undefined) return exec;
  const wait = { ...last, run: ['sleep', String(backupMs / 1000)] };
  const commands = { ...exec.commands, backup: { ...backup, steps: [wait, ...backup.steps] } };
  return { ...exec, commands };
}

function memberAt({ database, dir, exec, image, servers }: Tree, place: Place): EngineMember {
  const { storage, port } = servers[place];
  const words = database.options.map((word) =>
    word.replace('{port.sql}', String(port)).replace('{member}', place),
  );
  return {
    member: place,
    service: 'db',
    exec,
    spec: {
      kind: database.kind,
      runtime: 'process',
      image,
      command: ['{image}', '{storage}', ...words],
      user: database.user,
      environment: { PATH: `${join(dir, 'bin')}:/usr/local/bin:/usr/bin:/bin` },
      mounts: [],
      storage,
      storageTarget: storage,
      networkMode: 'host',
      limits: {},
      ports: { sql: port },
      stopGraceMs: READY_MS,
      engineOptions: {},
    },
  };
}

/** With the password, as an agent knows it. */
function containerOf(database: Database, { member, service, spec }: EngineMember): ContainerSpec {
  const environment = { ...spec.environment, [database.passwordVariable]: PASSWORD };
  return { member, service, spec: { ...spec, environment }, specDigest: specDigestOf(spec) };
}

function urlOf({ database, servers }: Tree, place: Place): string {
  return database.upstreamUrl
    .replace('{address}', '127.0.0.1')
    .replace('{port.sql}', String(servers[place].port));
}

async function seedIfEmpty(tree: Tree, place: Place): Promise<void> {
  const upstream = UPSTREAM[place];
  const { storage } = tree.servers[place];
  const names = (await readdir(storage)).filter((name) => name !== 'backups');
  if (upstream === undefined || names.length > 0) return;
  const options = { upstreamUrl: urlOf(tree, upstream), onProgress: () => undefined };
  await tree.engine.seed(memberAt(tree, place), options, signal);
}

/** One at a time for each member; one that was not answered is no client. */
function client(tree: Tree, place: Place): Promise<DatabaseClient> {
  const open = tree.clients.get(place);
  if (open !== undefined) return open;
  const made = connect(tree, place);
  tree.clients.set(place, made);
  made.catch(() => {
    if (tree.clients.get(place) === made) tree.clients.delete(place);
  });
  return made;
}

async function connect({ database, servers }: Tree, place: Place): Promise<DatabaseClient> {
  const made = await database.connect(servers[place], PASSWORD);
  try {
    if (await made.leads()) await made.prepare();
    return made;
  } catch (error) {
    made.close();
    throw error;
  }
}
