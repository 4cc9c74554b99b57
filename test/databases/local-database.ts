// A database service on a fleet of this machine: a leader, two mirrors and a mirror of a mirror on three agents, as
// members of the process runtime under the database's own user.
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import type { MemberView, Operation, Plan } from '@leafward/shared/gen/domain.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { eventually, freePorts } from '../fleet/programs.js';
import type { Writer } from '../fleet/writing.js';
import { kindOf, programOf, startDatabaseWriter, type Database, type Server } from './database.js';
import { wholenessOf } from './whole.js';
import { cutPowerOf, processesIn, removeSharedMemory } from './servers.js';

export const OLD = '1.0.0';
export const NEW = '1.0.1';
const PASSWORD = 'correct horse "battery\\ staple'; // whatever an operator may think of
const SECRET = 'database';

export interface TreeMember {
  readonly host: string;
  readonly upstream?: string;
}

/** As it is deployed. */
export const tree: Readonly<Record<string, TreeMember>> = {
  '00.db': { host: 'alpha' },
  '01.db': { host: 'bravo', upstream: '00.db' },
  '02.db': { host: 'charlie', upstream: '01.db' },
  '03.db': { host: 'charlie', upstream: '00.db' },
};

export interface LocalDatabase {
  readonly database: Database;
  readonly dir: string;
  readonly fleet: LocalFleet;
  readonly password: string;
  readonly manifest: string;
  readonly servers: readonly Server[];
  /** @throws Error for an unknown member */
  server(member: string): Server;
  /** A launcher of this version: the process runtime's image. */
  image(version: string): Promise<string>;
  startWriter(prefix?: string): Writer;
  members(): Promise<readonly MemberView[]>;
  member(name: string): Promise<MemberView>;
  /** Waits until one leads and all others, but those left out, mirror and are caught up. Returns the leader. */
  untilWhole(leftOut?: readonly string[], timeoutMs?: number): Promise<string>;
  /**
   * Plans, applies and waits for the end. A tree under load changes: a plan that is refused or stale is made again.
   * @throws Error when it pauses
   */
  carryOut(order: readonly string[]): Promise<Operation>;
  /** The power of one host: its agent and its servers at once. */
  cutPower(host: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startLocalDatabase(database: Database): Promise<LocalDatabase> {
  const dir = await mkdtemp(join(tmpdir(), 'leafward-'));
  await chmod(dir, 0o755); // the database's user must pass
  const hosts = [...new Set(Object.values(tree).map(({ host }) => host))];
  const ports = await freePorts(Object.keys(tree).length);
  const servers = Object.entries(tree).map(([member, { host }], index) => ({
    member,
    storage: join(dir, 'hosts', host, member),
    port: ports[index] ?? 0,
  }));
  const program = join(dir, 'bin', `leafward-${database.kind}`);
  await mkdir(join(dir, 'bin'));
  await copyFile(programOf(database), program);
  await chmod(program, 0o755);
  const image = async (version: string): Promise<string> => {
    const path = join(dir, 'bin', `${database.kind}-${version}.sh`);
    await writeFile(path, launcher(program, version), { mode: 0o755 });
    return path;
  };
  const fleet = await startLocalFleet({ dir, hosts });
  for (const host of hosts)
    await makeBackupDirectory(database, join(dir, 'hosts', host, 'backups'));
  const manifest = join(dir, 'fleet.yaml');
  await writeFile(
    manifest,
    await manifestText({ database, dir, servers, image: await image(OLD) }),
  );
  const secretFile = join(dir, 'password');
  await writeFile(secretFile, PASSWORD);
  await fleet.cli(['secret', 'set', SECRET, '--from-file', secretFile]);
  return assemble({ database, dir, fleet, manifest, servers, image });
}

type Parts = Pick<LocalDatabase, 'database' | 'dir' | 'fleet' | 'manifest' | 'servers' | 'image'>;

function assemble(parts: Parts): LocalDatabase {
  const { database, dir, fleet, servers } = parts;
  const members = async (): Promise<readonly MemberView[]> =>
    (await fleet.status()).services[0]?.members ?? [];
  const member = async (name: string): Promise<MemberView> => {
    const found = (await members()).find((one) => one.member === name);
    if (found === undefined) throw new Error(`status does not show ${name}`);
    return found;
  };
  return {
    ...parts,
    password: PASSWORD,
    server: (name) => {
      const found = servers.find((server) => server.member === name);
      if (found === undefined) throw new Error(`there is no member ${name}`);
      return found;
    },
    startWriter: (prefix) =>
      startDatabaseWriter(database, {
        servers,
        password: PASSWORD,
        ...(prefix === undefined ? {} : { prefix }),
      }),
    members,
    member,
    untilWhole: (leftOut, timeoutMs) => untilWhole(members, leftOut, timeoutMs),
    carryOut: (order) => carryOut(fleet, order),
    cutPower: async (host) => {
      fleet.agent(host)?.signal('SIGKILL');
      await fleet.agent(host)?.ended;
      for (const server of servers)
        if (tree[server.member]?.host === host) await cutPowerOf(server.storage);
    },
    stop: async () => {
      await fleet.stop();
      await cutPowerOf(join(dir, 'hosts'));
      await removeSharedMemoryBelow(dir, servers);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

const PATIENCE_MS = 60_000;

async function carryOut(fleet: LocalFleet, order: readonly string[]): Promise<Operation> {
  const json = async <T>(args: readonly string[]): Promise<T | undefined> => {
    const { code, stdout } = await fleet.cli([...args, '-o', 'json'], [0, 3]);
    return code === 0 ? (JSON.parse(stdout) as T) : undefined;
  };
  const begun = await eventually(`${order.join(' ')} is begun`, PATIENCE_MS, async () => {
    const plan = await json<Plan>(['plan', ...order]);
    return plan && json<Operation>(['apply', plan.id, '--no-watch', '--yes']);
  });
  // A busy machine may drop a connection; an answer is waited for.
  const ended = await eventually(`${order.join(' ')} ends`, 4 * PATIENCE_MS, async () => {
    const now = await fleet.operation(begun.id);
    return now.state === 'running' ? undefined : now;
  });
  if (ended.state === 'done') return ended;
  throw new Error(`${order.join(' ')} is ${ended.state}: ${ended.reason ?? ''}`);
}

const launcher = (program: string, version: string): string =>
  `#!/bin/sh\nLEAFWARD_RELEASE=${version} exec ${program} run "$@"\n`;

async function makeBackupDirectory({ user }: Database, path: string): Promise<void> {
  await promisify(execFile)('install', ['--directory', `--owner=${user}`, path]);
}

async function untilWhole(
  members: () => Promise<readonly MemberView[]>,
  leftOut: readonly string[] = [],
  timeoutMs = 30_000,
): Promise<string> {
  const leaderOf = wholenessOf();
  return eventually('the service is whole', timeoutMs, async () =>
    leaderOf((await members()).filter(({ member }) => !leftOut.includes(member))),
  );
}

async function removeSharedMemoryBelow(dir: string, servers: readonly Server[]): Promise<void> {
  if ((await processesIn(dir)).length > 0) return;
  for (const { storage } of servers) await removeSharedMemory(storage);
}

interface ManifestOptions {
  readonly database: Database;
  readonly dir: string;
  readonly servers: readonly Server[];
  readonly image: string;
}

/** The kind as it is shipped, and one service of it. */
async function manifestText({ database, dir, servers, image }: ManifestOptions): Promise<string> {
  const hosts = [...new Set(Object.values(tree).map(({ host }) => host))];
  return stringify({
    fleet: 'demo',
    hosts: Object.fromEntries(hosts.map((host) => [host, { address: '127.0.0.1' }])),
    ...(parse(await kindOf(database)) as object),
    services: {
      db: {
        kind: database.kind,
        runtime: 'process',
        image,
        command: ['{image}', '{storage}', ...database.options],
        user: database.user,
        upstreamUrl: database.upstreamUrl,
        environment: {
          PATH: `${join(dir, 'bin')}:/usr/local/bin:/usr/bin:/bin`,
          [database.passwordVariable]: { secret: SECRET },
        },
        stopGrace: '20s',
        backup: { directory: join(dir, 'hosts/{host}/backups') },
        members: Object.fromEntries(
          servers.map(({ member, storage, port }) => [
            member,
            { ...tree[member], storage, ports: { sql: port } },
          ]),
        ),
      },
    },
  });
}
