// The stand-in homeserver against what was measured on real ones: what tests of stacks rest on.
import { expect } from 'chai';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually, freePorts } from '../fleet/programs.js';
import type { HomeserverProcess } from '../standin-matrix/homeserver-process.js';
import { openStack, type Stack, type StartAs } from '../standin-matrix/stack.js';

const OLD: StartAs = { version: '1.30.1' };
const NEW: StartAs = { version: '1.66.0' };
const PATIENCE_MS = 15_000;

describe('a stand-in homeserver', function () {
  this.timeout(60_000);
  let stack: Stack;
  beforeEach(async () => {
    stack = await openStack({
      sync: 'synapse.app.synchrotron',
      push: 'synapse.app.pusher',
    });
  });
  afterEach(() => stack.close());

  const metric = async (name: string, text: string): Promise<string | undefined> => {
    const { body } = await stack.get(name, 'metrics', '/metrics');
    return body.split('\n').find((line) => line.startsWith(text));
  };
  const connections = async (name: string): Promise<number> =>
    Number(
      (await metric(name, 'synapse_replication_tcp_resource_total_connections'))?.split(' ')[1],
    );
  const until = (what: string, ask: () => Promise<boolean>): Promise<boolean> =>
    eventually(what, PATIENCE_MS, ask, 50);
  const lastWords = async (one: HomeserverProcess): Promise<string> => {
    expect(await one.ended()).to.equal(1);
    return one.lines().at(-1) ?? '';
  };
  const saidBy = (one: HomeserverProcess, text: string): Promise<boolean> =>
    until(`it says ${text}`, async () => one.lines().some((line) => line.includes(text)));

  describe('health and metrics', () => {
    it('has no /health before 1.19', async () => {
      await stack.startReady('main', { version: '1.18.0' });
      expect((await stack.get('main', 'client', '/health')).status).to.equal(404);
      expect((await stack.get('main', 'client', '/_matrix/client/versions')).status).to.equal(200);
    });

    it('answers 200 on any path of its metrics port, and names its version', async () => {
      await stack.startReady('main', NEW);
      const { status, body } = await stack.get('main', 'metrics', '/nothing/here');
      expect(status).to.equal(200);
      expect(body).to.match(/synapse_build_info\{.*version="1\.66\.0"\} 1/);
    });

    it('stays healthy with its database down, while requests of users fail', async () => {
      await stack.startReady('main', NEW);
      stack.database.setDown(true);
      expect((await stack.get('main', 'client', '/health')).status).to.equal(200);
      const whoami = '/_matrix/client/v3/account/whoami';
      expect((await stack.get('main', 'client', whoami)).status).to.equal(500);
      stack.database.setDown(false);
      expect((await stack.get('main', 'client', whoami)).status).to.equal(200);
    });

    it('counts workers by connection and by name', async () => {
      await stack.startReady('main', NEW);
      await stack.startReady('sync', NEW);
      await stack.startReady('push', NEW);
      await until('both are counted', async () => (await connections('main')) === 2);
      expect(await metric('main', 'synapse_replication_tcp_protocol_pending_commands')).to.match(
        /name="(sync|push)"/,
      );
      expect(await connections('sync')).to.equal(1);
    });
  });

  describe('start', () => {
    it('opens no port before its migration is over', async () => {
      stack.database.commit({ schema: 59, compatible: 59 });
      stack.database.setReader('dump', true);
      const main = await stack.start('main', NEW);
      await saidBy(main, 'Applying schema');
      for (const port of ['client', 'metrics'])
        expect((await stack.get('main', port, '/health')).status).to.equal(undefined);
      stack.database.setReader('dump', false);
      await saidBy(main, 'Schema now up to date');
      await saidBy(main, 'is ready');
      expect(stack.database.schema()).to.deep.equal({ schema: 72, compatible: 72 });
    });

    it('ends with 143 and an unchanged schema when it is stopped while it migrates', async () => {
      stack.database.commit({ schema: 59, compatible: 59 });
      stack.database.setReader('dump', true);
      const main = await stack.start('main', NEW);
      await saidBy(main, 'Applying schema');
      expect(await main.stop()).to.equal(143);
      expect(stack.database.schema()?.schema).to.equal(59);
      stack.database.setReader('dump', false);
      await stack.startReady('main', NEW);
      expect(stack.database.schema()?.schema).to.equal(72);
    });

    it('as PID 1 without an init ignores a stop while it migrates', async () => {
      stack.database.commit({ schema: 59, compatible: 59 });
      stack.database.setReader('dump', true);
      const main = await stack.start('main', { ...NEW, environment: { STANDIN_PID_1: '1' } });
      await saidBy(main, 'Applying schema');
      main.signal('SIGTERM');
      await delay(200);
      expect(main.exitCode()).to.equal(undefined);
    });

    it('ends at once with its database down, and at the connection limit', async () => {
      stack.database.setDown(true);
      expect(await lastWords(await stack.start('main', NEW))).to.include('could not connect');
      stack.database.setDown(false);
      await stack.startReady('main', { ...NEW, environment: { STANDIN_POOL: '95' } });
      expect(await lastWords(await stack.start('sync', NEW))).to.include('too many connections');
    });

    it('refuses direct TCP replication from 1.67 on', async () => {
      const main = await stack.start('main', { version: '1.67.0' });
      expect(await lastWords(main)).to.include('configure Redis');
    });

    it('takes a second main process on one database without a word', async () => {
      await stack.startReady('main', NEW);
      const [metrics = 0, client = 0, tcp = 0, http = 0] = await freePorts(4);
      const environment = {
        STANDIN_METRICS_PORT: String(metrics),
        STANDIN_CLIENT_PORT: String(client),
        STANDIN_REPLICATION_PORT: String(tcp),
        STANDIN_REPLICATION_HTTP_PORT: String(http),
      };
      await stack.startReady('main', { ...NEW, environment });
    });
  });

  describe('versions beside each other', () => {
    it('a worker waits for a main process that is not there, on a good schema', async () => {
      stack.database.commit({ schema: 72, compatible: 72 });
      await stack.startReady('sync', NEW);
      expect((await stack.get('sync', 'client', '/health')).status).to.equal(200);
      expect(await connections('sync')).to.equal(0);
      await stack.startReady('main', NEW);
      await until('it is connected', async () => (await connections('sync')) === 1);
    });

    it('a worker refuses an empty database, and makes it itself up to 1.19', async () => {
      expect(await lastWords(await stack.start('sync', NEW))).to.include('Uninitialised database');
      await stack.startReady('sync', { version: '1.18.0' });
      expect(stack.database.schema()).to.not.equal(undefined);
    });

    it('workers and main processes refuse the schema of another release', async () => {
      stack.database.commit({ schema: 59, compatible: 59 });
      expect(await lastWords(await stack.start('sync', NEW))).to.include(
        'Expected database schema version 72 but got 59',
      );
      stack.database.commit({ schema: 72, compatible: 72 });
      expect(await lastWords(await stack.start('sync', OLD))).to.include(
        'Expected database schema version 59 but got 72',
      );
      expect(await lastWords(await stack.start('main', OLD))).to.include('too new for the server');
    });

    it('from 1.37 on an older release starts as long as the compatible schema allows it', async () => {
      stack.database.commit({ schema: 71, compatible: 69 });
      await stack.startReady('main', { version: '1.60.0' });
      const older = await stack.start('sync', { version: '1.52.0' });
      expect(await lastWords(older)).to.include('Expected database schema version 68 but got 71');
    });

    it('an old worker beside a new main process is healthy and connected, and logins fail', async () => {
      await stack.startReady('main', OLD);
      await stack.startReady('sync', OLD);
      expect((await stack.get('sync', 'client', '/_matrix/client/r0/login')).status).to.equal(200);
      stack.database.commit({ schema: 72, compatible: 72 });
      expect((await stack.get('sync', 'client', '/health')).status).to.equal(200);
      expect((await stack.get('sync', 'client', '/_matrix/client/r0/login')).status).to.equal(500);
    });
  });

  describe('main process gone', () => {
    it('killed: workers live, a login fails at once before 1.66, and they come back by themselves', async () => {
      const main = await stack.startReady('main', OLD);
      await stack.startReady('sync', OLD);
      main.signal('SIGKILL');
      await main.ended();
      const login = '/_matrix/client/r0/login';
      expect((await stack.get('sync', 'client', '/health')).status).to.equal(200);
      expect((await stack.get('sync', 'client', login)).status).to.equal(502);
      await until('it has noticed', async () => (await connections('sync')) === 0);
      await stack.startReady('main', OLD);
      await until('it is connected again', async () => (await connections('sync')) === 1);
    });

    it('killed: a login through a worker of 1.66 hangs', async () => {
      const main = await stack.startReady('main', NEW);
      await stack.startReady('sync', NEW);
      await main.stop();
      const login = await stack.get('sync', 'client', '/_matrix/client/r0/login', 500);
      expect(login.status).to.equal(undefined);
    });

    it('hung: its health times out, and a worker says connected again after it gave up', async () => {
      const main = await stack.startReady('main', NEW);
      await stack.startReady('sync', { ...NEW, environment: { STANDIN_SILENCE_MS: '300' } });
      await until('it is connected', async () => (await connections('sync')) === 1);
      main.signal('SIGSTOP');
      expect((await stack.get('main', 'client', '/health', 300)).status).to.equal(undefined);
      await until('it gave up', async () => (await connections('sync')) === 0);
      await until('it is connected again', async () => (await connections('sync')) === 1);
      main.signal('SIGCONT');
    });
  });

  it('stops with code 0 at a SIGTERM, reloads at a SIGHUP', async () => {
    const main = await stack.startReady('main', NEW);
    main.signal('SIGHUP');
    await saidBy(main, 'Reloading');
    expect(await main.stop()).to.equal(0);
  });

  it('connects to Redis instead, and then counts nobody', async () => {
    const redis = await startRedis();
    const environment = { STANDIN_REDIS: `127.0.0.1:${redis.port}` };
    try {
      await stack.startReady('main', { version: '1.67.0', environment });
      await stack.startReady('sync', { version: '1.67.0', environment });
      await until('it is connected', async () => (await connections('sync')) === 1);
      expect(await metric('main', 'synapse_replication_tcp_protocol')).to.equal(undefined);
    } finally {
      redis.close();
    }
  });
});

interface Redis {
  readonly port: number;
  close(): void;
}

function startRedis(): Promise<Redis> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      const close = (): void => {
        server.close();
        for (const socket of sockets) socket.destroy();
      };
      resolve({ port, close });
    }),
  );
}
