// A whole stand-in stack on this machine: one database directory, a main process and workers with ports of their
// own, of any version. Every process that was started is ended again.
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineMember } from '@leafward/agent/engines/engine.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { buildHomeserverImage } from './build-homeserver-image.js';
import { Database } from './database.js';
import { startHomeserver, type HomeserverProcess } from './homeserver-process.js';

export interface StartAs {
  readonly version: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Stack {
  readonly root: string;
  readonly database: Database;
  start(name: string, as: StartAs): Promise<HomeserverProcess>;
  /** Returns when it has said that it is ready; fails with its output when it ended. */
  startReady(name: string, as: StartAs): Promise<HomeserverProcess>;
  ports(name: string): Readonly<Record<string, number>>;
  member(name: string, engineOptions?: Readonly<Record<string, string>>): EngineMember;
  get(name: string, port: string, path: string, deadlineMs?: number): Promise<Reply>;
  close(): Promise<void>;
}

export interface Reply {
  /** Undefined: nobody answered. */
  readonly status: number | undefined;
  readonly body: string;
}

const PATIENCE_MS = 20_000;

/** `applications`: by member name; `main` is the main process. */
export async function openStack(applications: Readonly<Record<string, string>>): Promise<Stack> {
  const root = await mkdtemp(join(tmpdir(), 'lw-matrix-'));
  const database = new Database(join(root, 'database'));
  const names = ['main', ...Object.keys(applications)];
  const free = await freePorts(names.length * 2 + 2);
  const [replication = 0, replicationHttp = 0] = free.slice(-2);
  const portsOf = (name: string): Readonly<Record<string, number>> => {
    const at = names.indexOf(name) * 2;
    const hasClient = !/pusher|sender|appservice/.test(applications[name] ?? '');
    return {
      metrics: free[at] ?? 0,
      ...(hasClient ? { client: free[at + 1] ?? 0 } : {}),
      ...(name === 'main' ? { replication, 'replication-http': replicationHttp } : {}),
    };
  };
  const environmentOf = (name: string): Record<string, string> => ({
    SYNAPSE_WORKER: applications[name] ?? 'synapse.app.homeserver',
    SYNAPSE_REPLICATION_HOST: '127.0.0.1',
    STANDIN_DATABASE: database.directory,
    STANDIN_WORKER_NAME: name,
    STANDIN_METRICS_PORT: String(portsOf(name)['metrics']),
    STANDIN_CLIENT_PORT: String(portsOf(name)['client'] ?? ''),
    STANDIN_REPLICATION_PORT: String(replication),
    STANDIN_REPLICATION_HTTP_PORT: String(replicationHttp),
    STANDIN_START_MS: '20',
    STANDIN_DATABASE_DOWN_MS: '100',
  });
  const running: HomeserverProcess[] = [];
  const start = async (name: string, as: StartAs): Promise<HomeserverProcess> => {
    const image = await buildHomeserverImage(as.version, join(root, 'images'));
    const begun = startHomeserver(image, { ...environmentOf(name), ...as.environment });
    running.push(begun);
    return begun;
  };
  return {
    root,
    database,
    start,
    ports: portsOf,
    startReady: async (name, as) => {
      const begun = await start(name, as);
      await eventually(`${name} is ready`, PATIENCE_MS, async () => {
        if (begun.exitCode() !== undefined) throw new Error(begun.lines().join('\n'));
        return begun.lines().some((line) => line.endsWith('is ready'));
      });
      return begun;
    },
    member: (name, engineOptions = {}) =>
      memberOf(
        root,
        { name, ports: portsOf(name), environment: environmentOf(name) },
        {
          engineOptions: { workerName: name, ...engineOptions },
          upstreamUrl: name === 'main' ? undefined : urlOf(portsOf('main')['metrics']),
        },
      ),
    get: (name, port, path, deadlineMs = 2_000) =>
      ask(`${urlOf(portsOf(name)[port])}${path}`, deadlineMs),
    close: async () => {
      for (const one of running) {
        if (one.exitCode() !== undefined) continue;
        one.signal('SIGKILL');
        await one.ended();
      }
      await rm(root, { recursive: true, force: true });
    },
  };
}

const urlOf = (port: number | undefined): string => `http://127.0.0.1:${port ?? 0}`;

function ask(url: string, deadlineMs: number): Promise<Reply> {
  return new Promise((resolve) => {
    const nothing = (): void => resolve({ status: undefined, body: '' });
    const asked = request(url, { agent: false, timeout: deadlineMs }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      answer.on('end', () => resolve({ status: answer.statusCode, body }));
      answer.on('error', nothing);
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', nothing);
    asked.end();
  });
}

function memberOf(
  root: string,
  at: {
    readonly name: string;
    readonly ports: Readonly<Record<string, number>>;
    readonly environment: Record<string, string>;
  },
  more: Pick<EngineMember, 'upstreamUrl'> & {
    readonly engineOptions: Readonly<Record<string, string>>;
  },
): EngineMember {
  return {
    member: at.name,
    service: 'matrix',
    role: at.name === 'main' ? 'leader' : 'worker',
    upstreamUrl: more.upstreamUrl,
    spec: {
      kind: 'matrix-synapse',
      runtime: 'process',
      image: { reference: 'homeserver', digest: '' },
      command: ['node', '{image}'],
      environment: at.environment,
      mounts: [],
      storage: join(root, at.name),
      storageTarget: join(root, at.name),
      networkMode: 'host',
      limits: {},
      ports: at.ports,
      stopGraceMs: 5_000,
      engineOptions: more.engineOptions,
    },
  };
}
