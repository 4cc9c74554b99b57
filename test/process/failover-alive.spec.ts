// A forced failover while the agent of the dead leader is alive: its word is the proof, no operator's is needed. Its
// host has a mirror of the same service too, which must follow the new leader.
import { expect } from 'chai';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn, processesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { startWriter } from '../fleet/writer.js';
import { buildCellImage } from '../standin/build-cell-image.js';

describe('a failover with the agent of the dead leader alive', function () {
  this.timeout(120_000);
  let dir: string;
  let fleet: LocalFleet;
  let members: readonly CortexMember[];
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    const [a = 0, b = 0, c = 0] = await freePorts(3);
    members = [
      // Slow to start: it is down for longer than the failover takes, although its agent starts it again.
      { name: '00.cortex', host: 'alpha', port: a, environment: { SYN_CELL_START_MS: '8000' } },
      { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: b },
      { name: '02.cortex', host: 'alpha', upstream: '00.cortex', port: c },
    ];
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo'] });
    const image = await buildCellImage({ version: '2.180.0', outDir: join(dir, 'images') });
    const path = join(dir, 'fleet.yaml');
    await writeFile(path, cortexManifest({ dir, image, members }));
    await fleet.carryOut(['deploy', path]);
  });
  after(async () => {
    await fleet.stop();
    for (const member of members) await killProcessesOn(storageOf(dir, member));
    await rm(dir, { recursive: true, force: true });
  });

  it('takes the word of the agent, and the mirror beside the old leader follows the new one', async () => {
    const storages = Object.fromEntries(members.map((m) => [m.name, storageOf(dir, m)]));
    const writer = startWriter({ members: storages, everyMs: 10 });
    await writer.untilNextWrite(10_000);
    await killProcessesOn(storages['00.cortex'] ?? '');
    await eventually('status shows that the leader is down', 90_000, async () => {
      const members = (await fleet.status()).services[0]?.members ?? [];
      return members.find((member) => member.member === '00.cortex')?.state !== 'leading';
    });
    const operation = await fleet.carryOut(['failover', 'cortex']);
    expect(operation.progress[0]?.note).to.include('its storage says retired');
    const next = await writer.untilNextWrite(10_000);
    expect(next.member).to.equal(operation.chosen);
    await writer.stop();
    await eventually('everybody follows', 90_000, async () => {
      const members = (await fleet.status()).services[0]?.members ?? [];
      const states = Object.fromEntries(members.map((m) => [m.member, m.state]));
      return (
        states['00.cortex'] === 'retired' &&
        Object.values(states).filter((state) => state === 'leading').length === 1 &&
        Object.values(states).filter((state) => state === 'mirroring').length === 1
      );
    });
    expect(await processesOn(storages['00.cortex'] ?? '')).to.deep.equal([]);
  });
});
