// A controller whose store is gone: made anew from what the agents remember, while the services run on. Nobody is
// started for it, who was retired stays retired, and whoever was off meanwhile joins later.
import { expect } from 'chai';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backup, ServiceView } from '@leafward/shared/gen/domain.js';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn, processesOn } from '../fleet/processes.js';
import { eventually, freePorts, programs, startProgram } from '../fleet/programs.js';
import { missingFrom, startWriter, type Writer } from '../fleet/writer.js';
import { buildCellImage } from '../standin/build-cell-image.js';

/** What must be as before: everything but figures that always move. */
const lastingOf = (service: ServiceView | undefined) => ({
  term: service?.term,
  backup: service?.lastBackup?.name,
  members: service?.members.map(({ member, host, role, upstream, run, state, starts }) => ({
    member,
    host,
    role,
    upstream,
    run,
    state,
    starts,
  })),
});

describe('a controller that has lost its store', function () {
  this.timeout(300_000); // several fleets run at once on a small machine
  let dir: string;
  let fleet: LocalFleet;
  let manifest: string;
  let writer: Writer;
  let members: readonly CortexMember[];
  let asItWas: ReturnType<typeof lastingOf>;
  let backups: readonly Backup[];
  let pids: readonly (readonly number[])[];

  const stateDir = () => join(dir, 'controller');
  const storages = () => members.map((member) => storageOf(dir, member));
  const runningOn = () => Promise.all(storages().map((storage) => processesOn(storage)));
  const cortex = async () => (await fleet.status()).services[0];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    const [a = 0, b = 0, c = 0] = await freePorts(3);
    members = [
      { name: '00.cortex', host: 'alpha', port: a },
      { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: b },
      { name: '02.cortex', host: 'charlie', upstream: '00.cortex', port: c },
    ];
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo', 'charlie'] });
    const image = await buildCellImage({ version: '2.170.0', outDir: join(dir, 'images') });
    manifest = join(dir, 'fleet.yaml');
    const environment = { SYN_CELL_START_MS: '50', SYN_CELL_MIGRATE_MS: '100' };
    await writeFile(manifest, cortexManifest({ dir, image, members, environment }));
    await fleet.carryOut(['deploy', manifest]);
    await failOver();
    await fleet.cli(['backup', 'run', 'cortex']);
    const [, second = '', third = ''] = storages();
    writer = startWriter({ members: { '01.cortex': second, '02.cortex': third }, everyMs: 20 });
    await writer.untilNextWrite(10_000);
    asItWas = await eventually('everybody is well', 90_000, async () => {
      const now = lastingOf(await cortex());
      const states = now.members?.map(({ state }) => state).join();
      return states === 'leading,mirroring,retired' && now;
    });
    ({ backups } = await fleet.client.listBackups({}));
    pids = await runningOn();
  });
  const failOver = async (): Promise<void> => {
    fleet.agent('alpha')?.signal('SIGKILL');
    await fleet.agent('alpha')?.ended;
    await killProcessesOn(storages()[0] ?? '');
    await eventually('the controller has noticed', 90_000, async () =>
      (await fleet.status()).hosts.some((host) => host.host === 'alpha' && !host.connected),
    );
    const word = ['--leader-is-off', 'killed by the test'];
    await fleet.carryOut(['failover', 'cortex', '--to', '01.cortex', ...word]);
    await fleet.startAgent('alpha');
    await eventually(
      'the old leader is shown as retired',
      20_000,
      async () =>
        (await cortex())?.members.find(({ member }) => member === '00.cortex')?.state === 'retired',
    );
  };
  after(async () => {
    await writer?.stop();
    await fleet?.stop();
    for (const storage of storages()) await killProcessesOn(storage);
    await rm(dir, { recursive: true, force: true });
  });

  it('decides nothing while a host that could hold the leader is off', async () => {
    await fleet.agent('charlie')?.stop();
    fleet.controller().signal('SIGKILL');
    await fleet.controller().ended;
    for (const end of ['', '-wal', '-shm'])
      await rm(join(stateDir(), `store.sqlite${end}`), { force: true });
    const rebuilding = startProgram({
      name: 'rebuild',
      script: programs.controller,
      args: ['rebuild', '--state-dir', stateDir(), '--manifest', manifest, '--wait', '10m'],
      logPath: join(dir, 'logs', 'rebuild.log'),
    });
    const said = () => readFile(rebuilding.logPath, 'utf8');
    await eventually('two of three are heard', 90_000, async () =>
      (await said()).includes('heard: alpha, bravo\n'),
    );
    expect(await rebuilding.stop(60_000)).to.equal(4);
    const text = await said();
    expect(text).to.match(/Heard: alpha and bravo. Not heard: charlie./);
    expect(text).to.match(/cortex {2}open: charlie was not heard yet .*\[hosts-unheard\]/);
    const url = /leafward:\/\/\S+/.exec(text)?.[0] ?? '';
    await fleet.startController();
    await fleet.enrolAgain(url);
    await eventually('the controller waits for the third', 90_000, async () =>
      (await fleet.status()).problems.some((problem) =>
        problem.startsWith('cortex is not rebuilt yet: charlie was not heard'),
      ),
    );
    expect((await fleet.status()).services).to.deep.equal([]);
    const deploy = await fleet.cli(['plan', 'deploy', manifest], [3]);
    expect(deploy.stderr).to.include('not rebuilt yet');
  });

  it('shows everything as it was once that host is back, and nobody was started', async () => {
    await fleet.startAgent('charlie');
    await eventually('the service is as before', 90_000, async () => {
      const now = lastingOf(await cortex());
      return JSON.stringify(now) === JSON.stringify(asItWas);
    });
    expect(await runningOn()).to.deep.equal(pids);
    expect((await fleet.client.listBackups({})).backups).to.deep.equal(backups);
    expect((await fleet.status()).problems.join('\n')).not.to.include('rebuilt');
    const { stdout } = await fleet.cli(['plan', 'deploy', manifest], [0, 3]);
    expect(stdout).to.include('01.cortex is as it should be');
  });

  it('carries an update out afterwards, and the retired member is left alone', async () => {
    const image = await buildCellImage({ version: '2.171.0', outDir: join(dir, 'images') });
    const operation = await fleet.carryOut(['update', 'cortex', '--image', image]);
    expect(operation.moves.map(({ kind }) => kind)).to.deep.equal(['pull', 'recreate', 'recreate']);
    await writer.untilNextWrite(20_000);
    const acknowledged = [...writer.acknowledged()];
    expect(await missingFrom(storages()[1] ?? '', acknowledged)).to.deep.equal([]);
    expect(await processesOn(storages()[0] ?? '')).to.deep.equal([]);
  });
});
