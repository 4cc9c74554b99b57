// Copies off the host on a whole fleet, as an operator has them: declared in the manifest, made by the agents alone, seen
// in the list, checked, brought back to another host; and the password in nothing that any program wrote (I14).
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { Backup, Finding } from '@leafward/shared/gen/domain.js';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { buildCellImage } from '../standin/build-cell-image.js';

const SECRET = 'copies-password';
/** A busy machine; nothing here depends on how long it takes. */
const LONG_MS = 120_000;

describe('copies off the hosts of a fleet', function () {
  this.timeout(300_000);
  let dir: string;
  let given: string;
  let fleet: LocalFleet;
  let members: readonly CortexMember[];
  let repository: string;
  const password = `hush-${randomBytes(12).toString('hex')}`;

  const backups = (): Promise<readonly Backup[]> =>
    fleet.cliJson<readonly Backup[]>(['backup', 'list', 'cortex']);
  const copied = (): Promise<readonly Backup[]> =>
    eventually('each backup has its copy', LONG_MS, async () => {
      const all = await backups();
      return all.every(({ copies }) => copies !== undefined) ? all : undefined;
    });

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    given = await mkdtemp(join(tmpdir(), 'leafward-given-'));
    repository = join(dir, 'repository');
    const [a = 0, b = 0] = await freePorts(2);
    members = [
      { name: '00.cortex', host: 'alpha', port: a },
      { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: b },
    ];
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo'] });
    await mkdir(join(dir, 'images'));
    const image = await buildCellImage({ version: '2.113.0', outDir: join(dir, 'images') });
    const environment = { SYN_CELL_START_MS: '20' };
    const manifest = join(dir, 'fleet.yaml');
    const backup = [
      '    backup:',
      '      offsite:',
      `        repository: '${repository}'`,
      `        environment: { RESTIC_PASSWORD: { secret: ${SECRET} } }`,
    ];
    const text = cortexManifest({ dir, image, members, environment });
    await writeFile(manifest, text.replace('    failover:', `${backup.join('\n')}\n    failover:`));
    const { stdout } = await fleet.cli(['plan', 'deploy', manifest], [3]);
    expect(stdout).to.include(`leafward secret set ${SECRET}`);
    await writeFile(join(given, 'password'), `${password}\n`);
    await fleet.cli(['secret', 'set', SECRET, '--from-file', join(given, 'password')]);
    await fleet.carryOut(['deploy', manifest]);
  });
  after(async () => {
    await fleet.stop();
    for (const member of members) await killProcessesOn(storageOf(dir, member));
    for (const path of [dir, given]) await rm(path, { recursive: true, force: true });
  });

  it('are made by the agent alone, and their secret stays', async () => {
    await fleet.cli(['backup', 'run', 'cortex']);
    const [backup] = await copied();
    expect(backup?.copies?.copies[0]?.repository).to.equal(repository);
    const { stderr } = await fleet.cli(['secret', 'remove', SECRET], [3]);
    expect(stderr).to.include('cortex');
    const { stdout } = await fleet.cli(['backup', 'copy', backup?.name ?? '']);
    expect(stdout).to.include(`lies in ${repository} as`);
  });

  it('are listed, checked, and measured', async () => {
    const [backup] = await backups();
    const list = (await fleet.cli(['backup', 'copies', 'cortex'])).stdout;
    expect(list).to.include(backup?.name).and.to.include(backup?.host);
    const checked = (await fleet.cli(['backup', 'check-copies', 'cortex', '--data', '100%']))
      .stdout;
    expect(checked).to.include('nothing wrong found');
    const table = (await fleet.cli(['backup', 'list', 'cortex'])).stdout;
    expect(table)
      .to.match(/COPIES/)
      .and.to.match(/checked/);
    const url = `http://127.0.0.1:${fleet.metricsPort}/metrics`;
    const metrics = await (await fetch(url)).text();
    expect(metrics).to.match(/leafward_backup_copy_timestamp_seconds\{service="cortex"\} \d+/);
    expect(metrics).to.match(/leafward_backup_copy_checked_timestamp_seconds\{.*\} \d+/);
    expect(metrics).to.match(/leafward_backup_copies_failing\{service="cortex"\} 0/);
  });

  it('come back to another host', async () => {
    const [backup] = await backups();
    const other = members.find(({ host }) => host !== backup?.host)?.host ?? '';
    const name = backup?.name ?? '';
    const { stdout } = await fleet.cli(['backup', 'fetch', name, '--host', other]);
    expect(stdout).to.include(`${name} lies on ${other}:`).and.to.include('found whole');
    await eventually('it is in the list of both', LONG_MS, async () => {
      const hosts = (await backups()).map(({ host }) => host);
      return hosts.length === 2 && hosts.includes(other);
    });
  });

  it('come back that no host has any more', async () => {
    const all = await backups();
    const [{ name, path, host } = { name: '', path: '', host: '' }] = all;
    for (const one of all) await rm(one.path, { recursive: true });
    await eventually('no host has it', LONG_MS, async () => (await backups()).length === 0);
    const { stderr } = await fleet.cli(['backup', 'fetch', name, '--host', host], [1]);
    expect(stderr).to.include('there is no backup');
    const list = (await fleet.cli(['backup', 'copies', 'cortex'])).stdout;
    expect(list).to.include('in the repository only');
    await fleet.cli(['backup', 'fetch', name, '--service', 'cortex', '--host', host]);
    await eventually('its host has it again', LONG_MS, async () =>
      (await backups()).some((one) => one.path === path && one.host === host),
    );
  });

  it('are a finding while they fail, and made when the repository is back', async () => {
    const away = join(dir, 'away');
    await rename(repository, away);
    await fleet.cli(['backup', 'run', 'cortex']);
    const finding = await eventually('a finding tells it', LONG_MS, async () => {
      const { findings } = await fleet.client.getFindings({ refresh: false });
      return findings
        .map((one): Finding => one.finding)
        .find(({ check, severity }) => check === 'backup-copies' && severity === 'critical');
    });
    expect(finding.seen).to.include('is gone');
    await rename(away, repository);
    const [newest] = await backups();
    await fleet.cli(['backup', 'copy', newest?.name ?? '', '--service', 'cortex']);
    await copied();
  });

  it('have left the password nowhere', async () => {
    const allowed = /hosts\/[^/]+\/leafward\/secrets\//;
    for (const name of await readdir(dir, { recursive: true, withFileTypes: true })) {
      const path = join(name.parentPath, name.name);
      if (!name.isFile() || allowed.test(relative(dir, path))) continue;
      const content = await readFile(path).catch(() => Buffer.alloc(0));
      expect(content.includes(password), relative(dir, path)).to.equal(false);
    }
    expect(JSON.stringify(await fleet.cliJson(['audit']))).not.to.include(password);
  });
});
