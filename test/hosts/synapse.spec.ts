// A whole Synapse by the guide on three booted hosts with Docker: deployed through AHA's one-time URLs, updated as a fleet
// leafs first, then its Cortex with little downtime, while somebody writes all the time.
import { expect } from 'chai';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MEMBERS, NETWORK } from '../fleet/aha-manifest.js';
import { watchInvariants } from '../fleet/watch-invariants.js';
import { watchVersions } from '../fleet/watch-versions.js';
import { missingFrom, startWriter, type Writer } from '../fleet/writer.js';
import { pushCellImage } from '../rig/cell-image.js';
import { eventually } from '../rig/conditions.js';
import type { Host } from '../rig/host.js';
import type { Registry } from '../rig/registry.js';
import { requireOrSkip } from '../rig/requirements.js';
import { startRigFleet, type RigFleet } from '../rig/rig-fleet.js';
import { createRig, type Rig } from '../rig/rig.js';

const [OLD, NEW, NEWEST] = ['2.113.0', '2.180.0', '2.190.0'] as const;
const ENDS_MS = 300_000;

describe('a Synapse by the guide on three booted hosts', function () {
  this.timeout(400_000);
  let rig: Rig;
  let fleet: RigFleet;
  let registry: Registry;
  let writer: Writer;
  let path: string;
  const hostOf = (member: string): Host =>
    rig.host(MEMBERS.find(([name]) => name === member)?.[1] ?? '');
  const storages = (names: readonly string[]): Readonly<Record<string, string>> =>
    Object.fromEntries(
      names.map((name) => [name, hostOf(name).onMachine(`/srv/syn/${name}/storage`)]),
    );
  const all = MEMBERS.map(([name]) => name);
  const tree = all.filter((name) => name.endsWith('.cortex'));
  let isBroken = false;
  beforeEach(function () {
    if (isBroken) this.skip();
  });
  afterEach(async function () {
    isBroken ||= this.currentTest?.state === 'failed';
    if (this.currentTest?.state === 'failed') await rig?.keepArtifacts(this.currentTest.title);
  });

  before(async function () {
    requireOrSkip(this, 'hosts');
    rig = await createRig({ hosts: ['alpha', 'bravo', 'charlie'], onDisk: ['/srv'] });
    [registry] = await Promise.all([rig.startRegistry(), rig.boot()]);
    for (const version of [OLD, NEW, NEWEST]) await pushCellImage(rig, registry, version);
    fleet = await startRigFleet(rig);
    await Promise.all(rig.hosts.map((host) => fleet.enrol(host)));
    await Promise.all(rig.hosts.map((host) => fleet.untilConnected(host.name)));
  });
  after(async () => {
    await writer?.stop();
    await rig?.dispose();
  });

  it('is deployed by one plan, through one-time URLs that no container shows', async () => {
    path = join(rig.directory, 'fleet.yaml');
    await writeFile(path, manifestOf(rig, `${registry.address}/cell:${OLD}`));
    const plan = await fleet.plan(['deploy', path]);
    expect(plan.refusals).to.deep.equal([]);
    await fleet.apply(plan, ENDS_MS);
    await fleet.untilSettled();
    for (const name of all) {
      const shown = await hostOf(name).exec(['docker', 'inspect', `leafward-${name}`]);
      expect(shown, name).to.not.match(/certhash|AHA_PROVISION"/);
    }
    const owner = ['stat', '--format=%u %a', '/srv/syn/02.cortex/storage'];
    expect((await hostOf('02.cortex').exec(owner)).trim()).to.equal('999 700');
    const again = await fleet.plan(['deploy', path]);
    expect([again.moves, again.refusals]).to.deep.equal([[], []]);
  });

  it('is updated as a fleet, what others need first and leafs before leaders', async () => {
    writer = startWriter({ members: storages(tree), everyMs: 10 });
    await writer.untilNextWrite(30_000);
    for (const service of ['aha', 'axon', 'jsonstor', 'cortex'])
      await fleet.cli(['backup', 'run', service]);
    const versions = watchVersions(storages(all));
    const invariants = watchInvariants(storages(tree));
    const plan = await fleet.plan(['update', '--fleet', '--to', NEW]);
    expect(plan.refusals).to.deep.equal([]);
    await fleet.apply(plan, ENDS_MS);
    await versions.stop();
    await invariants.stop();
    expect(invariants.violations()).to.deep.equal([]);
    const order = versions.order(NEW);
    expect(order[0]).to.equal('00.aha');
    expect(order.slice(1, 3).sort()).to.deep.equal(['00.axon', '00.jsonstor']);
    expect(order.slice(3)).to.deep.equal(['02.cortex', '01.cortex', '00.cortex']);
  });

  it('its Cortex is updated with little downtime, and nothing that was acknowledged is lost', async () => {
    await fleet.untilSettled();
    await fleet.cli(['backup', 'run', 'cortex']);
    const invariants = watchInvariants(storages(tree));
    const image = `${registry.address}/cell:${NEWEST}`;
    const update = ['update', 'cortex', '--image', image, '--strategy', 'low-downtime'];
    const plan = await fleet.plan(update);
    expect(plan.moves.map(({ kind }) => kind)).to.deep.equal([
      'pull',
      ...['recreate', 'recreate', 'hand-over', 'recreate'],
    ]);
    await fleet.apply(plan, ENDS_MS);
    await eventually('writes go to the new leader', async () => {
      return (await writer.untilNextWrite(60_000)).member === '01.cortex';
    });
    await writer.stop();
    await invariants.stop();
    expect(invariants.violations()).to.deep.equal([]);
    for (const [name, storage] of Object.entries(storages(tree)))
      await eventually(`${name} has all that was acknowledged`, async () => {
        return (await missingFrom(storage, writer.acknowledged())).length === 0;
      });
  });
});

/** The process test's fleet, as containers in the hosts' own networks. */
function manifestOf(rig: Rig, image: string): string {
  const hosts = rig.hosts.map(({ name, address }) => `  ${name}: { address: ${address} }`);
  const members = (service: string): readonly string[] =>
    MEMBERS.flatMap(([name, host, upstream], index) =>
      name.endsWith(`.${service}`)
        ? [
            `      ${name}: { host: ${host}, ports: { telepath: ${27_492 + index}, https: ${4443 + index} }${upstream === undefined ? '' : `, upstream: ${upstream}`} }`,
          ]
        : [],
    );
  const service = (
    name: string,
    environment: Readonly<Record<string, string>>,
    extra: readonly string[] = [],
  ): readonly string[] => [
    `  ${name}:`,
    '    kind: synapse',
    `    image: ${image}`,
    '    networkMode: host',
    '    storage: /srv/syn/{member}/storage',
    '    failover: { onIsolation: keep }',
    ...extra,
    `    environment: ${JSON.stringify({
      SYN_CELL_LISTEN: 'tcp://{address}:{port.telepath}',
      SYN_CELL_START_MS: '100',
      SYN_CELL_MIGRATE_MS: '500',
      ...environment,
    })}`,
    '    members:',
    ...members(name),
  ];
  const provision = `    provision: { aha: aha, network: ${NETWORK} }`;
  const [alpha] = rig.hosts;
  return [
    'fleet: rig',
    'hosts:',
    ...hosts,
    'services:',
    ...service(
      'cortex',
      {
        SYN_CORTEX_AXON: `aha://axon.${NETWORK}`,
        SYN_CORTEX_JSONSTOR: `aha://jsonstor.${NETWORK}`,
      },
      [provision, '    after: [axon, jsonstor]'],
    ),
    ...service('axon', { SYN_CELL_TYPE: 'axon' }, [provision]),
    ...service('jsonstor', { SYN_CELL_TYPE: 'jsonstor' }, [provision]),
    ...service('aha', {
      SYN_AHA_AHA_NAME: 'aha',
      SYN_AHA_AHA_NETWORK: NETWORK,
      SYN_AHA_DMON_LISTEN: 'tcp://{address}:{port.telepath}',
      SYN_AHA_PROVISION_LISTEN: `tcp://${alpha?.address ?? ''}:27272`,
    }),
    '',
  ].join('\n');
}
