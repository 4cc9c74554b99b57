// What is run apart reaches nobody: not a listener of this machine, not a socket in a storage, not a file of one. The
// same program, not kept apart, does.
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import { openProcessRuntime } from '@leafward/agent/runtimes/process/process-runtime.js';
import type { ContainerSpec, Runtime } from '@leafward/agent/runtimes/runtime.js';

const signal = new AbortController().signal;
/** Says of each address whether it could be connected to, and what it sees of a directory. */
const PROGRAM = `#!${process.execPath}
const net = require('node:net');
const { readdirSync, writeFileSync } = require('node:fs');
const [port, socket, directory] = process.argv.slice(2);
const ask = (where) => new Promise((resolve) => {
  const link = net.connect(where);
  link.on('connect', () => resolve('reached'));
  link.on('error', (error) => resolve(error.code));
});
(async () => {
  const seen = (() => { try { return readdirSync(directory); } catch (error) { return error.code; } })();
  writeFileSync('mine', 'x');
  const answers = [await ask({ host: '127.0.0.1', port: Number(port) }), await ask({ path: socket })];
  console.log(JSON.stringify({ answers, seen }));
  process.exit(0);
})();
`;

describe('a program that is run apart', function () {
  this.timeout(60_000);
  let directory = '';
  let runtime: Runtime;
  let container: ContainerSpec;
  const servers: Server[] = [];
  const listen = async (where: string | number): Promise<Server> => {
    const server = createServer((link) => link.end());
    servers.push(server);
    if (typeof where === 'string') server.listen(where);
    else server.listen(where, '127.0.0.1');
    await once(server, 'listening');
    return server;
  };

  before(async function () {
    const words = ['--user', '--map-current-user', '--keep-caps', '--net', '--mount', 'true'];
    const tried = spawnSync('unshare', words, { encoding: 'utf8' });
    if (tried.status !== 0 && process.getuid?.() !== 0) {
      console.log(`    left out: nothing can be kept apart here by this user: ${tried.stderr}`);
      return this.skip();
    }
    directory = await mkdtemp(join(tmpdir(), 'leafward-apart-'));
    const stateDirectory = join(directory, 'state');
    const root = join(directory, 'live/backups/.leafward-drill-1');
    const storage = join(root, 'data');
    for (const path of [
      stateDirectory,
      storage,
      join(root, 'away'),
      join(directory, 'live/sockets'),
    ])
      await mkdir(path, { recursive: true });
    await writeFile(join(directory, 'live/secret'), 'x');
    const reference = join(directory, 'program-1.0.0.cjs');
    await writeFile(reference, PROGRAM);
    await chmod(reference, 0o755);
    runtime = await openProcessRuntime({ stateDirectory });
    const image = await runtime.pull(
      await runtime.resolve(reference, signal),
      () => undefined,
      signal,
    );
    const spec = {
      kind: 'synapse',
      runtime: 'process' as const,
      image,
      command: ['/bin/sleep', '600'],
      environment: {},
      mounts: [],
      storage,
      storageTarget: storage,
      networkMode: 'host',
      limits: {},
      ports: {},
      stopGraceMs: 5000,
      engineOptions: {},
    };
    const isolation = {
      scratch: join(root, 'away'),
      hidden: [join(directory, 'live'), stateDirectory],
      shown: [root],
    };
    const specDigest = specDigestOf(spec);
    container = { member: 'drill-1', service: 'c', spec, specDigest, isolation };
  });

  after(async () => {
    for (const server of servers) server.close();
    if (directory === '') return;
    await runtime.stop(container.member, 1000, signal);
    await rm(directory, { recursive: true, force: true });
  });

  async function look(where: ContainerSpec): Promise<unknown> {
    const [line, socket] = [await listen(0), join(directory, `live/sockets/${servers.length}`)];
    await listen(socket);
    const address = line.address();
    const port = typeof address === 'object' && address !== null ? String(address.port) : '';
    const argv = ['{image}', port, socket, join(directory, 'live')];
    const command = { argv, deadlineMs: 30_000, maxOutputBytes: 10_000 };
    const { stdout, stderr, exitCode } = await runtime.run(where, command, signal);
    expect(exitCode, stderr).to.equal(0);
    return JSON.parse(stdout);
  }

  it('reaches no listener and no socket of the host, and sees no storage but its own', async () => {
    const { isolation: _, ...beside } = container;
    expect(await look(beside), 'not kept apart').to.deep.equal({
      answers: ['reached', 'reached'],
      seen: ['backups', 'secret', 'sockets'],
    });
    expect(await runtime.whyNoIsolation?.(container, signal)).to.equal(undefined);
    expect(await look(container), 'kept apart').to.deep.equal({
      answers: ['ECONNREFUSED', 'ENOENT'],
      seen: ['backups'],
    });
  });

  it('is kept apart as well beside one that runs so, and is listed as nobody’s member', async () => {
    await runtime.create(container, signal);
    await runtime.start(container.member, signal);
    const seen = await untilReady(() => look(container));
    expect(seen).to.deep.equal({ answers: ['ECONNREFUSED', 'ENOENT'], seen: ['backups'] });
    const listed = (await runtime.list(signal)).find(({ name }) => name === container.member);
    expect(listed).to.deep.include({ running: true, drill: true, networkMode: 'none' });
    await runtime.stop(container.member, 5000, signal);
    await runtime.remove(container.member, signal);
  });
});

/** Its namespaces are made a moment after it was started. */
async function untilReady<T>(act: () => Promise<T>): Promise<T> {
  for (let round = 0; ; round += 1)
    try {
      return await act();
    } catch (error) {
      if (round > 200 || !String(error).includes('not ready')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
}
