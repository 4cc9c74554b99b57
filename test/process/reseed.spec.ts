// Real programs: a retired leader's host begins again as a mirror by a plan, and the service goes back to a backup. What
// was there is set aside; nobody leads beside anybody else.
import { expect } from 'chai';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { connectCell } from '../standin/client.js';

describe('a retired member is reseeded, and a service goes back', function () {
  this.timeout(240_000);
  let dir: string;
  let fleet: LocalFleet;
  let members: readonly CortexMember[];
  let next = '';

  const storage = (name: string): string =>
    storageOf(
      dir,
      members.find((member) => member.name === name)!,
    );
  const viewOf = async (name: string) =>
    (await fleet.status()).services[0]?.members.find((member) => member.member === name);
  const write = async (name: string, text: string): Promise<void> => {
    const writer = await connectCell({ url: storage(name) });
    for (let i = 0; i < 20; i += 1) await writer.write(`${text}-${i}`);
    writer.close();
  };
  const asideOf = async (name: string): Promise<readonly string[]> =>
    (await readdir(dirname(storage(name)))).filter((entry) => entry.includes('.aside-'));

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    const [a = 0, b = 0] = await freePorts(2);
    members = [
      { name: '00.cortex', host: 'alpha', port: a },
      { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: b },
    ];
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo'] });
    const image = await buildCellImage({ version: '2.180.0', outDir: join(dir, 'images') });
    next = await buildCellImage({ version: '2.181.0', outDir: join(dir, 'images') });
    const path = join(dir, 'fleet.yaml');
    const environment = { SYN_CELL_START_MS: '50' };
    await writeFile(path, cortexManifest({ dir, image, members, environment }));
    await fleet.carryOut(['deploy', path]);
    await write('00.cortex', 'before');
    await fleet.carryOut(['backup', 'cortex', '--member', '01.cortex']);
    await write('00.cortex', 'after');
    fleet.agent('alpha')?.signal('SIGKILL');
    await fleet.agent('alpha')?.ended;
    await killProcessesOn(storage('00.cortex'));
    await eventually('the controller has noticed', 90_000, async () =>
      (await fleet.status()).hosts.some((host) => host.host === 'alpha' && !host.connected),
    );
    await fleet.carryOut(['failover', 'cortex', '--leader-is-off', 'killed by the test']);
    await fleet.startAgent('alpha');
    await eventually('the host of the retired one is back', 90_000, async () =>
      (await fleet.status()).hosts.some((host) => host.host === 'alpha' && host.connected),
    );
    await eventually('its agent has marked the storage', 90_000, async () => {
      const marker = await readFile(join(storage('00.cortex'), '.leafward.json'), 'utf8');
      return marker.includes('retired');
    });
  });
  after(async () => {
    await fleet.stop();
    for (const member of members) await killProcessesOn(storageOf(dir, member));
    await rm(dir, { recursive: true, force: true });
  });

  it('the retired one mirrors again, from nothing, and what it had lies beside', async () => {
    await fleet.carryOut(['reseed', 'cortex', '00.cortex']);
    const old = await viewOf('00.cortex');
    const leader = await viewOf('01.cortex');
    expect([old?.role, old?.state, old?.position]).to.eql([
      'mirror',
      'mirroring',
      leader?.position,
    ]);
    expect(await asideOf('00.cortex')).to.have.length(1);
  });

  it('its backup is read again: whole, then with one byte changed, then whole again', async () => {
    const [backup] = (await fleet.status()).services.map((service) => service.lastBackup);
    const { name = '', path = '' } = backup ?? {};
    const verify = (codes: readonly number[]) =>
      fleet.cli(['backup', 'verify', name, '--rate', 'max'], codes);
    expect((await verify([0])).stdout).to.match(/is what it was: .* files on bravo:/);
    const victim = join(path, 'cell.guid');
    const content = await readFile(victim);
    await writeFile(victim, Buffer.from(content).fill('x', 0, 1));
    const damaged = await verify([1]);
    expect(damaged.stdout).to.include('is damaged').and.include('cell.guid has other content');
    const said = `${name} on bravo is damaged`;
    await eventually('the status says so', 90_000, async () =>
      (await fleet.status()).problems.some((problem) => problem.includes(said)),
    );
    const refused = await fleet.cli(['plan', 'update', 'cortex', '--image', next], [3]);
    expect(refused.stdout).to.include('no-backup');
    await writeFile(victim, content);
    await verify([0]);
  });

  it('the service goes back to its backup in a new term, and everybody with it', async () => {
    const [backup] = (await fleet.status()).services.map((service) => service.lastBackup);
    await write('01.cortex', 'lost');
    await fleet.carryOut(['restore', 'cortex', '--backup', backup?.name ?? '']);
    const [service] = (await fleet.status()).services;
    expect(service?.term).to.equal(3);
    const leader = await viewOf('01.cortex');
    const mirror = await viewOf('00.cortex');
    expect([leader?.state, leader?.position]).to.eql(['leading', backup?.position]);
    expect([mirror?.state, mirror?.position]).to.eql(['mirroring', backup?.position]);
    expect(await asideOf('01.cortex')).to.have.length(1);
    await write('01.cortex', 'on');
  });

  it('a mirror is filled from a backup that is sent to its host, and keeps what is its own', async () => {
    await fleet.carryOut(['backup', 'cortex', '--member', '01.cortex']);
    const [backup] = (await fleet.status()).services.map((service) => service.lastBackup);
    const { name = '' } = backup ?? {};
    await write('01.cortex', 'since');
    const own = join(storage('00.cortex'), 'certs', 'own.key');
    await mkdir(dirname(own), { recursive: true });
    await writeFile(own, 'key of 00', { mode: 0o600 });
    const alone = ['restore', 'cortex', '--backup', name, '--member'];
    const refused = await fleet.cli(['plan', ...alone, '01.cortex'], [3]);
    expect(refused.stdout).to.include('mirrors-stay-ahead');
    await fleet.carryOut([...alone, '00.cortex', '--wipe']);
    const [mirror, leader] = [await viewOf('00.cortex'), await viewOf('01.cortex')];
    expect([mirror?.state, mirror?.position]).to.eql(['mirroring', leader?.position]);
    expect(leader?.position).to.be.above(backup?.position ?? Infinity);
    expect(await readFile(own, 'utf8')).to.equal('key of 00');
    expect(await readdir(storage('00.cortex'))).to.not.include('.leafward-own');
    const { stdout } = await fleet.cli(['backup', 'list', 'cortex']);
    expect(stdout.split('\n').filter((line) => line.includes(name))).to.have.length(2);
  });
});
