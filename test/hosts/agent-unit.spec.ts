// The bundled agent as a hardened systemd unit: it enrols, comes up, and may stop, hang and be replaced without
// any member noticing, whichever runtime the member has.
import { expect } from 'chai';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Backup, MemberView, Operation } from '@leafward/shared/gen/domain.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { pushCellImage } from '../rig/cell-image.js';
import { eventually } from '../rig/conditions.js';
import type { Host } from '../rig/host.js';
import { requireOrSkip } from '../rig/requirements.js';
import { startRigFleet, type RigFleet } from '../rig/rig-fleet.js';
import { createRig, type Rig } from '../rig/rig.js';

const UNIT = 'leafward-agent.service';
const deploy = join(import.meta.dirname, '../../../deploy/systemd');

describe('the agent as a unit', function () {
  this.timeout(180_000);
  let rig: Rig;
  let fleet: RigFleet;
  let alpha: Host;
  let reference: string;
  before(async function () {
    requireOrSkip(this, 'hosts');
    rig = await createRig({ hosts: ['alpha'], onDisk: ['/srv'] });
    alpha = rig.host('alpha');
    const [registry] = await Promise.all([rig.startRegistry(), rig.boot()]);
    reference = (await pushCellImage(rig, registry, '2.113.0')).reference;
    fleet = await startRigFleet(rig);
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await rig?.keepArtifacts(this.currentTest.title);
  });
  after(() => rig?.dispose());

  const show = async (property: string): Promise<string> =>
    (await alpha.exec(['systemctl', 'show', '--value', `--property=${property}`, UNIT])).trim();
  const member = async (name: string): Promise<MemberView | undefined> =>
    (await fleet.status()).services.flatMap((one) => one.members).find((m) => m.member === name);
  const untilReady = (name: string): Promise<MemberView> =>
    eventually(`${name} is ready`, async () => {
      const seen = await member(name);
      return seen?.ready === true ? seen : undefined;
    });
  /** Process ids of the members' programs, as the host numbers them. */
  const cells = async (): Promise<string> =>
    (await alpha.exec(['sh', '-c', 'pgrep -f "/cell.*[.]cjs" | sort -n'])).trim();

  it('is up when systemd says so, connected, and says how it is', async () => {
    await fleet.enrol(alpha);
    expect(await show('ActiveState')).to.equal('active');
    await fleet.untilConnected('alpha');
    await eventually('it says so', async () => (await show('StatusText')).includes('members run'));
    expect(await show('NRestarts')).to.equal('0');
  });

  it('runs members of both runtimes', async () => {
    const cell = await buildCellImage({ version: '2.113.0', outDir: join(rig.directory, 'cells') });
    await alpha.install(cell, '/usr/lib/cells/cell-2.113.0.cjs');
    await alpha.exec([
      'sh',
      '-c',
      'mkdir -p /srv/syn/00.box /srv/syn/00.plain; chown 999 /srv/syn/*',
    ]);
    const path = join(rig.directory, 'fleet.yaml');
    await writeFile(path, manifest(alpha.address, reference));
    const plan = await fleet.plan(['deploy', path]);
    expect(plan.refusals).to.deep.equal([]);
    await fleet.apply(plan);
    await untilReady('00.box');
    await untilReady('00.plain');
    expect((await cells()).split('\n').length).to.be.greaterThan(1);
  });

  it('runs the snapshot command outside of its own restrictions', async () => {
    // A mount namespace is what the unit lets nobody make, the agent and its members among them.
    const { operation } = await fleet.cliJson<{ readonly operation: Operation }>([
      ...['backup', 'run', 'plain', '--snapshot'],
    ]);
    expect(operation.progress[0]?.note).to.match(/it printed: user 0, free/);
  });

  it('drills backups of containers, and of processes where it is let to', async () => {
    const drill = async (service: string) => {
      await fleet.cli(['backup', 'run', service]);
      const [newest] = await fleet.cliJson<readonly Backup[]>(['backup', 'list', service]);
      return fleet.tryCli(['backup', 'drill', newest?.name ?? '', '-o', 'json']);
    };
    const found = ({ stdout }: { readonly stdout: string }) =>
      (JSON.parse(stdout) as { readonly drill?: Backup['drill'] }).drill;
    expect(found(await drill('box'))).to.include({ ok: true, version: '2.113.0' });
    const refused = await drill('plain');
    expect(refused.code, refused.stdout).to.equal(3);
    expect(refused.stderr).to.include('drill-processes.conf');
    const dropIn = join(deploy, 'drill-processes.conf');
    await alpha.install(dropIn, `/etc/systemd/system/${UNIT}.d/drill-processes.conf`);
    await alpha.exec(['systemctl', 'daemon-reload']);
    await alpha.exec(['systemctl', 'restart', UNIT]);
    await fleet.untilConnected('alpha');
    await untilReady('00.plain');
    expect(found(await drill('plain'))).to.include({ ok: true, version: '2.113.0' });
  });

  it('stops, starts and is killed without a member noticing', async () => {
    const running = await cells();
    await alpha.exec(['systemctl', 'stop', UNIT], { timeoutMs: 10_000 }); // at once, not by a kill after 30 s
    expect(await show('Result')).to.equal('success');
    expect(await cells()).to.equal(running);
    await fleet.untilConnected('alpha', false);
    await alpha.exec(['systemctl', 'start', UNIT]);
    await fleet.untilConnected('alpha');
    await alpha.killUnit(UNIT, 'SIGKILL');
    await eventually('systemd starts it again', async () => (await show('NRestarts')) === '1');
    await fleet.untilConnected('alpha');
    await untilReady('00.box');
    await untilReady('00.plain');
    expect(await cells()).to.equal(running);
  });

  it('is restarted by the watchdog when it hangs, again without a member noticing', async () => {
    const running = await cells();
    await alpha.write(`/etc/systemd/system/${UNIT}.d/soon.conf`, '[Service]\nWatchdogSec=4\n');
    await alpha.exec(['systemctl', 'daemon-reload']);
    await alpha.exec(['systemctl', 'restart', UNIT]);
    const main = await show('MainPID');
    await alpha.exec(['kill', '-STOP', main]);
    await eventually('another one runs', async () => {
      const now = await show('MainPID');
      return now !== main && now !== '0' && (await show('ActiveState')) === 'active';
    });
    await fleet.untilConnected('alpha');
    expect(await cells()).to.equal(running);
  });

  it('comes back after a power cut with its members', async () => {
    await alpha.powerCut();
    await alpha.boot();
    await fleet.untilConnected('alpha');
    await untilReady('00.box');
    await untilReady('00.plain');
  });
});

function manifest(address: string, image: string): string {
  return `fleet: rig
hosts:
  alpha: { address: ${address} }
services:
  box:
    kind: synapse
    image: ${image}
    members:
      00.box: { host: alpha, storage: /srv/syn/00.box }
  plain:
    kind: synapse
    runtime: process
    image: /usr/lib/cells/cell-2.113.0.cjs
    command: ['${process.execPath}', '{image}', '{storage}']
    backup:
      snapshot:
        command: [/bin/sh, -c, 'echo user $(id -u), $(unshare -m echo free || echo bound)']
        freeze: false
    members:
      00.plain: { host: alpha, storage: /srv/syn/00.plain }
`;
}
