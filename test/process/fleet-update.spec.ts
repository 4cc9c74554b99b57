// The whole fleet is updated by one plan, its Cortex with little downtime, while somebody writes all the time: nothing
// that was acknowledged is lost, nobody leads beside another, and a second plan finds nothing to do.
import { expect } from 'chai';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesBelow, killProcessesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { servicesManifest } from '../fleet/services-manifest.js';
import { watchInvariants } from '../fleet/watch-invariants.js';
import { watchVersions } from '../fleet/watch-versions.js';
import { missingFrom, startWriter } from '../fleet/writer.js';
import { buildCellImage } from '../standin/build-cell-image.js';

const ENDS_MS = 180_000;

describe('an update of the fleet', function () {
  this.timeout(300_000);

  let dir = '';
  let fleet: LocalFleet;
  let aha: CortexMember;
  let tree: readonly CortexMember[];
  const storages = (members: readonly CortexMember[]): Record<string, string> =>
    Object.fromEntries(members.map((member) => [member.name, storageOf(dir, member)]));

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    const [a = 0, b = 0, c = 0, d = 0] = await freePorts(4);
    aha = { name: '00.aha', host: 'alpha', port: a };
    tree = [
      { name: '00.cortex', host: 'alpha', port: b },
      { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: c },
      { name: '02.cortex', host: 'charlie', upstream: '01.cortex', port: d },
    ];
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo', 'charlie'] });
    const images = join(dir, 'images');
    const image = await buildCellImage({ version: '2.180.0', outDir: images });
    await buildCellImage({ version: '2.250.0', outDir: images });
    const failover = '{ onIsolation: keep, lease: 5s }';
    const services = [
      { name: 'cortex', members: tree, failover },
      { name: 'aha', members: [aha], failover },
    ];
    const path = join(dir, 'fleet.yaml');
    await writeFile(path, servicesManifest({ dir, image, services }));
    await fleet.carryOut(['deploy', path], ENDS_MS);
  });

  /** They go on for ever unless they are stopped, also when something fails. */
  const begun: { stop(): Promise<void> }[] = [];

  after(async () => {
    await Promise.all(begun.map((one) => one.stop()));
    if (dir === '') return;
    await fleet.stop();
    for (const storage of Object.values(storages([aha, ...tree]))) await killProcessesOn(storage);
    await killProcessesBelow(dir);
    await rm(dir, { recursive: true, force: true });
  });

  it('goes by need, hands over to an updated mirror, and loses no acknowledged write', async () => {
    const writer = startWriter({ members: storages(tree), everyMs: 10 });
    begun.push(writer);
    await writer.untilNextWrite(ENDS_MS);
    await fleet.cli(['backup', 'run', 'cortex']);
    await fleet.cli(['backup', 'run', 'aha']);
    const update = ['update', '--fleet', '--to', 'v2.250.0', '--strategy', 'low-downtime'];
    const plan = await fleet.plan(update);
    expect(plan.moves.map((move) => `${move.kind} ${move.service}`)).to.deep.equal([
      'pull aha',
      'pull cortex',
      'recreate aha',
      ...['recreate cortex', 'recreate cortex', 'hand-over cortex', 'recreate cortex'],
    ]);
    const versions = watchVersions(storages([aha, ...tree]));
    const invariants = watchInvariants(storages(tree));
    begun.push(versions, invariants);
    await fleet.carryOut(update, ENDS_MS);
    await eventually('the new leader is written to', ENDS_MS, async () => {
      return (await writer.untilNextWrite(ENDS_MS)).member === '01.cortex';
    });
    await writer.stop();
    await versions.stop();
    await invariants.stop();
    expect(invariants.violations()).to.deep.equal([]);
    const order = ['00.aha', '02.cortex', '01.cortex', '00.cortex'];
    expect(versions.order('2.250.0')).to.deep.equal(order);
    for (const [member, storage] of Object.entries(storages(tree)))
      await eventually(`${member} has all that was acknowledged`, ENDS_MS, async () => {
        return (await missingFrom(storage, writer.acknowledged())).length === 0;
      });
    const again = await fleet.plan(update);
    expect(again.moves).to.deep.equal([]);
    expect(again.unchanged).to.have.length(4);
  });
});
