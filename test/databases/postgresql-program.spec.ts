// What deploy/engines/postgresql does to real servers: each obligation that a kind's commands have, past Leafward.
import { expect } from 'chai';
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../fleet/programs.js';
import type { DatabaseClient, Server } from './database.js';
import { offsetOf, postgresql } from './postgresql.js';
import { requireDatabases } from './requirements.js';
import { asRoot, mark, PASSWORD, shipProgram, type ShippedProgram } from './shipped-program.js';
import { processesIn, send, titled } from './servers.js';

interface Status {
  readonly role: string;
  readonly position: string;
  readonly linked: boolean;
  readonly writable: boolean;
  readonly upstream: string;
  readonly identity: string;
  readonly version: string;
}

describe('the program of the kind postgresql', function () {
  this.timeout(180_000);
  let program: ShippedProgram;
  let leader: Server;
  let mirror: Server;
  let below: Server;
  before(async function () {
    requireDatabases(this, 'postgresql');
    program = await shipProgram(postgresql);
    [leader, mirror, below] = [
      await program.storage('leader'),
      await program.storage('mirror'),
      await program.storage('below'),
    ];
  });
  let isBroken = false;
  beforeEach(function () {
    if (isBroken) this.skip(); // what comes after a failure has nothing to stand on
  });
  afterEach(function () {
    isBroken ||= this.currentTest?.state === 'failed';
  });
  after(() => program?.dispose());

  const status = async (server: Server): Promise<Status> =>
    JSON.parse(await program.run('status', server)) as Status;
  const untilReached = (server: Server, position: number): Promise<unknown> =>
    eventually(`${server.member} has everything up to ${position}`, 60_000, async () => {
      const seen = await status(server);
      return seen.linked && offsetOf(seen.position) >= position;
    });
  const withClient = async <T>(server: Server, act: (client: DatabaseClient) => Promise<T>) => {
    const client = await program.client(server);
    try {
      return await act(client);
    } finally {
      client.close();
    }
  };
  const write = (server: Server, value: string): Promise<number> =>
    withClient(server, async (client) => {
      await client.prepare();
      return client.write(value);
    });

  it('makes a cluster of a first term in an empty storage, and nowhere else', async () => {
    const used = await program.storage('used');
    await writeFile(join(used.storage, 'somebody'), '');
    expect((await program.tryRun('run', used)).stderr).to.include('holds ');
    const later = await program.storage('later');
    await mark(later, 3);
    expect((await program.tryRun('run', later)).stderr).to.include('in a later term and is empty');
    await mark(leader, 1);
    await program.start(leader);
    expect(await status(leader)).to.include({ role: 'leader', writable: true, upstream: '' });
    expect((await status(leader)).version).to.match(/^\d+\.\d+\.0$/);
    expect(await program.run('stored-upstream', leader)).to.equal('');
  });

  it('seeds a mirror and a mirror of that mirror, and tells what they are', async () => {
    await program.run('seed', mirror, program.url(leader));
    expect(await program.run('stored-upstream', mirror)).to.equal(program.url(leader));
    await program.start(mirror);
    await program.run('seed', below, program.url(mirror));
    await program.start(below);
    const at = await write(leader, 'first');
    await untilReached(below, at);
    const seen = await status(below);
    expect(seen).to.include({ role: 'mirror', upstream: program.url(mirror), writable: false });
    expect(seen.identity).to.equal((await status(leader)).identity);
    expect([...(await withClient(below, (client) => client.held()))]).to.deep.equal(['first']);
    const twice = await program.tryRun('seed', below, program.url(leader));
    expect(twice.stderr).to.include('is there already');
  });

  it('asks a server from elsewhere: anything that it says is a yes', async () => {
    const ask = (url: string, seconds = '20'): Promise<string> =>
      program.run('answers', mirror, url, seconds);
    expect(await ask(program.url(leader))).to.match(/^yes: .* accepting connections$/);
    const foreign = await program.storage('foreign');
    await mark(foreign, 1);
    await program.start(foreign);
    // A server that hangs takes the connection all the same.
    for (const pid of await processesIn(foreign.storage)) send(pid, 'SIGSTOP');
    expect(await ask(program.url(foreign), '2')).to.equal('no: it said nothing in 1 s');
    await program.kill(foreign);
    expect(await ask(program.url(foreign))).to.match(/^no: .* no response$/);
    for (const url of ['postgresql://nobody.invalid:5432', 'http://127.0.0.1:5432'])
      expect((await program.tryRun('answers', mirror, url, '3')).code, url).to.equal(1);
  });

  it('refuses to rewrite the role of a cluster that runs', async () => {
    for (const [subcommand, ...words] of [['set-upstream', program.url(below)], ['clear-upstream']])
      expect((await program.tryRun(subcommand ?? '', leader, ...words)).stderr).to.include(
        'stop it first',
      );
  });

  it('refuses to rewrite the role of a cluster that runs and turns everybody away', async () => {
    const shy = await program.storage('shy');
    const url = program.url(leader);
    await program.run('seed', shy, url);
    program.begin(shy, '-c', 'hot_standby=off');
    const tryAgain = async (): Promise<boolean> =>
      (await program.tryRun('set-upstream', shy, url)).stderr.includes('pg_isready ended with 1');
    await eventually('it is refused', 60_000, tryAgain);
    await program.kill(shy);
    // What was killed leaves its lock, and runs no more.
    await program.run('set-upstream', shy, url);
  });

  it('stops at once although clients are connected, and tells a position that its mirror has', async () => {
    const idle = await program.client(leader);
    await idle.leads();
    const last = await write(leader, 'before the stop');
    const began = Date.now();
    expect(await program.stop(leader)).to.equal(0);
    expect(Date.now() - began).to.be.lessThan(30_000);
    idle.close();
    const position = offsetOf(await program.run('stored-position', leader));
    expect(position).to.be.greaterThan(last - 1);
    expect(offsetOf((await status(mirror)).position)).to.be.at.least(position);
  });

  it('promotes the mirror, and the old leader follows it with the log that it has', async () => {
    await program.run('force-promote', mirror, '20');
    await program.run('force-promote', mirror, '20'); // it leads already
    expect(await status(mirror)).to.include({ role: 'leader', writable: true });
    await program.run('set-upstream', leader, program.url(mirror));
    await program.start(leader);
    const at = await write(mirror, 'of the new leader');
    await Promise.all([leader, below].map((server) => untilReached(server, at)));
    const histories = await Promise.all(
      [leader, mirror, below].map((server) => program.run('history', server, String(at))),
    );
    expect(new Set(histories).size).to.equal(1);
    expect(histories[0]).to.match(/timeline 1 from 0\/0\ntimeline 2 from /);
  });

  it('points a running mirror elsewhere without a restart', async () => {
    await program.run('repoint', below, program.url(leader));
    const at = await write(mirror, 'through the other one');
    await untilReached(below, at);
    expect((await status(below)).upstream).to.equal(program.url(leader));
    await program.run('repoint', below, program.url(mirror));
    await untilReached(below, at);
  });

  it('backs up from a mirror, verified, and refuses a backup that is broken', async () => {
    const directory = join(program.dir, 'backups');
    await asRoot('install', '--directory', '--owner=postgres', directory);
    const said = await program.run('backup', below, join(directory, 'whole'));
    expect(said)
      .to.match(/100%/)
      .and.to.match(/^position [0-9A-F]+\/[0-9A-F]+$/m);
    await asRoot('cp', '-a', join(directory, 'whole'), join(directory, 'broken'));
    await appendFile(join(directory, 'broken/data/PG_VERSION'), '\n');
    const empty = await program.storage('empty');
    const refused = await program.tryRun('restore', empty, join(directory, 'broken'));
    expect(refused.code).to.equal(1);
    expect(await readdir(empty.storage)).to.deep.equal([]);
  });

  it('restores it onto a timeline that no standby of before takes for its own', async () => {
    const restored = await program.storage('restored');
    await write(mirror, 'after the backup');
    await program.run('restore', restored, join(program.dir, 'backups/whole'));
    await program.start(restored);
    const held = await withClient(restored, (client) => client.held());
    expect(held.has('through the other one') && !held.has('after the backup')).to.equal(true);
    await program.run('repoint', below, program.url(restored));
    await eventually('the standby of before is turned away', 60_000, async () => {
      return /could not (open|receive timeline history) file/.test(await program.log(below));
    });
    const position = String(offsetOf((await status(below)).position) - 1);
    expect(await program.run('history', below, position)).to.not.equal(
      await program.run('history', restored, '0/FFFFFFFF'),
    );
    const seeded = await program.storage('seeded');
    await program.run('seed', seeded, program.url(restored));
    await program.start(seeded);
    await untilReached(seeded, await write(restored, 'on the new line'));
    await Promise.all([program.stop(restored), program.stop(seeded)]);
  });

  it('tells a standby that has diverged by its history, and such a one never links', async () => {
    await program.run('repoint', below, program.url(mirror));
    await untilReached(below, await write(mirror, 'shared'));
    for (const pid of await titled('postgres: mirror: walsender')) send(pid, 'SIGSTOP');
    const lost = await write(mirror, 'never sent');
    await program.kill(mirror);
    for (const pid of await titled('postgres: mirror: walsender')) send(pid, 'SIGKILL');
    const killed = await program.tryRun('stored-position', mirror);
    expect(killed.stderr).to.include('where its log ends is not known');
    await program.run('force-promote', leader, '20');
    await program.run('repoint', below, program.url(leader));
    await program.run('set-upstream', mirror, program.url(leader));
    await program.start(mirror);
    await untilReached(below, await write(leader, 'on the winning line'));
    await eventually('the old one is turned away', 60_000, async () =>
      (await program.log(mirror)).includes('before current recovery point'),
    );
    expect((await status(mirror)).linked).to.equal(false);
    const at = String(lost - 1);
    const histories = await Promise.all(
      [mirror, leader].map((server) => program.run('history', server, at)),
    );
    expect(histories[0]).to.not.equal(histories[1]);
  });

  it('lets a mirror lead by its storage on a timeline of its own only', async () => {
    await program.stop(below);
    const before = await program.run('stored-position', below);
    await program.run('clear-upstream', below);
    expect(await program.run('stored-upstream', below)).to.equal('');
    await program.start(below);
    await eventually('it leads', 60_000, async () => (await status(below)).role === 'leader');
    const newest = async (server: Server): Promise<string | undefined> =>
      (await program.run('history', server, '0/FFFFFFFF')).split('\n').at(-1);
    expect(await newest(below)).to.not.equal(await newest(leader));
    expect(offsetOf((await status(below)).position)).to.be.at.least(offsetOf(before));
  });

  it('keeps the password out of every file and every argument', async () => {
    for (const server of [leader, mirror, below]) {
      const log = await program.log(server);
      expect(log).to.not.include(PASSWORD);
      const settings = await readFile(join(server.storage, 'data/postgresql.auto.conf'), 'utf8');
      expect(settings).to.not.include('password');
    }
    const found = await asRoot('sh', '-c', `grep -rlF "$1" "$2" || :`, 'sh', 'odd', program.dir);
    expect(found).to.equal('');
    expect(await asRoot('ps', '-eo', 'args')).to.not.include(PASSWORD);
  });
});
