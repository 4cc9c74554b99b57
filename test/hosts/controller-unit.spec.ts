// The controller as a hardened unit under a user of its own, set up as deploy/systemd/README.md says.
import { expect } from 'chai';
import { join } from 'node:path';
import { eventually } from '../rig/conditions.js';
import type { Host } from '../rig/host.js';
import { requireOrSkip } from '../rig/requirements.js';
import { createRig, type Rig } from '../rig/rig.js';

const repository = join(import.meta.dirname, '../../..');
const UNIT = 'leafward-controller.service';

describe('the controller as a unit', function () {
  this.timeout(120_000);
  let rig: Rig;
  let host: Host;
  before(async function () {
    requireOrSkip(this, 'hosts');
    const readOnly = [[repository, '/opt/leafward']] as const;
    rig = await createRig({ hosts: ['keeper'], docker: false, readOnly });
    host = rig.host('keeper');
    await rig.boot();
    await host.exec(['useradd', '--system', '--shell', '/usr/sbin/nologin', 'leafward']);
    const program = '/opt/leafward/packages/controller/dist/bin.js';
    const wrapper = `#!/bin/sh\nexec ${process.execPath} ${program} "$@"\n`;
    await host.write('/usr/bin/leafward-controller', wrapper, 0o755);
    const unit = join(repository, 'deploy/systemd', UNIT);
    await host.install(unit, `/etc/systemd/system/${UNIT}`);
    await host.exec(['systemctl', 'daemon-reload']);
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await rig?.keepArtifacts(this.currentTest.title);
  });
  after(() => rig?.dispose());

  const show = async (property: string): Promise<string> =>
    (await host.exec(['systemctl', 'show', '--value', `--property=${property}`, UNIT])).trim();
  const isHealthy = async (): Promise<boolean> =>
    (await host.tryExec(['curl', '-sf', 'http://127.0.0.1:9464/healthz'])).code === 0;

  it('is skipped until it was initialized', async () => {
    await host.exec(['systemctl', 'enable', '--now', UNIT]);
    expect(await show('ActiveState')).to.equal('inactive');
    expect(await show('ConditionResult')).to.equal('no');
  });

  it('serves under its own user, with its state closed to others', async () => {
    const directory = '/var/lib/leafward-controller';
    await host.exec(['install', '-d', '-o', 'leafward', '-g', 'leafward', '-m', '700', directory]);
    const init = ['leafward-controller', 'init', '--fleet', 'rig', '--name', host.address];
    await host.exec(['runuser', '-u', 'leafward', '--', ...init]);
    await host.exec(['systemctl', 'start', UNIT]);
    expect(await show('ActiveState')).to.equal('active');
    expect(await isHealthy()).to.equal(true);
    const owner = await host.exec(['ps', '-o', 'user=', '-p', await show('MainPID')]);
    expect(owner.trim()).to.equal('leafward');
    const closed = await host.exec(['stat', '-c', '%U %a', directory]);
    expect(closed.trim()).to.equal('leafward 700');
  });

  it('is restarted by the watchdog when it hangs', async () => {
    await host.write(`/etc/systemd/system/${UNIT}.d/soon.conf`, '[Service]\nWatchdogSec=4\n');
    await host.exec(['systemctl', 'daemon-reload']);
    await host.exec(['systemctl', 'restart', UNIT]);
    const main = await show('MainPID');
    await host.exec(['kill', '-STOP', main]);
    await eventually('another one serves', async () => {
      return (await show('MainPID')) !== main && (await isHealthy());
    });
  });

  it('is back after a power cut, and stops when told', async () => {
    await host.powerCut();
    await host.boot();
    await eventually('it serves', isHealthy);
    await host.exec(['systemctl', 'stop', UNIT], { timeoutMs: 10_000 });
    expect(await show('Result')).to.equal('success');
  });
});
