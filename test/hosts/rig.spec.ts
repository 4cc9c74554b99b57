// The rig itself: what the scenarios on real hosts stand on.
import { expect } from 'chai';
import { existsSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { eventually } from '../rig/conditions.js';
import type { Host } from '../rig/host.js';
import { run, start } from '../rig/processes.js';
import { makeRigDirectory, recordPathOf, removeRemains } from '../rig/remains.js';
import { createRig, type Rig } from '../rig/rig.js';
import { requireOrSkip } from '../rig/requirements.js';

describe('three booted hosts', function () {
  this.timeout(120_000);
  let rig: Rig;
  let image: string;
  before(async function () {
    requireOrSkip(this, 'hosts');
    rig = await createRig({ hosts: ['alpha', 'bravo', 'charlie'] });
    const [registry, built] = await Promise.all([
      rig.startRegistry(),
      rig.buildImage({ command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'] }),
      rig.boot(),
    ]);
    image = `${registry.address}/test/idle@${await registry.push(built, 'test/idle', '1.0.0')}`;
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await rig?.keepArtifacts(this.currentTest.title);
  });
  after(() => rig?.dispose());

  const reaches = async (from: Host, address: string): Promise<boolean> => {
    // Two seconds are long on one machine: a partition drops everything, it does not delay.
    const argv = ['busybox', 'ping', '-c', '1', '-W', '2', address];
    return (await run([...from.inNetwork(argv)]).catch(() => '')) !== '';
  };
  const stateOf = async (host: Host, name: string): Promise<string> =>
    (await host.exec(['docker', 'inspect', '-f', '{{.State.Status}}', name])).trim();

  it('are systems of their own: name, machine-id, boot id, units, network', async () => {
    const ids = await Promise.all(
      rig.hosts.map((host) =>
        host.exec(['sh', '-c', 'cat /proc/1/comm /etc/machine-id /proc/sys/kernel/random/boot_id']),
      ),
    );
    expect(new Set(ids.map((text) => text.split('\n')[1])).size).to.equal(3);
    expect(new Set(ids.map((text) => text.split('\n')[2])).size).to.equal(3);
    expect(ids[0]?.split('\n')[0]).to.equal('systemd');
    for (const host of rig.hosts) {
      expect((await host.exec(['hostname'])).trim()).to.equal(host.name);
      expect((await host.exec(['systemctl', 'is-active', 'docker'])).trim()).to.equal('active');
    }
    expect(await reaches(rig.host('alpha'), rig.host('charlie').address)).to.equal(true);
  });

  it('run a container by digest each, out of one registry', async () => {
    const argv = ['docker', 'run', '--detach', '--name', 'idle', '--network', 'host', image];
    await Promise.all(rig.hosts.map((host) => host.exec(argv, { timeoutMs: 60_000 })));
    for (const host of rig.hosts) expect(await stateOf(host, 'idle')).to.equal('running');
  });

  it('lose power without a word and keep their disk: a container without a policy stays down', async () => {
    const alpha = rig.host('alpha');
    const idle = ['docker', 'run', '--detach', '--network', 'host', '--restart', 'always'];
    await alpha.exec([...idle, '--name', 'stubborn', image]);
    await alpha.exec(['sh', '-c', 'echo kept >/etc/kept; echo lost >/run/lost']);
    const boot = ['cat', '/proc/sys/kernel/random/boot_id'];
    const earlier = await alpha.exec(boot);
    await alpha.powerCut();
    expect(alpha.isUp()).to.equal(false);
    expect(await alpha.exec(['true']).catch((error: unknown) => String(error))).to.include('off');
    await alpha.boot();
    expect(await alpha.exec(boot)).not.to.equal(earlier);
    expect(await alpha.exec(['sh', '-c', 'cat /etc/kept; ls /run/lost || true'])).to.equal(
      'kept\n',
    );
    await eventually('the one with a policy is back', async () => {
      return (await stateOf(alpha, 'stubborn')) === 'running';
    });
    expect(await stateOf(alpha, 'idle')).to.equal('exited');
    expect(await stateOf(rig.host('bravo'), 'idle')).to.equal('running');
  });

  it('reboot in order: units are told to stop, and start again', async () => {
    const bravo = rig.host('bravo');
    await bravo.write(
      '/etc/systemd/system/witness.service',
      '[Service]\nType=oneshot\nRemainAfterExit=yes\n' +
        'ExecStart=/bin/sh -c "echo start >>/var/witness"\n' +
        'ExecStop=/bin/sh -c "echo stop >>/var/witness"\n[Install]\nWantedBy=multi-user.target\n',
    );
    await bravo.exec(['systemctl', 'enable', '--now', 'witness.service']);
    await bravo.reboot();
    expect(await bravo.exec(['cat', '/var/witness'])).to.equal('start\nstop\nstart\n');
  });

  it('are cut off silently, one or one way, and healed', async () => {
    const [alpha, bravo, charlie] = [rig.host('alpha'), rig.host('bravo'), rig.host('charlie')];
    await alpha.partition();
    expect(await reaches(bravo, alpha.address)).to.equal(false);
    expect(await reaches(alpha, rig.controller.address)).to.equal(false);
    expect(await reaches(bravo, charlie.address)).to.equal(true);
    const link = await alpha.exec(['cat', '/sys/class/net/eth0/operstate']);
    expect(link.trim()).to.equal('up'); // nobody was told
    await alpha.heal();
    await eventually('alpha is reached again', () => reaches(bravo, alpha.address));
    await alpha.dropFrom(bravo);
    expect(await reaches(bravo, alpha.address)).to.equal(false);
    expect(await reaches(charlie, alpha.address)).to.equal(true);
    await alpha.heal();
    expect(await reaches(bravo, alpha.address)).to.equal(true);
  });

  it('are out of reach from this machine’s own network', async () => {
    const { address } = rig.host('alpha');
    const route = await run(['ip', 'route', 'get', address]).catch((error: unknown) => error);
    expect(String(route)).to.include('No route to host');
  });
});

describe('what a rig leaves', function () {
  this.timeout(60_000);
  before(function () {
    requireOrSkip(this, 'hosts');
  });

  const traces = async (name: string): Promise<readonly string[]> => {
    const namespaces = await run(['ip', 'netns', 'list']);
    const groups = readdirSync('/sys/fs/cgroup/systemd').concat(readdirSync('/sys/fs/cgroup'));
    const mounts = await run(['cat', '/proc/self/mountinfo']);
    return [...namespaces.split('\n'), ...groups, ...mounts.split('\n')].filter((line) =>
      line.includes(name),
    );
  };

  it('is nothing, even when hosts were never stopped', async () => {
    const rig = await createRig({ hosts: ['alpha', 'bravo'], docker: false });
    await rig.boot();
    await rig.host('bravo').partition();
    const name = basename(rig.directory);
    expect(await traces(name)).not.to.deep.equal([]);
    await rig.dispose();
    expect(await traces(name)).to.deep.equal([]);
    expect(existsSync(rig.directory)).to.equal(false);
  });

  it('ends only processes of its own, whoever has their id now', async () => {
    const directory = await makeRigDirectory();
    const logPath = '/dev/null';
    const recordPath = recordPathOf(directory);
    const own = start(['sleep', '600'], { logPath, recordPath });
    const stranger = start(['sleep', '600'], { logPath, recordPath: '/dev/null' });
    await run(['sh', '-c', `echo "${stranger.pid} 1" >>${recordPath}`]); // its id, another start
    await removeRemains(directory);
    expect(await own.ended()).to.equal(-1);
    expect(stranger.isRunning()).to.equal(true);
    await stranger.stop();
  });
});
