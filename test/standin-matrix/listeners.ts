// The HTTP listeners of a stand-in: clients, federation, metrics, and the main process's replication over HTTP.
import { once } from 'node:events';
import {
  createServer,
  request,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Database } from './database.js';
import type { Replication } from './replication.js';
import { schemaOf } from './schema.js';
import { MAIN, say, type Settings } from './settings.js';

export interface Parts {
  readonly settings: Settings;
  readonly database: Database;
  readonly replication: Replication;
}

type Answer = (path: string, response: ServerResponse) => void | Promise<void>;

/** A login through a worker asks the main process; from 1.66 on a dead one is waited for. */
const HANGS_FROM = 66;
const ASK_MS = 2_000;
const HANG_MS = 20_000;

/** Opens every listener that this application has. */
export async function openListeners(parts: Parts): Promise<readonly Server[]> {
  const { ports } = parts.settings;
  const isMain = parts.settings.application === MAIN;
  const api: Answer = (path, response) => answerApi(parts, path, response);
  const wanted: readonly (readonly [number | undefined, Answer])[] = [
    [ports.client, api],
    [ports.federation, api],
    [ports.metrics, (_, response) => end(response, 200, renderMetrics(parts))],
    [
      isMain ? ports.replicationHttp : undefined,
      (path, response) => answerMain(parts, path, response),
    ],
  ];
  const servers: Server[] = [];
  for (const [port, answer] of wanted)
    if (port !== undefined) servers.push(await listen(parts.settings.bind, port, answer));
  return servers;
}

async function listen(host: string, port: number, answer: Answer): Promise<Server> {
  const server = createServer((asked: IncomingMessage, response) => {
    const path = (asked.url ?? '/').split('?')[0] ?? '/';
    void Promise.resolve(answer(path, response)).catch(() => response.destroy());
  });
  server.listen(port, host);
  await once(server, 'listening');
  say(`Synapse now listening on TCP port ${port}`);
  return server;
}

/** `/health` says nothing of database, replication or Redis: 200 as long as the process turns. */
async function answerApi(parts: Parts, path: string, response: ServerResponse): Promise<void> {
  const { settings, database } = parts;
  if (path === '/health')
    return settings.minor >= 19 ? end(response, 200, 'OK') : end(response, 404, 'Not found');
  if (path === '/_matrix/client/versions') return end(response, 200, '{"versions":["r0.6.1"]}');
  if (path === '/_synapse/admin/v1/background_updates/status')
    return end(response, 200, '{"enabled":true,"current_updates":{}}');
  if (database.isDown()) return end(response, 500, '{"errcode":"M_UNKNOWN"}');
  if (path.endsWith('/account/whoami')) return end(response, 200, '{"user_id":"@a:test"}');
  if (path.endsWith('/login')) return login(parts, response);
  return end(response, 404, '{"errcode":"M_UNRECOGNIZED"}');
}

/** Writes of a worker of another schema than its database has now fail. */
async function login({ settings, database }: Parts, response: ServerResponse): Promise<void> {
  if (database.schema()?.schema !== schemaOf(settings.version).schema)
    return end(response, 500, '{"errcode":"M_UNKNOWN"}');
  if (settings.isMain) return end(response, 200, '{"access_token":"t"}');
  const isAnswered = await askMain(settings);
  if (!isAnswered && settings.minor >= HANGS_FROM) {
    const timer = setTimeout(() => response.destroy(), HANG_MS);
    response.once('close', () => clearTimeout(timer));
    return;
  }
  return end(response, isAnswered ? 200 : 502, '{}');
}

function askMain(settings: Settings): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(
      {
        host: settings.replicationHost,
        port: settings.ports.replicationHttp,
        path: '/_synapse/replication/login',
        method: 'POST',
        timeout: ASK_MS,
      },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200);
      },
    );
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(false));
    asked.end();
  });
}

function answerMain({ database }: Parts, _: string, response: ServerResponse): void {
  end(response, database.isDown() ? 500 : 200, '{}');
}

function renderMetrics({ settings, replication }: Parts): string {
  const pending = replication
    .names()
    .map((name) => `synapse_replication_tcp_protocol_pending_commands{name="${name}"} 0.0\n`);
  const events = settings.isMain
    ? 'synapse_event_persisted_position 52.0\nsynapse_event_processing_positions{name="federation_sender"} 52.0\n'
    : '';
  return `# HELP synapse_build_info Build information
# TYPE synapse_build_info gauge
synapse_build_info{osversion="Linux",pythonversion="CPython 3.9.2",version="${settings.version}"} 1.0
synapse_replication_tcp_resource_total_connections ${replication.connections()}.0
${pending.join('')}${events}`;
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain' }).end(text);
}
