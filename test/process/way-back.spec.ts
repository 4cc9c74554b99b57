// The way back from an update: the old image and the backup of before, on every member, by one plan. What was written since
// is gone, nobody runs the new version any more, and mirrors have what the leader has.
import { expect } from 'chai';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backup } from '@leafward/shared/gen/domain.js';
import { storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesBelow, killProcessesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { servicesManifest } from '../fleet/services-manifest.js';
import { missingFrom, startWriter } from '../fleet/writer.js';
import { buildCellImage } from '../standin/build-cell-image.js';

const [OLD, NEW] = ['2.180.0', '2.250.0'] as const;
const ENDS_MS = 180_000;

describe('the way back from an update', function () {
  this.timeout(300_000);

  let dir = '';
  let fleet: LocalFleet;
  let tree: readonly CortexMember[];
  let oldImage = '';
  let newImage = '';
  const storages = (): Record<string, string> =>
    Object.fromEntries(tree.map((member) => [member.name, storageOf(dir, member)]));

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    const [a = 0, b = 0] = await freePorts(2);
    tree = [
      { name: '00.cortex', host: 'alpha', port: a },
      { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: b },
    ];
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo'] });
    const outDir = join(dir, 'images');
    oldImage = await buildCellImage({ version: OLD, outDir });
    newImage = await buildCellImage({ version: NEW, outDir });
    const failover = '{ onIsolation: keep, lease: 5s }';
    const path = join(dir, 'fleet.yaml');
    const services = [{ name: 'cortex', members: tree, failover }];
    await writeFile(path, servicesManifest({ dir, image: oldImage, services }));
    await fleet.carryOut(['deploy', path]);
  });

  after(async () => {
    if (dir === '') return;
    await fleet.stop();
    for (const storage of Object.values(storages())) await killProcessesOn(storage);
    await killProcessesBelow(dir);
    await rm(dir, { recursive: true, force: true });
  });

  it('is the old image and the backup of before, by one plan', async () => {
    const before = startWriter({ members: storages(), everyMs: 20, prefix: 'before' });
    await before.untilNextWrite(ENDS_MS);
    await before.stop();
    await fleet.cli(['backup', 'run', 'cortex']);
    const [backup] = await fleet.cliJson<readonly Backup[]>(['backup', 'list']);
    await fleet.carryOut(['update', 'cortex', '--image', newImage], ENDS_MS);
    const since = startWriter({ members: storages(), everyMs: 20, prefix: 'since' });
    await since.untilNextWrite(ENDS_MS);
    await since.stop();
    const back = ['restore', 'cortex', '--backup', backup?.name ?? '', '--image', oldImage];
    await fleet.carryOut([...back, '--wipe'], ENDS_MS);
    await eventually('both lead and mirror with the old version', ENDS_MS, async () => {
      const { services } = await fleet.status();
      const seen = services[0]?.members.map(({ state, version }) => `${state} ${version}`).sort();
      return seen?.join() === `leading ${OLD},mirroring ${OLD}`;
    });
    for (const [name, storage] of Object.entries(storages()))
      await eventually(`${name} has what was written before`, ENDS_MS, async () => {
        return (await missingFrom(storage, before.acknowledged())).length === 0;
      });
    for (const storage of Object.values(storages()))
      expect(await missingFrom(storage, since.acknowledged())).to.have.length(
        since.acknowledged().length,
      );
  });
});
