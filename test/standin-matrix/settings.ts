// What a stand-in homeserver is told from outside: the variables of the image for workers, and its own.

export interface Settings {
  readonly version: string;
  /** The middle number of the version. */
  readonly minor: number;
  /** `synapse.app.homeserver` is the main process. */
  readonly application: string;
  readonly isMain: boolean;
  readonly workerName: string;
  readonly replicationHost: string;
  /** host:port; undefined: direct TCP replication. */
  readonly redis: string | undefined;
  readonly bind: string;
  readonly ports: {
    readonly client: number | undefined;
    readonly federation: number | undefined;
    readonly metrics: number | undefined;
    readonly replication: number;
    readonly replicationHttp: number;
  };
  /** Directory of the shared database. */
  readonly database: string;
  readonly pool: number;
  readonly startMs: number;
  readonly migrateMs: number;
  /** How long a start waits for a database that is down; the real one takes 2.5 s. */
  readonly databaseDownMs: number;
  /** A worker that hears nothing for so long drops its connection; the real one takes 30 s. */
  readonly silenceMs: number;
  /** As PID 1 without an init: a signal before the handlers are there is ignored. */
  readonly ignoresEarlySignals: boolean;
}

export const MAIN = 'synapse.app.homeserver';
const NO_CLIENT = ['pusher', 'appservice', 'federation_sender', 'federation_reader'];

/** Throws on a number that is none. */
export function readSettings(version: string, environment: NodeJS.ProcessEnv): Settings {
  const text = (name: string): string | undefined => environment[name] || undefined;
  const number = (name: string, otherwise: number): number => {
    const found = text(name) ?? String(otherwise);
    if (!/^\d+$/.test(found)) throw new Error(`${name} must be a whole number, not ${found}`);
    return Number(found);
  };
  const port = (name: string): number | undefined =>
    text(name) === undefined ? undefined : number(name, 0);
  const application = text('SYNAPSE_WORKER') ?? MAIN;
  const short = application.replace(/^synapse\.app\./, '');
  const database = text('STANDIN_DATABASE');
  if (database === undefined) throw new Error('STANDIN_DATABASE: a directory is needed');
  return {
    version,
    minor: Number(version.split('.')[1]),
    application,
    isMain: application === MAIN,
    workerName: text('STANDIN_WORKER_NAME') ?? short,
    replicationHost: text('SYNAPSE_REPLICATION_HOST') ?? '127.0.0.1',
    redis: text('STANDIN_REDIS'),
    bind: text('STANDIN_BIND') ?? '127.0.0.1',
    ports: {
      client: NO_CLIENT.includes(short) ? undefined : port('STANDIN_CLIENT_PORT'),
      federation: port('STANDIN_FEDERATION_PORT'),
      metrics: port('STANDIN_METRICS_PORT'),
      replication: number('STANDIN_REPLICATION_PORT', 9092),
      replicationHttp: number('STANDIN_REPLICATION_HTTP_PORT', 9093),
    },
    database,
    pool: number('STANDIN_POOL', 10),
    startMs: number('STANDIN_START_MS', 50),
    migrateMs: number('STANDIN_MIGRATE_MS', 100),
    databaseDownMs: number('STANDIN_DATABASE_DOWN_MS', 2_500),
    silenceMs: number('STANDIN_SILENCE_MS', 30_000),
    ignoresEarlySignals: text('STANDIN_PID_1') === '1',
  };
}

/** One line on stderr, in the form that the homeserver logs in. */
export function say(line: string): void {
  process.stderr.write(`${new Date().toISOString()} - root - INFO - main - ${line}\n`);
}
