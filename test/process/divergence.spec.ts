// Real programs: a mirror that somebody promoted by hand took writes, mirrors again, and says that all is well. It is found
// out, promoted by nobody, and cured by a reseed.
import { expect } from 'chai';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { connectCell } from '../standin/client.js';

const LEADER = '00.cortex';
const MIRROR = '01.cortex';
const WAIT_MS = 180_000;

describe('a mirror parts from its leader in silence', function () {
  this.timeout(600_000);
  let dir: string;
  let fleet: LocalFleet;
  let members: readonly CortexMember[];

  const storage = (name: string): string =>
    storageOf(
      dir,
      members.find((member) => member.name === name)!,
    );
  const viewOf = async (name: string) =>
    (await fleet.status()).services[0]?.members.find((member) => member.member === name);
  const stateBecomes = (name: string, state: string) =>
    eventually(`${name} is ${state}`, WAIT_MS, async () => (await viewOf(name))?.state === state);
  const write = async (name: string, count: number): Promise<void> => {
    const writer = await connectCell({ url: storage(name) });
    for (let i = 0; i < count; i += 1) await writer.write(`${name}-${i}`);
    writer.close();
  };
  const positionOf = async (name: string): Promise<number> => {
    const client = await connectCell({ url: storage(name) });
    const position = Number(await client.call({ method: 'getNexsIndx' }));
    client.close();
    return position;
  };

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    const [a = 0, b = 0] = await freePorts(2);
    members = [
      { name: LEADER, host: 'alpha', port: a },
      { name: MIRROR, host: 'bravo', upstream: LEADER, port: b },
    ];
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo'] });
    const image = await buildCellImage({ version: '2.180.0', outDir: join(dir, 'images') });
    const environment = { SYN_CELL_START_MS: '50' };
    const text = cortexManifest({ dir, image, members, environment });
    const path = join(dir, 'fleet.yaml');
    const often = '    kind: synapse\n    compareEvery: 2s\n';
    await writeFile(path, text.replace('    kind: synapse\n', often));
    await fleet.carryOut(['deploy', path]);
    await write(LEADER, 20);
  });
  after(async () => {
    await fleet.stop();
    for (const member of members) await killProcessesOn(storageOf(dir, member));
    await rm(dir, { recursive: true, force: true });
  });

  /** Returns the first entry that is another one. */
  const partInSilence = async (): Promise<number> => {
    await stateBecomes(MIRROR, 'mirroring');
    const stray = await connectCell({ url: storage(MIRROR) });
    const from = Number(await stray.call({ method: 'getNexsIndx' }));
    await stray.call({ method: 'promote', kwargs: { graceful: false } });
    for (let i = 0; i < 3; i += 1) await stray.write(`stray-${i}`);
    stray.close();
    await write(LEADER, 30);
    return from;
  };

  it('is compared while all is well, and is nobody’s finding', async () => {
    await eventually('it was compared', WAIT_MS, async () =>
      (await fleet.cli(['why', MIRROR])).stdout.includes('the same as that of 00.cortex'),
    );
    expect((await viewOf(MIRROR))?.problems).to.deep.equal([]);
  });

  it('is found with the first entry that differs, although it says that all is well', async () => {
    const from = await partInSilence();
    await stateBecomes(MIRROR, 'diverged');
    const exact = `from entry ${from} on`;
    await eventually(`it says ${exact}`, WAIT_MS, async () =>
      (await viewOf(MIRROR))?.problems.some((problem) => problem.includes(exact)),
    );
    // The service itself is content: it mirrors, is ready, and as far as its leader.
    const view = await viewOf(MIRROR);
    expect([view?.role, view?.ready]).to.deep.equal(['mirror', true]);
    await eventually(
      'it is as far as its leader',
      WAIT_MS,
      async () => (await positionOf(MIRROR)) === (await positionOf(LEADER)),
    );
    const why = await fleet.cli(['why', MIRROR]);
    expect(why.stdout).to.include('critical').and.include(exact);
  });

  it('is promoted by nobody', async () => {
    const refused = await fleet.cli(['plan', 'promote', 'cortex', '--to', MIRROR], [3]);
    expect(refused.stdout).to.include('diverged').and.include('leafward plan reseed cortex');
  });

  it('stays known when its leader’s agent is started anew and has forgotten what it told', async () => {
    fleet.agent('alpha')?.signal('SIGKILL');
    await fleet.agent('alpha')?.ended;
    await fleet.startAgent('alpha');
    await stateBecomes(LEADER, 'leading');
    await stateBecomes(MIRROR, 'diverged');
  });

  it('is cured by a reseed, and the finding goes', async () => {
    await fleet.carryOut(['reseed', 'cortex', MIRROR]);
    await stateBecomes(MIRROR, 'mirroring');
    await eventually('it was compared again', WAIT_MS, async () =>
      (await fleet.cli(['why', MIRROR])).stdout.includes('the same as that of 00.cortex'),
    );
    expect((await viewOf(MIRROR))?.problems).to.deep.equal([]);
    await fleet.carryOut(['promote', 'cortex', '--to', MIRROR]);
  });
});
