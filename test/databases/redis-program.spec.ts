// What deploy/engines/redis does to real servers: each obligation that a kind's commands have, past Leafward.
import { expect } from 'chai';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../fleet/programs.js';
import type { Server } from './database.js';
import { redis } from './redis.js';
import { requireDatabases } from './requirements.js';
import { processesIn, send } from './servers.js';
import { asRoot, mark, PASSWORD, shipProgram, type ShippedProgram } from './shipped-program.js';

describe('the program of the kind redis', function () {
  this.timeout(180_000);
  let program: ShippedProgram;
  let leader: Server;
  let mirror: Server;
  let below: Server;
  let isBroken = false;
  before(async function () {
    requireDatabases(this, 'redis');
    program = await shipProgram(redis);
    [leader, mirror, below] = [
      await program.storage('leader'),
      await program.storage('mirror'),
      await program.storage('below'),
    ];
  });
  beforeEach(function () {
    if (isBroken) this.skip(); // what comes after a failure has nothing to stand on
  });
  afterEach(function () {
    isBroken ||= this.currentTest?.state === 'failed';
  });
  after(() => program?.dispose());

  const said = async (server: Server, key: string): Promise<string | undefined> =>
    new RegExp(`^${key}:(.*)$`, 'm').exec(await program.run('status', server))?.[1];
  const write = async (server: Server, value: string): Promise<number> => {
    const client = await program.client(server);
    try {
      return await client.write(value);
    } finally {
      client.close();
    }
  };
  const held = async (server: Server): Promise<ReadonlySet<string>> => {
    const client = await program.client(server);
    try {
      return await client.held();
    } finally {
      client.close();
    }
  };
  const untilReached = (server: Server, position: number): Promise<unknown> =>
    eventually(`${server.member} has everything up to ${position}`, 60_000, async () => {
      const isUp = (await said(server, 'link')) === 'up';
      return isUp && Number(await said(server, 'master_repl_offset')) >= position;
    });

  it('begins in an empty storage of a first term, and nowhere else', async () => {
    const later = await program.storage('later');
    await mark(later, 3);
    const words = [String(later.port)];
    expect((await program.tryRun('run', later, ...words)).stderr).to.include('in a later term');
    // A server that logs its writes would begin empty beside it, and then write over it.
    await writeFile(join(later.storage, 'dump.rdb'), 'all that there is');
    await mark(later, 1);
    expect((await program.tryRun('run', later, ...words)).stderr).to.include('dump.rdb is there');
    await mark(leader, 1);
    await program.start(leader);
    expect(await said(leader, 'role')).to.equal('master');
    expect(await said(leader, 'upstream')).to.equal('');
    expect(await said(leader, 'release')).to.match(/^7\./);
    expect(await program.run('stored-upstream', leader)).to.equal('');
  });

  it('seeds a mirror and a mirror of that mirror, which fill themselves', async () => {
    await program.run('seed', mirror, program.url(leader));
    await program.run('seed', below, program.url(mirror));
    await program.start(mirror);
    await program.start(below);
    await untilReached(below, await write(leader, 'first'));
    expect([...(await held(below))]).to.deep.equal(['first']);
    expect(await said(below, 'upstream')).to.equal(program.url(mirror));
    expect(await program.run('stored-upstream', below)).to.equal(program.url(mirror));
    expect((await program.tryRun('seed', below, program.url(leader))).stderr).to.include('already');
    const running = await program.tryRun('set-upstream', below, program.url(leader));
    expect(running.stderr).to.include('stop it first');
  });

  it('asks a server from elsewhere: anything that it says is a yes', async () => {
    const ask = (url: string, seconds = '20'): Promise<string> =>
      program.run('answers', mirror, url, seconds);
    expect(await ask(program.url(leader))).to.equal('yes: PONG');
    const foreign = await program.storage('foreign');
    await mark(foreign, 1);
    const server = await program.start(foreign);
    // A server that hangs takes the connection all the same.
    for (const pid of await processesIn(foreign.storage)) send(pid, 'SIGSTOP');
    expect(await ask(program.url(foreign), '2')).to.equal('no: it said nothing in 1 s');
    expect(server.exitCode).to.equal(null);
    await program.kill(foreign);
    expect(await ask(program.url(foreign))).to.match(/^no: Could not connect/);
    for (const url of ['redis://nobody.invalid:6379', 'http://127.0.0.1:6379'])
      expect((await program.tryRun('answers', mirror, url, '3')).code, url).to.equal(1);
  });

  it('backs up what a mirror has, and says so when the snapshot failed', async () => {
    const directory = join(program.dir, 'backups');
    await asRoot('install', '--directory', '--owner=redis', directory);
    expect(await program.run('backup', below, join(directory, 'one'))).to.match(/^position \d+$/m);
    // Something lies where the snapshot belongs.
    const inTheWay = join(leader.storage, 'dump.rdb');
    await mkdir(inTheWay);
    const failed = await program.tryRun('backup', leader, join(directory, 'two'));
    expect(failed.stderr).to.match(/BGSAVE ended with err/);
    await rmdir(inTheWay);
  });

  it('restores it into a server that logs its writes', async () => {
    await untilReached(below, await write(leader, 'after the backup'));
    const restored = await program.storage('restored');
    await program.run('restore', restored, join(program.dir, 'backups/one'));
    await program.start(restored);
    expect([...(await held(restored))]).to.deep.equal(['first']);
    await program.stop(restored);
    await writeFile(join(program.dir, 'backups/one/dump.rdb'), 'REDIS0011 or so');
    const empty = await program.storage('empty');
    const broken = await program.tryRun('restore', empty, join(program.dir, 'backups/one'));
    expect(broken.stderr).to.include('is broken');
  });

  it('is fenced until it is stopped; its mirror has all of it, leads, and the old one follows', async () => {
    const last = await write(leader, 'before the fence');
    const fenced = await program.run('fence', leader, '5');
    expect(fenced).to.include('mirrors that have everything: 1 of 1');
    expect(Number(/position (\d+)/.exec(fenced)?.[1])).to.be.at.least(last);
    const refused = await write(leader, 'too late').catch((error: Error) => error.message);
    expect(refused).to.include('was not answered');
    expect(await program.stop(leader)).to.equal(0);
    await untilIs(mirror, last);
    await program.run('force-promote', mirror, '5');
    await program.run('force-promote', mirror, '5'); // it leads already
    expect(await program.run('stored-upstream', mirror)).to.equal('');
    await program.run('set-upstream', leader, program.url(mirror));
    await program.start(leader);
    const at = await write(mirror, 'of the new leader');
    await Promise.all([leader, below].map((server) => untilReached(server, at)));
    expect((await held(leader)).has('too late')).to.equal(false);
  });
  const untilIs = (server: Server, position: number): Promise<unknown> =>
    eventually(`${server.member} is at ${position}`, 60_000, async () => {
      return Number(await said(server, 'master_repl_offset')) >= position;
    });

  it('points a running mirror elsewhere, durably', async () => {
    await program.run('repoint', below, program.url(leader));
    await untilReached(below, await write(mirror, 'through the other one'));
    expect(await program.run('stored-upstream', below)).to.equal(program.url(leader));
  });

  it('tells two ways of one history apart', async () => {
    const shared = await write(mirror, 'shared');
    await untilReached(leader, shared);
    await untilReached(below, shared);
    const same = await Promise.all(
      [leader, mirror, below].map((server) => program.run('history', server, String(shared - 1))),
    );
    expect(new Set(same).size).to.equal(1);
    await program.run('force-promote', leader, '5'); // while the other leads: two ways
    const [one, other] = [await write(leader, 'one way'), await write(mirror, 'another way')];
    const at = String(Math.min(one, other) - 1);
    expect(await program.run('history', leader, at)).to.not.equal(
      await program.run('history', mirror, at),
    );
  });

  it('keeps the password out of every file and every argument', async () => {
    for (const server of [leader, mirror, below])
      expect(await readFile(join(server.storage, 'redis.conf'), 'utf8')).to.not.include('odd');
    const found = await asRoot('sh', '-c', `grep -rlF "$1" "$2" || :`, 'sh', '"odd"', program.dir);
    expect(found).to.equal('');
    expect(await asRoot('ps', '-eo', 'args')).to.not.include(PASSWORD);
  });
});
