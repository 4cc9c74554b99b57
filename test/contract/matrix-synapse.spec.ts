// The engine for Matrix Synapse against stand-in homeservers: what it says of each process, and what it keeps.
import { expect } from 'chai';
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createMatrixSynapseEngine } from '@leafward/agent/engines/matrix-synapse/engine.js';
import type { Engine, EngineMember } from '@leafward/agent/engines/engine.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { EngineFact } from '@leafward/shared/gen/domain.js';
import { eventually } from '../fleet/programs.js';
import { openStack, type Stack } from '../standin-matrix/stack.js';

const NEW = { version: '1.66.0' };
const OLD = { version: '1.30.1' };
const PATIENCE_MS = 15_000;
const within = (): AbortSignal => AbortSignal.timeout(PATIENCE_MS);

describe('the engine for Matrix Synapse', function () {
  this.timeout(60_000);
  let stack: Stack;
  let engine: Engine;
  beforeEach(async () => {
    stack = await openStack({ sync: 'synapse.app.synchrotron', push: 'synapse.app.pusher' });
    engine = createMatrixSynapseEngine();
  });
  afterEach(() => stack.close());

  const look = (name: string): Promise<EngineFact> => engine.observe(stack.member(name), within());
  const until = (name: string, what: string, is: (fact: EngineFact) => boolean) =>
    eventually(
      `${name} ${what}`,
      PATIENCE_MS,
      async () => {
        const fact = await look(name);
        if (!is(fact)) throw new Error(JSON.stringify(fact));
        return fact;
      },
      50,
    );

  describe('observes', () => {
    it('a main process and workers, each with its version', async () => {
      await stack.startReady('main', NEW);
      await stack.startReady('sync', NEW);
      await stack.startReady('push', NEW);
      for (const name of ['sync', 'push']) {
        const fact = await until(name, 'is ready', ({ ready }) => ready === true);
        expect(fact).to.deep.include({ active: false, uplink: true, version: '1.66.0' });
        expect(fact.health).to.equal('ok');
        expect(fact.position).to.equal(undefined);
      }
      expect(await look('main')).to.deep.equal({
        answered: true,
        active: true,
        ready: true,
        version: '1.66.0',
        health: 'ok',
      });
    });

    it('which workers are missing at the main process, which is ready without them', async () => {
      await stack.startReady('main', NEW);
      const sync = await stack.startReady('sync', NEW);
      await until('sync', 'is ready', ({ ready }) => ready === true);
      await sync.stop();
      const fact = await until('main', 'misses it', ({ health }) => health !== 'ok');
      expect(fact).to.deep.include({
        ready: true,
        health: '0 of 1 workers are connected, not sync',
      });
      engine.forget('sync');
      expect((await look('main')).health).to.equal('ok');
      const told = await engine.observe(stack.member('main', { workers: '10' }), within());
      expect(told.health).to.equal('0 of 10 workers are connected');
    });

    it('a release without /health by what it has instead', async () => {
      await stack.startReady('main', { version: '1.18.0' });
      expect(await look('main')).to.deep.include({ answered: true, version: '1.18.0' });
    });

    it('a worker whose main process is killed, or hangs, as not linked', async () => {
      const main = await stack.startReady('main', NEW);
      await stack.startReady('sync', NEW);
      await until('sync', 'is ready', ({ ready }) => ready === true);
      main.signal('SIGSTOP');
      const hung = await look('sync');
      expect(hung).to.deep.include({ answered: true, ready: false, uplink: false });
      expect(hung.health).to.match(/main process does not answer: \[timeout\]/);
      expect((await look('main')).error).to.match(/^\[timeout\] ask http.* within 3000 ms/);
      main.signal('SIGCONT');
      await until('sync', 'is ready again', ({ ready }) => ready === true);
      main.signal('SIGKILL');
      await main.ended();
      expect(await look('sync')).to.deep.include({ ready: false, uplink: false });
      expect(await look('main')).to.deep.include({ answered: false });
    });

    it('a worker of another version than its main process as not ready', async () => {
      const main = await stack.startReady('main', OLD);
      await stack.startReady('sync', OLD);
      await until('sync', 'is ready', ({ ready }) => ready === true);
      await main.stop();
      await stack.startReady('main', NEW);
      const fact = await until('sync', 'is connected', ({ uplink }) => uplink === true);
      expect(fact.ready).to.equal(false);
      expect(fact.health).to.include('its main process is of version 1.66.0, it is of 1.30.1');
    });

    it('a worker under another name than the main process knows as not ready', async () => {
      await stack.startReady('main', NEW);
      await stack.startReady('sync', NEW);
      await until('sync', 'is ready', ({ ready }) => ready === true);
      const other = stack.member('sync', { workerName: 'other' });
      const fact = await engine.observe(other, within());
      expect(fact).to.deep.include({
        ready: false,
        health: 'its main process knows no worker other',
      });
    });

    it('nothing while it migrates, and knows the lines that say so', async () => {
      stack.database.commit({ schema: 59, compatible: 59 });
      stack.database.setReader('dump', true);
      const main = await stack.start('main', NEW);
      const said = (): readonly ('running' | 'done' | undefined)[] =>
        main.lines().map((line) => engine.migrationIn(line, stack.member('main')));
      await eventually('it migrates', PATIENCE_MS, async () => said().includes('running'));
      expect((await look('main')).answered).to.equal(false);
      stack.database.setReader('dump', false);
      await until('main', 'is ready', ({ ready }) => ready === true);
      expect(
        said()
          .filter((one) => one !== undefined)
          .at(-1),
      ).to.equal('done');
    });

    it('what is no homeserver by its text, whatever its status', async () => {
      const server = createServer((_, response) => response.end('up 1\n'));
      const { metrics } = stack.ports('push');
      await new Promise<void>((resolve) => server.listen(metrics, '127.0.0.1', resolve));
      const fact = await look('push');
      server.close();
      expect(fact.answered).to.equal(false);
      expect(fact.error).to.include('no synapse_build_info');
    });

    it('a body without end only up to a limit', async () => {
      const chunk = Buffer.alloc(2 ** 20, 'a');
      const server = createServer((_, response) => {
        const more = (): void => {
          while (response.write(chunk)) continue;
        };
        response.on('drain', more);
        more();
      });
      const { metrics } = stack.ports('push');
      await new Promise<void>((resolve) => server.listen(metrics, '127.0.0.1', resolve));
      const fact = await look('push');
      server.closeAllConnections();
      server.close();
      expect(fact.error).to.match(/\[(exhausted|timeout)\]/);
    });

    it('a member without a port for metrics as a mistake of its manifest', async () => {
      const member = stack.member('push');
      const without = { ...member, spec: { ...member.spec, ports: {} } };
      expect((await engine.observe(without, within())).error).to.include('port named metrics');
    });
  });

  describe('keeps', () => {
    let backups: string;
    let media: string;
    const member = (more: Readonly<Record<string, string>> = {}): EngineMember => {
      const main = stack.member('main', { media, ...more });
      return { ...main, spec: { ...main.spec, backupDirectory: backups } };
    };
    const backUp = (name: string, of = member(), databaseBackup?: string) =>
      engine.backup(of, { name, databaseBackup, onProgress: () => undefined }, within());
    beforeEach(async () => {
      backups = join(stack.root, 'backups');
      media = join(stack.root, 'media');
      await mkdir(join(media, 'local_content', 'aa'), { recursive: true });
      await mkdir(join(media, 'remote_content'), { recursive: true });
      await mkdir(join(stack.root, 'main'));
      await writeFile(join(media, 'local_content', 'aa', 'one'), 'a picture');
      await writeFile(join(media, 'remote_content', 'two'), 'of others');
      await writeFile(join(stack.root, 'main', 'homeserver.yaml'), 'server_name: test\n');
      await writeFile(join(stack.root, 'main', 'signing.key'), 'ed25519 a b\n', { mode: 0o600 });
    });

    it('local media, signing key and configuration, with the name of the database backup', async () => {
      const room = await engine.backupRoom(member(), within());
      expect(room.needBytes).to.be.greaterThan(0);
      const { path } = await backUp('one', member({ databaseService: 'pg' }), 'pg/two');
      expect(await readdir(join(path, 'media'))).to.deep.equal(['local_content']);
      const picture = join(path, 'media', 'local_content', 'aa', 'one');
      expect(await readFile(picture, 'utf8')).to.equal('a picture');
      const key = join(path, 'files', stack.root, 'main', 'signing.key');
      expect((await stat(key)).mode & 0o777).to.equal(0o600);
      const record: unknown = JSON.parse(await readFile(join(path, 'matrix-synapse.json'), 'utf8'));
      expect(record).to.deep.include({ format: 1, databaseBackup: 'pg/two' });
      expect(await readdir(backups)).to.deep.equal(['one']);
    });

    it('follows a link to the media, and none in it', async () => {
      const elsewhere = join(stack.root, 'elsewhere');
      await mkdir(join(elsewhere, 'local_content'), { recursive: true });
      await symlink('/etc/passwd', join(elsewhere, 'local_content', 'link'));
      await writeFile(join(elsewhere, 'local_content', 'file'), 'x');
      await rm(media, { recursive: true });
      await symlink(elsewhere, media);
      const { path } = await backUp('one');
      expect(await readdir(join(path, 'media', 'local_content'))).to.deep.equal(['file']);
    });

    const refused = async (attempt: Promise<unknown>): Promise<string> => {
      const error = await attempt.then(
        () => new Error('it did'),
        (thrown: unknown) => thrown,
      );
      expect(error).to.be.instanceOf(LeafwardError);
      return (error as LeafwardError).message;
    };

    it('nothing that could not be restored', async () => {
      const needsDatabase = member({ databaseService: 'pg' });
      expect(await refused(backUp('one', needsDatabase))).to.include('database of pg');
      expect(await refused(backUp('one', needsDatabase, 'other/x'))).to.include('database of pg');
      expect(await refused(backUp('../one'))).to.include('backup name');
      const noMedia = member({ media: join(stack.root, 'nowhere') });
      expect(await refused(backUp('one', noMedia))).to.include('no media store');
      expect(await refused(backUp('one', member({ files: '/no/such/file' })))).to.include(
        '/no/such/file is not there',
      );
      await rm(join(stack.root, 'main', 'signing.key'));
      expect(await refused(backUp('one'))).to.include('no signing key');
      const worker = { ...stack.member('push'), role: 'worker' as const };
      expect(await refused(backUp('one', worker))).to.include('a worker holds no data');
      expect(await readdir(backups)).to.deep.equal([]);
    });

    it('every file of a directory that the option files names', async () => {
      const workers = join(stack.root, 'workers');
      await mkdir(join(workers, 'more'), { recursive: true });
      await writeFile(join(workers, 'more', 'sync.yaml'), 'worker_name: sync\n');
      const { path } = await backUp('one', member({ files: workers }));
      const kept = join(path, 'files', workers, 'more', 'sync.yaml');
      expect(await readFile(kept, 'utf8')).to.equal('worker_name: sync\n');
    });

    it('no second backup over the first', async () => {
      await backUp('one');
      expect(await refused(backUp('one'))).to.include('is there already');
    });

    it('and puts all of it back, over nothing that is there', async () => {
      await chmod(join(media, 'local_content'), 0o755);
      const { path } = await backUp('one');
      const storage = join(stack.root, 'main');
      await rm(media, { recursive: true });
      await rm(join(storage, 'signing.key'));
      await writeFile(join(storage, 'homeserver.yaml'), 'server_name: changed\n');
      const told: string[] = [];
      await engine.restore(
        member(),
        { backupPath: path, onProgress: (text) => told.push(text) },
        within(),
      );
      expect(await readFile(join(storage, 'signing.key'), 'utf8')).to.equal('ed25519 a b\n');
      expect(await readFile(join(media, 'local_content', 'aa', 'one'), 'utf8')).to.equal(
        'a picture',
      );
      expect((await stat(join(media, 'local_content'))).mode & 0o777).to.equal(0o755);
      expect(await readFile(join(storage, 'homeserver.yaml'), 'utf8')).to.include('changed');
      expect(told.join('\n')).to.include('homeserver.yaml is there and stays as it is');
    });

    it('a backup that names a foreign path writes nothing there', async () => {
      const { path } = await backUp('one');
      const record = join(path, 'matrix-synapse.json');
      const foreign = join(stack.root, 'foreign');
      await mkdir(join(path, 'files', stack.root), { recursive: true });
      await writeFile(join(path, 'files', foreign), 'x');
      await writeFile(record, JSON.stringify({ format: 1, media, files: [foreign] }));
      await engine.restore(member(), { backupPath: path, onProgress: () => undefined }, within());
      expect(await stat(foreign).catch(() => undefined)).to.equal(undefined);
    });
  });

  it('refuses what a stack does not have, with the reason', async () => {
    const main = stack.member('main');
    const acts = [
      () => engine.promote(main, { graceful: true, timeoutMs: 1 }, within()),
      () => engine.probeHistory(main, 0, within()),
      () => engine.repoint(main, 'http://x', within()),
      () => engine.stepDown(main, { timeoutMs: 1 }, within()),
      () => engine.seed(main, { upstreamUrl: '', onProgress: () => undefined }, within()),
    ];
    for (const act of acts) {
      const error = await act().then(
        () => undefined,
        (thrown: LeafwardError) => thrown,
      );
      expect(error?.code).to.equal('refused');
      expect(error?.message).to.include('one main process and no mirrors');
    }
    expect(await engine.readStoredRole(main)).to.deep.equal({ upstreamUrl: undefined });
    expect(await engine.storedPosition(main, within())).to.equal(undefined);
  });
});
