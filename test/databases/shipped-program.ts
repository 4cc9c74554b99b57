// The program that a kind ships, run as the database's own user on storages of its own, without Leafward.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually, freePorts } from '../fleet/programs.js';
import { programOf, type Database, type DatabaseClient, type Server } from './database.js';
import { cutPowerOf, removeSharedMemory } from './servers.js';

export const PASSWORD = `it's "odd"\\`;

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ShippedProgram {
  readonly dir: string;
  /** Of a new, empty storage. */
  storage(member: string): Promise<Server>;
  /** Runs a subcommand to its end, whatever its exit code. */
  tryRun(subcommand: string, server: Server, ...words: readonly string[]): Promise<Said>;
  /** @throws Error with what it said when its exit code is not 0 */
  run(subcommand: string, server: Server, ...words: readonly string[]): Promise<string>;
  /** Returns at once; the words are more options of the server. */
  begin(server: Server, ...words: readonly string[]): ChildProcess;
  /** Returns when it is ready. */
  start(server: Server): Promise<ChildProcess>;
  /** SIGTERM, as a runtime does; returns its exit code. */
  stop(server: Server): Promise<number | null>;
  kill(server: Server): Promise<void>;
  url(server: Server): string;
  client(server: Server): Promise<DatabaseClient>;
  log(server: Server): Promise<string>;
  dispose(): Promise<void>;
}

export async function shipProgram(database: Database): Promise<ShippedProgram> {
  const dir = await mkdtemp(join(tmpdir(), 'leafward-'));
  await chmod(dir, 0o755);
  const program = join(dir, 'program');
  await copyFile(programOf(database), program);
  await chmod(program, 0o755);
  const identity = await identityOf(database.user);
  const environment = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: dir,
    [database.passwordVariable]: PASSWORD,
  };
  const running = new Map<string, ChildProcess>();
  const all: Server[] = [];
  const logPath = ({ member }: Server): string => join(dir, `${member}.log`);

  const tryRun: ShippedProgram['tryRun'] = (subcommand, { storage }, ...words) =>
    new Promise((resolve) => {
      const options = { ...identity, env: environment, cwd: storage, timeout: 60_000 };
      const child = execFile(program, [subcommand, storage, ...words], options, (error, out, err) =>
        resolve({ code: error === null ? 0 : (child.exitCode ?? -1), stdout: out, stderr: err }),
      );
    });
  const run: ShippedProgram['run'] = async (subcommand, server, ...words) => {
    const { code, stdout, stderr } = await tryRun(subcommand, server, ...words);
    if (code === 0) return stdout.trim();
    throw new Error(`${subcommand} ${words.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  };
  const begin: ShippedProgram['begin'] = (server, ...more) => {
    const words = database.options.map((word) =>
      word.replace('{port.sql}', String(server.port)).replace('{member}', server.member),
    );
    const log = openSync(logPath(server), 'a');
    const child = spawn(program, ['run', server.storage, ...words, ...more], {
      ...identity,
      env: environment,
      cwd: server.storage,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    running.set(server.member, child);
    return child;
  };
  const kill = async (server: Server): Promise<void> => {
    await cutPowerOf(server.storage);
    running.delete(server.member);
  };
  return {
    dir,
    tryRun,
    run,
    storage: async (member) => {
      const [port = 0] = await freePorts(1);
      const server = { member, port, storage: join(dir, member) };
      await asRoot('install', '--directory', `--owner=${database.user}`, server.storage);
      all.push(server);
      return server;
    },
    begin,
    start: async (server) => {
      const child = begin(server);
      await eventually(
        `${server.member} is ready`,
        60_000,
        async () => {
          if (child.exitCode !== null)
            throw new Error(
              `it ended with ${child.exitCode}: ${await readFile(logPath(server), 'utf8')}`,
            );
          return (await tryRun('ready', server)).code === 0;
        },
        30,
      );
      return child;
    },
    stop: async (server) => {
      const child = running.get(server.member);
      if (child === undefined) throw new Error(`${server.member} was not started`);
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const [code] = (await ended) as [number | null];
      running.delete(server.member);
      return code;
    },
    kill,
    url: ({ port }) =>
      database.upstreamUrl.replace('{address}', '127.0.0.1').replace('{port.sql}', String(port)),
    client: (server) => database.connect(server, PASSWORD),
    log: (server) => readFile(logPath(server), 'utf8'),
    dispose: async () => {
      for (const server of all) {
        await kill(server);
        await removeSharedMemory(server.storage);
      }
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export async function asRoot(program: string, ...words: readonly string[]): Promise<string> {
  return (await promisify(execFile)(program, words)).stdout;
}

async function identityOf(user: string): Promise<{ readonly uid: number; readonly gid: number }> {
  const [uid, gid] = await Promise.all([asRoot('id', '-u', user), asRoot('id', '-g', user)]);
  return { uid: Number(uid), gid: Number(gid) };
}

/** What Leafward leaves in a storage. */
export const mark = (server: Server, term: number): Promise<void> =>
  writeFile(
    join(server.storage, '.leafward.json'),
    JSON.stringify({ format: 1, service: 'db', member: server.member, term }),
  );
