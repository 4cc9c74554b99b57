// A program that behaves and fails like a homeserver towards whoever operates it: `node homeserver-1.66.0.cjs`.
// For tests only; it keeps no event and no user.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Database } from './database.js';
import { openListeners } from './listeners.js';
import { keepConnected, serveReplication, type Replication } from './replication.js';
import { prepareSchema, StartError } from './schema.js';
import { readSettings, say, type Settings } from './settings.js';

/** Put in by the bundler. */
declare const HOMESERVER_VERSION: string;

/** From here on only Redis carries the streams. */
const REDIS_ONLY = 67;
const POLL_MS = 20;
/** As a shell says that a signal ended it. */
const TERMINATED = 143;

async function main(): Promise<void> {
  const settings = readSettings(HOMESERVER_VERSION, process.env);
  const early = (): void => {
    if (!settings.ignoresEarlySignals) process.exit(TERMINATED);
  };
  process.on('SIGTERM', early);
  process.on('SIGHUP', () => say('Reloading the log configuration'));
  say(`Server version ${settings.version}, ${settings.application}`);
  await delay(settings.startMs);
  if (settings.minor >= REDIS_ONLY && settings.redis === undefined)
    throw new StartError('direct TCP replication is no longer supported: configure Redis');
  const database = await openDatabase(settings);
  await prepareSchema(settings, database);
  const replication = await replicate(settings);
  const servers = await openListeners({ settings, database, replication });
  if (settings.ports.metrics === undefined) say('Metrics listener: enable_metrics is not True');
  process.off('SIGTERM', early);
  process.once('SIGTERM', () => void stop());
  say(`${settings.isMain ? 'main process' : settings.workerName} is ready`);

  /** Open requests are cut at once; running statements of the database are waited for. */
  async function stop(): Promise<void> {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
    replication.close();
    while (existsSync(join(settings.database, 'statement'))) await delay(POLL_MS);
    database.disconnect();
    process.exit(0);
  }
}

async function openDatabase(settings: Settings): Promise<Database> {
  const database = new Database(settings.database);
  if (database.isDown()) {
    await delay(settings.databaseDownMs);
    throw new StartError('could not connect to server: Connection refused');
  }
  if (!database.connect(settings.pool))
    throw new StartError('FATAL: sorry, too many clients already (too many connections)');
  return database;
}

function replicate(settings: Settings): Promise<Replication> | Replication {
  return settings.isMain && settings.redis === undefined
    ? serveReplication(settings)
    : keepConnected(settings);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
