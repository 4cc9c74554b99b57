// An Engine that is restarted, killed, frozen or out of space under running members.
import { expect } from 'chai';
import { LeafwardError } from '@leafward/shared/errors.js';
import { eventually } from '../rig/conditions.js';
import { requireOrSkip } from '../rig/requirements.js';
import { startEngineUnderTest, signal, type EngineUnderTest } from './docker-subject.js';

describe('an Engine in trouble', function () {
  this.timeout(120_000);
  before(function () {
    requireOrSkip(this, 'engine');
  });

  const errorOf = async (promise: Promise<unknown>): Promise<LeafwardError> => {
    const error: unknown = await promise.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error instanceof LeafwardError) return error;
    throw new Error(`no error: ${String(error)}`);
  };
  const stateOf = async (under: EngineUnderTest, member: string): Promise<string> =>
    (await under.runtime.inspect(member, signal)).state;

  describe('with live-restore', () => {
    let under: EngineUnderTest;
    before(async () => {
      under = await startEngineUnderTest();
    });
    after(() => under?.dispose());

    it('is killed and back: members ran on, are known again, and the watch tells', async () => {
      await under.begin('f-killed');
      const earlier = await under.runtime.inspect('f-killed', signal);
      const watching = new AbortController();
      let changes = 0;
      under.runtime.watch(() => (changes += 1), watching.signal);
      await eventually('the watch is in place', () => changes > 0);
      const beforeKill = changes;
      await under.engine.kill();
      await eventually('the loss was told', () => changes > beforeKill);
      const away = await under.runtime.inspect('f-killed', signal);
      expect(away.state).to.equal('unknown');
      expect(away.error).to.include('start Docker');
      expect((await errorOf(under.runtime.stop('f-killed', 0, signal))).code).to.equal(
        'unavailable',
      );
      await under.engine.start();
      const later = await eventually('it is known again', async () => {
        const fact = await under.runtime.inspect('f-killed', signal);
        return fact.state === 'running' ? fact : undefined;
      });
      expect(later.id).to.equal(earlier.id);
      expect(await under.runs('f-killed')).to.equal(1);
      await under.runtime.stop('f-killed', 5000, signal);
      const known = changes;
      await under.runtime.start('f-killed', signal);
      await eventually('the watch listens again', () => changes > known);
      watching.abort();
    });

    it('is restarted while a member of policy no is down: it stays down (I2)', async () => {
      await under.begin('f-down');
      await under.runtime.stop('f-down', 5000, signal);
      await under.engine.stop();
      await under.engine.start();
      expect(await stateOf(under, 'f-down')).to.equal('exited');
      expect(await under.runs('f-down')).to.equal(1);
    });

    it('is frozen: every call gives up at its deadline, and all is well afterwards', async () => {
      await under.begin('f-frozen');
      under.engine.freeze();
      const quick = under.newRuntime({ inspectMs: 300, listMs: 300, changeMs: 300 });
      try {
        const fact = await quick.inspect('f-frozen', signal);
        expect(fact.state).to.equal('unknown');
        expect((await errorOf(quick.list(signal))).code).to.equal('timeout');
      } finally {
        under.engine.thaw();
      }
      expect(await stateOf(under, 'f-frozen')).to.equal('running');
    });
  });

  describe('without live-restore', () => {
    let under: EngineUnderTest;
    before(async () => {
      under = await startEngineUnderTest({ liveRestore: false });
    });
    after(() => under?.dispose());

    it('is restarted: what has a restart policy comes back, a member never by itself (I2)', async () => {
      await under.begin('f-restart');
      const storage = await under.storageOf('foreign');
      const options = ['--name', 'foreign', '--network', 'host', '--volume', `${storage}:/data`];
      const environment = ['--env', 'STORAGE=/data', '--env', 'BEHAVIOUR=obedient'];
      const argv = ['run', '--detach', '--restart', 'always', ...options, ...environment];
      await under.engine.docker(...argv, `127.0.0.1:5000/test/member@${under.image.digest}`);
      await eventually('both ran', async () => {
        return (await under.runs('f-restart')) === 1 && (await under.runs('foreign')) === 1;
      });
      await under.engine.stop();
      await under.engine.start();
      await eventually('the foreign one is back', async () => (await under.runs('foreign')) === 2);
      expect(await stateOf(under, 'f-restart')).to.equal('exited');
      expect(await under.runs('f-restart')).to.equal(1);
      await under.runtime.start('f-restart', signal);
      await eventually('it runs when told', async () => (await under.runs('f-restart')) === 2);
    });
  });

  describe('without space', () => {
    let under: EngineUnderTest;
    before(async () => {
      under = await startEngineUnderTest({ diskBytes: 48 << 20 });
    });
    after(() => under?.dispose());

    it('refuses a pull that does not fit as exhausted, and goes on with what it has', async () => {
      await under.begin('f-space');
      const built = await under.buildImage({ programs: [process.execPath], command: ['true'] });
      const digest = await under.registry.push(built, 'test/big', '1.0.0');
      const image = { reference: '127.0.0.1:5000/test/big:1.0.0', digest };
      const error = await errorOf(under.runtime.pull(image, () => undefined, signal));
      expect(error.code).to.equal('exhausted');
      expect(error.text).to.include('no space left').and.to.include('docker system df');
      expect(await under.runtime.hasImage(image, signal)).to.equal(false);
      expect(await stateOf(under, 'f-space')).to.equal('running');
      await under.runtime.stop('f-space', 5000, signal);
      await under.runtime.start('f-space', signal);
    });
  });
});
