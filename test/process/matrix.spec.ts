// A homeserver with workers on two hosts: deployed, backed up after its database, updated as a whole through a
// migration, with a worker that dies and a main process that hangs.
import { expect } from 'chai';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Backup, FindingView, Operation } from '@leafward/shared/gen/domain.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesBelow } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { buildHomeserverImage } from '../standin-matrix/build-homeserver-image.js';
import { Database } from '../standin-matrix/database.js';

const OLD = '1.30.1';
const NEW = '1.66.0';
const WORKERS = ['sync', 'push'];
const PATIENCE_MS = 60_000;

describe('a homeserver and its workers', function () {
  this.timeout(180_000);
  let dir: string;
  let fleet: LocalFleet;
  let database: Database;
  let metrics: Readonly<Record<string, number>>;
  let next: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    database = new Database(join(dir, 'database'));
    const ports = await freePorts(7);
    const [main = 0, sync = 0, push = 0] = ports;
    metrics = { main, sync, push };
    const images = join(dir, 'images');
    const [image, store] = [
      await buildHomeserverImage(OLD, images),
      await buildCellImage({ version: '2.180.0', outDir: images }),
    ];
    next = await buildHomeserverImage(NEW, images);
    await mkdir(join(dir, 'media', 'local_content'), { recursive: true });
    await writeFile(join(dir, 'media', 'local_content', 'picture'), 'a picture');
    await mkdir(join(dir, 'config'));
    await writeFile(join(dir, 'config', 'homeserver.yaml'), 'server_name: test\n');
    await writeFile(join(dir, 'fleet.yaml'), manifestOf({ dir, image, store, ports }));
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo'] });
  });
  after(async () => {
    await fleet?.stop();
    await killProcessesBelow(dir);
    await rm(dir, { recursive: true, force: true });
  });

  const states = async (): Promise<Readonly<Record<string, string>>> => {
    const service = (await fleet.status()).services.find((one) => one.service === 'matrix');
    return Object.fromEntries((service?.members ?? []).map((one) => [one.member, one.state]));
  };
  const untilStates = (what: string, wanted: Readonly<Record<string, readonly string[]>>) =>
    eventually(what, PATIENCE_MS, async () => {
      const seen = await states();
      const wrong = Object.keys(wanted).filter(
        (member) => wanted[member]?.includes(seen[member] ?? '') !== true,
      );
      if (wrong.length > 0) throw new Error(JSON.stringify(seen));
      return true;
    });
  const allWell = () =>
    untilStates('all are well', { main: ['working'], sync: ['working'], push: ['working'] });
  const begin = async (args: readonly string[]): Promise<string> => {
    const plan = await fleet.plan(args);
    expect(plan.refusals).to.deep.equal([]);
    const begun = await fleet.cliJson<Operation>(['apply', plan.id, '--no-watch', '--yes']);
    return begun.id;
  };
  const untilDone = (id: string) =>
    eventually(`operation ${id} ends`, PATIENCE_MS, async () => {
      const now = await fleet.operation(id);
      if (now.state === 'paused') throw new Error(`it is paused: ${now.reason ?? ''}`);
      return now.state === 'done' ? now : undefined;
    });

  it('is not started without its mounted files, and is once they are there', async () => {
    const operation = await begin(['deploy', join(dir, 'fleet.yaml')]);
    await eventually('its agent waits for the file', PATIENCE_MS, async () => {
      const { stdout } = await fleet.cli(['why', 'main'], [0, 1, 3, 4]);
      return stdout.includes('signing.key');
    });
    expect(await processOf(dir, 'main')).to.equal(undefined);
    await writeFile(join(dir, 'config', 'signing.key'), 'ed25519 a b\n', { mode: 0o600 });
    await untilDone(operation);
    await allWell();
    expect(database.schema()).to.deep.equal({ schema: 59, compatible: 59 });
  });

  it('has its replication on the loopback address only, by the checks of its host', async () => {
    const { findings } = await fleet.cliJson<{ readonly findings: readonly FindingView[] }>([
      'host',
      'check',
      'alpha',
      '--refresh',
      '--only',
      'replication-ports',
    ]);
    const own = findings.map(({ finding }) => finding);
    expect(own.map(({ subject, severity }) => [subject, severity])).to.deep.equal([
      ['main', 'ok'],
      ['push', 'ok'],
    ]);
  });

  it('refuses what only mirrors have', async () => {
    for (const args of [
      ['promote', 'matrix', '--to', 'sync'],
      ['failover', 'matrix'],
    ]) {
      const { stdout, code } = await fleet.cli(['plan', ...args], [3]);
      expect(code).to.equal(3);
      expect(stdout).to.match(/worker|main process|stack|mirror/);
    }
  });

  it('is not updated without a backup, and is backed up after its database', async () => {
    const refused = await fleet.plan(['update', 'matrix', '--image', next]).catch(String);
    expect(JSON.stringify(refused)).to.include('no-backup');
    const operation = await fleet.carryOut(['backup', 'matrix']);
    expect(operation.moves.map(({ service }) => service)).to.deep.equal(['store', 'matrix']);
    const backups = await fleet.cliJson<readonly Backup[]>(['backup', 'list']);
    const own = backups.find(({ service }) => service === 'matrix');
    const dump = backups.find(({ service }) => service === 'store');
    expect(own?.databaseBackup).to.equal(`store/${dump?.name ?? ''}`);
    expect(own?.finishedAt).to.be.greaterThan(dump?.finishedAt ?? Infinity);
    const kept = join(own?.path ?? '', 'media', 'local_content');
    expect(await readdir(kept)).to.deep.equal(['picture']);
  });

  it('is updated as a whole, and waits for a migration however long it takes', async () => {
    const watch = watchVersions(metrics);
    try {
      database.setReader('dump', true);
      const operation = await begin(['update', 'matrix', '--image', next]);
      await untilStates('main migrates, its workers are stopped', {
        main: ['migrating'],
        sync: ['stopped'],
        push: ['stopped'],
      });
      const migrating = await processOf(dir, 'main');
      expect((await fleet.operation(operation)).state).to.equal('running');
      database.setReader('dump', false);
      await untilDone(operation);
      await allWell();
      expect(await processOf(dir, 'main')).to.equal(migrating);
    } finally {
      await watch.stop();
    }
    expect(watch.violations()).to.deep.equal([]);
    expect(watch.order()[0]).to.equal('main');
    expect(watch.order()).to.have.members(['main', ...WORKERS]);
    expect(database.schema()).to.deep.equal({ schema: 72, compatible: 72 });
  });

  it('has a worker that dies back, connected', async () => {
    const before = await livingProcess(dir, 'sync');
    process.kill(before, 'SIGKILL');
    await eventually('another one runs', PATIENCE_MS, async () => {
      const now = await processOf(dir, 'sync');
      return now !== undefined && now !== before;
    });
    await allWell();
  });

  it('is seen to hang: main does not answer, and no worker is taken for well', async () => {
    const main = await livingProcess(dir, 'main');
    process.kill(main, 'SIGSTOP');
    try {
      await untilStates('nobody is well', {
        main: ['starting', 'down'],
        sync: ['behind', 'starting'],
        push: ['behind', 'starting'],
      });
    } finally {
      process.kill(main, 'SIGCONT');
    }
    await allWell();
    expect(await processOf(dir, 'main')).to.equal(main);
  });
});

/** Pid of the program that has this member's storage on its command line; the shell around it is left out. */
/** Never 0, which would signal this test's own group. */
async function livingProcess(dir: string, member: string): Promise<number> {
  const pid = await processOf(dir, member);
  if (pid === undefined) throw new Error(`${member} does not run`);
  return pid;
}

async function processOf(dir: string, member: string): Promise<number | undefined> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const text = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    const [program, image, storage] = text.split('\0');
    if (program !== process.execPath || image?.includes('/homeserver-') !== true) continue;
    if (storage === join(dir, 'members', member)) return Number(name);
  }
  return undefined;
}

interface VersionWatch {
  violations(): readonly string[];
  /** Members in the order in which they were first seen with the new version. */
  order(): readonly string[];
  stop(): Promise<void>;
}

/** Asks the processes themselves all the time. Knows nothing of Leafward. */
function watchVersions(metrics: Readonly<Record<string, number>>): VersionWatch {
  const violations = new Set<string>();
  const order: string[] = [];
  let isStopped = false;
  const ask = async (member: string): Promise<string | undefined> => {
    const version = await versionAt(metrics[member] ?? 0);
    if (version === NEW && !order.includes(member)) order.push(member);
    return version;
  };
  const look = async (): Promise<void> => {
    const before = await ask('main');
    const seen = await Promise.all(WORKERS.map((worker) => ask(worker)));
    // Asked before and after: what is said of both is true of one moment.
    const after = await ask('main');
    WORKERS.forEach((worker, at) => {
      if (before === NEW && seen[at] === OLD) violations.add(`${worker} is old beside a new main`);
      if (seen[at] === NEW && after !== NEW && after !== UNKNOWN)
        violations.add(`${worker} is new without a new main`);
    });
  };
  const run = async (): Promise<void> => {
    while (!isStopped) {
      await look();
      await delay(20);
    }
    await look();
  };
  const done = run();
  return {
    violations: () => [...violations],
    order: () => order,
    stop: async () => {
      isStopped = true;
      await done;
    },
  };
}

/** It did not answer in time. */
const UNKNOWN = 'unknown';

/** Undefined: nobody is there. */
async function versionAt(port: number): Promise<string | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`, {
      signal: AbortSignal.timeout(2_000),
      headers: { connection: 'close' },
    });
    return /synapse_build_info\{.*version="([^"]+)"/.exec(await response.text())?.[1];
  } catch (error) {
    // A busy machine is no proof that nobody is there.
    return (error as Error).name === 'TimeoutError' ? UNKNOWN : undefined;
  }
}

function manifestOf(options: {
  readonly dir: string;
  readonly image: string;
  readonly store: string;
  readonly ports: readonly number[];
}): string {
  const { dir, image, store } = options;
  const [main = 0, sync = 0, push = 0, client = 0, tcp = 0, http = 0, ofSync = 0] = options.ports;
  const storage = (member: string): string => join(dir, 'members', member);
  return `fleet: demo
hosts:
  alpha: { address: 127.0.0.1 }
  bravo: { address: 127.0.0.1 }
services:
  store:
    kind: synapse
    runtime: process
    image: ${store}
    command: ['${process.execPath}', '{image}', '{storage}']
    environment: { SYN_CELL_START_MS: '20', SYN_CELL_BACKUP_MS: '50' }
    members:
      00.store: { host: bravo, storage: '${storage('00.store')}' }
  matrix:
    kind: matrix-synapse
    runtime: process
    image: ${image}
    after: [store]
    command: ['${process.execPath}', '{image}', '{storage}']
    upstreamUrl: http://{address}:{port.metrics}
    engine: { databaseService: store, workers: '2', media: '${join(dir, 'media')}' }
    mounts:
      - { source: '${join(dir, 'config/homeserver.yaml')}', target: /data/homeserver.yaml, readOnly: true }
      - { source: '${join(dir, 'config/signing.key')}', target: /data/signing.key, readOnly: true }
    environment:
      STANDIN_DATABASE: ${join(dir, 'database')}
      STANDIN_METRICS_PORT: '{port.metrics}'
      STANDIN_REPLICATION_PORT: '${tcp}'
      STANDIN_REPLICATION_HTTP_PORT: '${http}'
      STANDIN_WORKER_NAME: '{member}'
    members:
      main:
        host: alpha
        storage: '${storage('main')}'
        environment: { SYNAPSE_WORKER: synapse.app.homeserver, STANDIN_CLIENT_PORT: '{port.client}' }
        ports: { metrics: ${main}, client: ${client}, replication: ${tcp}, replication-http: ${http} }
      sync:
        host: bravo
        upstream: main
        storage: '${storage('sync')}'
        environment: { SYNAPSE_WORKER: synapse.app.synchrotron, SYNAPSE_REPLICATION_HOST: 127.0.0.1, STANDIN_CLIENT_PORT: '{port.client}' }
        ports: { metrics: ${sync}, client: ${ofSync} }
        engine: { workerName: sync }
      push:
        host: alpha
        upstream: main
        storage: '${storage('push')}'
        environment: { SYNAPSE_WORKER: synapse.app.pusher, SYNAPSE_REPLICATION_HOST: 127.0.0.1 }
        ports: { metrics: ${push} }
        engine: { workerName: push }
`;
}
