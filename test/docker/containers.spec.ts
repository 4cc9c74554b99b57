// What the Docker runtime owes beyond every runtime's obligations: containers as they are ordered, nobody
// else's touched, and nothing that starts by itself (I2).
import { expect } from 'chai';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import { eventually } from '../rig/conditions.js';
import { requireOrSkip } from '../rig/requirements.js';
import { startEngineUnderTest, signal, type EngineUnderTest } from './docker-subject.js';

interface Inspected {
  readonly Config: {
    readonly User: string;
    readonly Image: string;
    readonly StopTimeout: number;
    readonly Labels: Readonly<Record<string, string>>;
  };
  readonly HostConfig: {
    readonly Memory: number;
    readonly Init: boolean;
    readonly NetworkMode: string;
    readonly Ulimits: readonly { readonly Name: string; readonly Soft: number }[];
    readonly LogConfig: {
      readonly Type: string;
      readonly Config: Readonly<Record<string, string>>;
    };
  };
}

describe('containers of the Docker runtime', function () {
  this.timeout(60_000);
  let under: EngineUnderTest;
  before(async function () {
    requireOrSkip(this, 'engine');
    under = await startEngineUnderTest();
    await under.runtime.pull(under.image, () => undefined, signal);
  });
  after(() => under?.dispose());

  const inspect = async (name: string): Promise<Inspected> => {
    const [found] = JSON.parse(await under.engine.docker('inspect', name)) as Inspected[];
    if (found === undefined) throw new Error(`no container ${name}`);
    return found;
  };
  const refusal = async (promise: Promise<unknown>): Promise<LeafwardError> => {
    const error: unknown = await promise.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error instanceof LeafwardError) return error;
    throw new Error(`not refused: ${String(error)}`);
  };

  it('makes a container by digest with everything that its spec says', async () => {
    await under.storageOf('c-whole');
    const extra = await under.storageOf('c-whole-extra');
    const container = under.container('c-whole', 'obedient', {
      user: '999:999',
      limits: { memoryBytes: 64 << 20, openFiles: 512 },
      stopGraceMs: 7500,
      mounts: [{ source: extra, target: '/certs', readOnly: true }],
      command: ['/member', '{member}', '{storage}/sock'],
    });
    await under.runtime.create(container, signal);
    const made = await inspect('leafward-c-whole');
    expect(made.Config.Image).to.equal(`127.0.0.1:5000/test/member@${under.image.digest}`);
    expect(made.Config).to.include({ User: '999:999', StopTimeout: 8 });
    expect(made.Config.Labels).to.include({
      'leafward.member': 'c-whole',
      'leafward.service': 'test',
      'leafward.spec': container.specDigest,
      'leafward.image': under.image.digest,
    });
    expect(made.HostConfig).to.include({ Memory: 64 << 20, Init: true, NetworkMode: 'host' });
    expect(made.HostConfig.Ulimits[0]).to.include({ Name: 'nofile', Soft: 512 });
    expect(made.HostConfig.LogConfig.Config).to.deep.equal({ 'max-size': '20m', 'max-file': '5' });
    const cmd = await under.engine.docker('inspect', '-f', '{{.Config.Cmd}}', 'leafward-c-whole');
    expect(cmd.trim()).to.equal('[/member c-whole /data/sock]');
    const listed = (await under.runtime.list(signal)).find((one) => one.member === 'c-whole');
    expect(listed?.writes).to.deep.equal([container.spec.storage]); // a read-only mount writes nothing
  });

  it('refuses a mount source that does not exist, and makes no directory for it', async () => {
    const error = await refusal(under.runtime.create(under.container('c-no-storage'), signal));
    expect(error.code).to.equal('not-found');
    expect(error.text).to.include('storage/c-no-storage').and.to.include('make the directory');
    expect(await readdir(join(under.directory, 'storage'))).not.to.include('c-no-storage');
    expect((await under.runtime.inspect('c-no-storage', signal)).state).to.equal('absent');
  });

  it('refuses to start when its storage vanished meanwhile, and makes none', async () => {
    const storage = join(under.directory, 'storage', 'c-vanished');
    await mkdir(storage);
    await under.runtime.create(under.container('c-vanished'), signal);
    await rm(storage, { recursive: true });
    const error = await refusal(under.runtime.start('c-vanished', signal));
    expect(error.code).to.equal('not-found');
    expect(await readdir(join(under.directory, 'storage'))).not.to.include('c-vanished');
  });

  it('keeps secrets of the environment out of errors and facts (I14)', async () => {
    const environment = { SYN_AHA_PROVISION: 'ssl://aha:27272/0123secret', BEHAVIOUR: 'obedient' };
    const container = under.container('c-secret', 'obedient', { environment });
    const error = await refusal(under.runtime.create(container, signal));
    const seen = JSON.stringify([error.text, error.detail, String(error.cause)]);
    expect(seen).not.to.include('0123secret');
    await under.storageOf('c-secret');
    await under.runtime.create(container, signal);
    const facts = [
      await under.runtime.inspect('c-secret', signal),
      await under.runtime.list(signal),
    ];
    expect(JSON.stringify(facts)).not.to.include('0123secret');
  });

  it('lists a foreign container on the same storage, and takes its restart policy while it runs', async () => {
    const storage = await under.storageOf('c-shared');
    const argv = ['run', '--detach', '--name', 'compose-cortex', '--network', 'host'];
    const image = `${under.registry.address}/test/member@${under.image.digest}`;
    const mount = ['--restart', 'unless-stopped', '--volume', `${storage}:/data`];
    const environment = [
      '--env',
      'STORAGE=/data',
      '--env',
      'VALUE=x',
      '--env',
      'BEHAVIOUR=obedient',
    ];
    await under.engine.docker(...argv, ...mount, ...environment, image);
    const foreign = async (): Promise<unknown> =>
      (await under.runtime.list(signal)).find((one) => one.name === 'compose-cortex');
    const wanted = {
      name: 'compose-cortex',
      running: true,
      writes: [storage],
      networkMode: 'host',
    };
    expect(await foreign()).to.deep.include({ ...wanted, restartPolicy: 'unless-stopped' });
    expect(await foreign()).to.deep.include({ member: undefined });
    await under.runtime.setRestartPolicyNo('compose-cortex', signal);
    expect(await foreign()).to.deep.include({ ...wanted, restartPolicy: 'no' });
    await under.engine.docker('rm', '--force', 'compose-cortex');
  });

  it('touches nobody else’s container that has the name of a member', async () => {
    await under.storageOf('c-taken');
    await under.engine.docker('create', '--name', 'leafward-c-taken', under.image.reference);
    expect((await refusal(under.runtime.create(under.container('c-taken'), signal))).code).to.equal(
      'already-exists',
    );
    expect((await refusal(under.runtime.start('c-taken', signal))).code).to.equal('refused');
    expect((await refusal(under.runtime.remove('c-taken', signal))).code).to.equal('refused');
    const fact = await under.runtime.inspect('c-taken', signal);
    expect(fact.error).to.include('not made by Leafward');
    await under.engine.docker('rm', 'leafward-c-taken');
  });

  it('stops a member whose container somebody renamed: it still holds the storage (I9)', async () => {
    await under.begin('c-renamed');
    await under.engine.docker('rename', 'leafward-c-renamed', 'old-cortex');
    await under.runtime.stop('c-renamed', 5000, signal);
    const state = await under.engine.docker('inspect', '-f', '{{.State.Status}}', 'old-cortex');
    expect(state.trim()).to.equal('exited');
  });

  it('stops a paused one, and says so of a paused one', async () => {
    await under.begin('c-paused');
    await under.engine.docker('pause', 'leafward-c-paused');
    expect((await under.runtime.inspect('c-paused', signal)).state).to.equal('paused');
    await under.runtime.stop('c-paused', 1000, signal);
    expect((await under.runtime.inspect('c-paused', signal)).state).to.equal('exited');
  });

  it('gives the newest lines of a long log, from both streams, and cuts very long ones', async () => {
    const script =
      'i=0; while [ $i -lt 300 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done; head -c 100000 /dev/zero | tr "\\0" x; echo; echo last';
    await under.storageOf('c-log');
    const command = ['sh', '-c', script];
    await under.runtime.create(under.container('c-log', 'obedient', { command }), signal);
    await under.runtime.start('c-log', signal);
    await eventually('it is over', async () => {
      return (await under.runtime.inspect('c-log', signal)).state === 'exited';
    });
    const few = await under.runtime.tail('c-log', { sinceMs: 0, maxLines: 20 }, signal);
    expect(few.length).to.be.within(2, 20); // the Engine counts a long line as several
    const all = await under.runtime.tail('c-log', { sinceMs: 0, maxLines: 700 }, signal);
    expect(all).to.include('err 299').and.to.include('out 299');
    // Of one stream the order is kept; between the two there is none.
    const out = all.filter((line) => !line.startsWith('err'));
    expect(out.at(-1)).to.equal('last');
    expect(out.at(-2)).to.match(/^x{8192}$/);
    const later = { sinceMs: Date.now() + 60_000, maxLines: 20 };
    expect(await under.runtime.tail('c-log', later, signal)).to.deep.equal([]);
    expect(await under.runtime.tail('c-nobody', later, signal)).to.deep.equal([]);
  });

  it('says of one that was killed for want of memory that it was', async () => {
    await under.storageOf('c-memory');
    const command = ['sh', '-c', 'x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done'];
    const limits = { memoryBytes: 16 << 20 };
    await under.runtime.create(
      under.container('c-memory', 'obedient', { command, limits }),
      signal,
    );
    await under.runtime.start('c-memory', signal);
    const fact = await eventually('it was killed', async () => {
      const seen = await under.runtime.inspect('c-memory', signal);
      return seen.state === 'exited' ? seen : undefined;
    });
    expect(fact.error).to.include('memory');
  });

  it('tells why a container does not start', async () => {
    await under.storageOf('c-no-program');
    const command = ['/no/such/program'];
    await under.runtime.create(
      under.container('c-no-program', 'obedient', { command, engineOptions: { init: 'false' } }),
      signal,
    );
    const error = await refusal(under.runtime.start('c-no-program', signal));
    expect(error.text).to.include('/no/such/program');
    expect((await under.runtime.inspect('c-no-program', signal)).state).to.equal('created');
  });
});
