// Images on a real Engine: by digest from a registry, without one, and when either does not answer.
import { expect } from 'chai';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createDockerRuntime } from '@leafward/agent/runtimes/docker/docker-runtime.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import { requireOrSkip } from '../rig/requirements.js';
import { loadImage } from '../rig/image.js';
import { eventually } from '../rig/conditions.js';
import { run } from '../rig/processes.js';
import { log, startEngineUnderTest, signal, type EngineUnderTest } from './docker-subject.js';

describe('images of the Docker runtime', function () {
  this.timeout(60_000);
  let under: EngineUnderTest;
  before(async function () {
    requireOrSkip(this, 'engine');
    under = await startEngineUnderTest();
  });
  const sockets: Socket[] = [];
  let mute: Server | undefined;
  after(async () => {
    for (const socket of sockets) socket.destroy();
    mute?.close();
    await under?.dispose();
  });

  const errorOf = async (promise: Promise<unknown>): Promise<LeafwardError> => {
    const error: unknown = await promise.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error instanceof LeafwardError) return error;
    throw new Error(`no error: ${String(error)}`);
  };
  const pushVersion = async (name: string, version: string, label?: string): Promise<string> => {
    const built = await under.buildImage({
      files: { '/version': version },
      command: ['cat', '/version'],
      labels: label === undefined ? {} : { 'org.opencontainers.image.version': label },
    });
    return under.registry.push(built, name, version);
  };

  it('resolves a tag to the digest that the registry has now, without pulling', async () => {
    const digest = await pushVersion('test/resolve', 'v2.150.0');
    const reference = `${under.registry.address}/test/resolve:v2.150.0`;
    const image = await under.runtime.resolve(reference, signal);
    expect(image).to.deep.equal({ reference, digest, version: '2.150.0', sizeBytes: undefined });
    expect(await under.runtime.hasImage(image, signal)).to.equal(false);
  });

  it('pulls by digest though the tag has moved on, tells progress, and reads version and size', async () => {
    const digest = await pushVersion('test/moving', '2.x', '2.180.1');
    const reference = `${under.registry.address}/test/moving:2.x`;
    const image = await under.runtime.resolve(reference, signal);
    expect(image.version).to.equal(undefined);
    const other = await under.buildImage({ files: { '/version': 'other' }, command: ['true'] });
    await under.registry.push(other, 'test/moving', '2.x');
    const told: string[] = [];
    const pulled = await under.runtime.pull(image, (text) => told.push(text), signal);
    expect(pulled.digest).to.equal(digest);
    expect(pulled.version).to.equal('2.180.1');
    expect(pulled.sizeBytes).to.be.greaterThan(500_000);
    expect(told[0]).to.match(/^\d+ of \d+ layers, \d+ of \d+ MB$/);
    expect(await under.runtime.hasImage(image, signal)).to.equal(true);
  });

  it('needs no registry for a reference with a digest that is here, nor for a known tag', async () => {
    await under.runtime.pull(under.image, () => undefined, signal);
    under.registry.freeze();
    try {
      const pinned = `${under.registry.address}/test/member@${under.image.digest}`;
      const image = await under.runtime.resolve(pinned, signal);
      expect(image).to.include({ digest: under.image.digest, version: '2.113.0' });
      await under.runtime.pull(image, () => undefined, signal);
      await under.engine.docker('tag', pinned, under.image.reference);
      const quick = under.newRuntime({ resolveMs: 500 });
      const known = await quick.resolve(under.image.reference, signal);
      expect(known.digest).to.equal(under.image.digest);
    } finally {
      under.registry.thaw();
    }
  });

  it('takes an image that was never pushed by its id, and says that no other host has it', async () => {
    const built = await under.buildImage({ files: { '/v': 'local' }, command: ['true'] });
    const { docker } = under.engine;
    const directory = under.directory;
    await loadImage(docker, built, { directory, tag: 'local/cell:1.2.3' });
    const quick = under.newRuntime({ resolveMs: 500 });
    const image = await quick.resolve('local/cell:1.2.3', signal);
    expect(image).to.include({ digest: built.config.digest, version: '1.2.3' });
    await under.storageOf('i-local');
    await under.runtime.create(under.container('i-local', 'obedient', { image }), signal);
    const fact = await under.runtime.inspect('i-local', signal);
    expect(fact.imageDigest).to.equal(built.config.digest);
    const unknown = { reference: built.config.digest.replace(/.{6}$/, '000000'), digest: '' };
    const error = await errorOf(
      under.runtime.pull({ ...unknown, digest: unknown.reference }, () => undefined, signal),
    );
    expect(error.code).to.equal('not-found');
    expect(error.text).to.include('push it to a registry');
  });

  it('refuses what is no reference, and to create from an image that is not here', async () => {
    expect((await errorOf(under.runtime.resolve('Not a reference', signal))).code).to.equal(
      'invalid',
    );
    await under.storageOf('i-absent');
    const image = { ...under.image, digest: `sha256:${'1'.repeat(64)}` };
    const container = under.container('i-absent', 'obedient', { image });
    const error = await errorOf(under.runtime.create(container, signal));
    expect(error.code).to.equal('not-found');
    expect(error.text).to.include('pull it first');
    expect((await errorOf(under.runtime.pull(image, () => undefined, signal))).code).to.equal(
      'not-found',
    );
  });

  it('gives up a pull from a registry that accepts and stays silent, and an aborted one at once', async () => {
    under.registry.freeze();
    try {
      const digest = `sha256:${'2'.repeat(64)}`;
      const image = { reference: `${under.registry.address}/test/silent:1.0.0`, digest };
      const quick = under.newRuntime({ pullSilentMs: 700 });
      const started = performance.now();
      const error = await errorOf(quick.pull(image, () => undefined, signal));
      expect(error.code).to.equal('timeout');
      expect(error.text).to.include('registry');
      expect(performance.now() - started).to.be.lessThan(5000);
      const abort = new AbortController();
      const pulling = errorOf(under.runtime.pull(image, () => undefined, abort.signal));
      abort.abort();
      expect((await pulling).code).to.equal('aborted');
    } finally {
      under.registry.thaw();
    }
  });

  it('gives up a pull whose download stands still in its middle', async () => {
    const built = await under.buildImage({
      programs: ['/usr/bin/docker'], // some tens of megabytes
      command: ['true'],
    });
    const digest = await under.registry.push(built, 'test/stalling', '1.0.0');
    const stalling = under.start('stalling-proxy', [process.execPath, '-e', STALLING_PROXY]);
    await eventually('the proxy listens', async () =>
      (await run(['cat', stalling.logPath])).includes('ready'),
    );
    const reference = '127.0.0.1:5001/test/stalling:1.0.0';
    const quick = under.newRuntime({ pullSilentMs: 1500 });
    const told: string[] = [];
    const pulling = quick.pull({ reference, digest }, (text) => told.push(text), signal);
    const error = await errorOf(pulling);
    expect(error.code).to.equal('timeout');
    expect(error.text).to.match(/silent for 1.5 s \(0 of 1 layers, \d+ of \d+ MB\)/);
    await stalling.stop();
    const image = { reference: `${under.registry.address}/test/stalling:1.0.0`, digest };
    await under.runtime.pull(image, () => undefined, signal);
  });

  it('gives up an Engine that accepts and says nothing, in every call', async () => {
    const path = join(under.directory, 'mute.sock');
    mute = createServer((socket) => sockets.push(socket)).listen(path);
    const limits = { inspectMs: 200, listMs: 200, changeMs: 200, resolveMs: 200, stopSpareMs: 200 };
    const deadlines = { ...limits, pullSilentMs: 200 };
    const runtime = createDockerRuntime({ socketPath: path, log, deadlines });
    const fact = await runtime.inspect('m', signal);
    expect(fact.state).to.equal('unknown');
    expect(fact.error).to.include('gave no answer in 0.2 s');
    const calls: readonly Promise<unknown>[] = [
      runtime.resolve(under.image.reference, signal),
      runtime.pull(under.image, () => undefined, signal),
      runtime.create(under.container('m'), signal),
      runtime.start('m', signal),
      runtime.stop('m', 0, signal),
      runtime.remove('m', signal),
      runtime.tail('m', { sinceMs: 0, maxLines: 1 }, signal),
      runtime.list(signal),
      runtime.setRestartPolicyNo('m', signal),
    ];
    const codes = await Promise.all(calls.map(async (call) => (await errorOf(call)).code));
    expect(new Set(codes)).to.deep.equal(new Set(['timeout']));
  });
});

/** Passes a megabyte of each answer of the registry and then nothing, without closing. */
const STALLING_PROXY = `
  const net = require('node:net');
  net.createServer((client) => {
    const registry = net.connect(5000, '127.0.0.1');
    let left = 1 << 20;
    client.on('error', () => registry.destroy());
    registry.on('error', () => client.destroy());
    client.on('close', () => registry.destroy());
    client.pipe(registry, { end: false });
    registry.on('data', (chunk) => {
      if (left > 0) client.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) registry.pause();
    });
  }).listen(5001, '127.0.0.1', () => console.log('ready'));
`;
