// After a forced failover the old leader's host comes back: without network, with it, and with its agent's state
// wiped. Nothing ever starts from the retired storage (I2).
import { expect } from 'chai';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn, processesOn } from '../fleet/processes.js';
import { eventually, freePorts, programs, runProgram } from '../fleet/programs.js';
import { connectCell } from '../standin/client.js';
import { buildCellImage } from '../standin/build-cell-image.js';

/** Longer than an agent takes from its start to starting a member that it may start (measured: under 1 s). */
const WATCHED_MS = 4000;

describe("a retired leader's host comes back", function () {
  this.timeout(120_000);
  let dir: string;
  let fleet: LocalFleet;
  let storage: string;
  let members: readonly CortexMember[];

  const startsWhile = async (act: () => Promise<void>): Promise<number> => {
    const pids = new Set<number>();
    let isOver = false;
    const watch = (async () => {
      while (!isOver) {
        for (const pid of await processesOn(storage)) pids.add(pid);
        await delay(20);
      }
    })();
    await act();
    await delay(WATCHED_MS);
    isOver = true;
    await watch;
    return pids.size;
  };
  const killAgent = async (): Promise<void> => {
    fleet.agent('alpha')?.signal('SIGKILL');
    await fleet.agent('alpha')?.ended;
  };
  const stateOfOld = async () =>
    (await fleet.status()).services[0]?.members.find((member) => member.member === '00.cortex');

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    const [a = 0, b = 0] = await freePorts(2);
    members = [
      { name: '00.cortex', host: 'alpha', port: a },
      { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: b },
    ];
    storage = storageOf(dir, { name: '00.cortex', host: 'alpha', port: a });
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo'] });
    const image = await buildCellImage({ version: '2.180.0', outDir: join(dir, 'images') });
    const path = join(dir, 'fleet.yaml');
    const environment = { SYN_CELL_START_MS: '50' };
    await writeFile(path, cortexManifest({ dir, image, members, environment }));
    await fleet.carryOut(['deploy', path]);
    const writer = await connectCell({ url: storage });
    for (let i = 0; i < 20; i += 1) await writer.write(`write-${i}`);
    writer.close();
    await killAgent();
    await killProcessesOn(storage);
    await eventually('the controller has noticed', 90_000, async () =>
      (await fleet.status()).hosts.some((host) => host.host === 'alpha' && !host.connected),
    );
    await fleet.carryOut(['failover', 'cortex', '--leader-is-off', 'killed by the test']);
  });
  after(async () => {
    await fleet.stop();
    for (const member of members) await killProcessesOn(storageOf(dir, member));
    await rm(dir, { recursive: true, force: true });
  });

  it('without a controller in reach: its agent still believes that it leads, and does not start it', async () => {
    await fleet.controller().stop();
    const starts = await startsWhile(() => fleet.startAgent('alpha'));
    expect(starts).to.equal(0);
    const status = await runProgram(programs.agent, [
      'status',
      '--state-dir',
      fleet.agentDir('alpha'),
    ]);
    expect(status.stdout).to.include('00.cortex');
    await killAgent();
    await fleet.startController();
  });

  it('with the controller: it learns that it was retired and marks the storage', async () => {
    const starts = await startsWhile(async () => {
      await fleet.startAgent('alpha');
      await eventually(
        'status says retired',
        20_000,
        async () => (await stateOfOld())?.state === 'retired',
      );
    });
    expect(starts).to.equal(0);
    expect((await stateOfOld())?.startsSinceRetired).to.equal(0);
    const marker = JSON.parse(await readFile(join(storage, '.leafward.json'), 'utf8')) as {
      readonly retired?: { readonly term: number };
    };
    expect(marker.retired?.term).to.equal(2);
    const mods = await readFile(join(storage, 'cell.mods.yaml'), 'utf8');
    expect(mods).to.match(/mirror: .*tcp:/);
  });

  it('after a reboot without a controller: nothing starts', async () => {
    await killAgent();
    await fleet.controller().stop();
    expect(await startsWhile(() => fleet.startAgent('alpha'))).to.equal(0);
    await killAgent();
    await fleet.startController();
  });

  it('with its agent wiped and enrolled anew: nothing starts', async () => {
    await rm(fleet.agentDir('alpha'), { recursive: true });
    await fleet.cli(['host', 'revoke', 'alpha', '--reason', 'reinstalled']);
    const { url } = await fleet.cliJson<{ readonly url: string }>(['host', 'invite', 'alpha']);
    const enrolled = await runProgram(programs.agent, [
      'enroll',
      url,
      '--state-dir',
      fleet.agentDir('alpha'),
    ]);
    expect(enrolled.code, enrolled.stderr).to.equal(0);
    const starts = await startsWhile(async () => {
      await fleet.startAgent('alpha');
      await eventually(
        'status says retired',
        20_000,
        async () => (await stateOfOld())?.state === 'retired',
      );
    });
    expect(starts).to.equal(0);
  });

  it('started by hand: it does not lead, and its agent stops it and says so', async () => {
    const image = await buildCellImage({ version: '2.180.0', outDir: join(dir, 'images') });
    const byHand = runProgram(image, [storage], { SYN_CELL_START_MS: '0' });
    const hasLed = await eventually(
      'the hand-started one answered or was stopped',
      20_000,
      async () => {
        const client = await connectCell({ url: storage, deadlineMs: 300 }).catch(() => undefined);
        if (client === undefined) return (await processesOn(storage)).length === 0 && 'stopped';
        const isActive = await client.call({ method: 'isCellActive' }).catch(() => false);
        client.close();
        return isActive === true ? 'led' : 'followed';
      },
      20,
    );
    expect(hasLed).to.not.equal('led');
    await killProcessesOn(storage);
    await byHand;
  });
});
