// The unit files as systemd reads them: no warning, and no less hardened than today.
import { expect } from 'chai';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tryRun } from '../rig/processes.js';
import { requireOrSkip } from '../rig/requirements.js';

const deploy = join(import.meta.dirname, '../../../deploy/systemd');
/** Tenths of systemd's exposure level, 0 (none) to 100: what the units have now, rounded up. */
const units = { 'leafward-agent': 38, 'leafward-controller': 16, 'leafward-deadman': 16 } as const;

describe('the unit files', function () {
  this.timeout(30_000);
  let tree: string;
  before(async function () {
    requireOrSkip(this, 'hosts');
    // An installed system in small: the units, what they start, and the distribution's own units.
    tree = await mkdtemp(join(tmpdir(), 'leafward-units-'));
    await cp('/usr/lib/systemd/system', join(tree, 'usr/lib/systemd/system'), {
      recursive: true,
      verbatimSymlinks: true,
    });
    for (const place of ['usr/bin', 'usr/lib/leafward'])
      await mkdir(join(tree, place), { recursive: true });
    for (const name of Object.keys(units)) {
      for (const place of ['usr/bin', 'usr/lib/leafward'])
        await cp('/bin/true', join(tree, place, name));
      await cp(join(deploy, `${name}.service`), join(tree, `etc/systemd/system/${name}.service`));
    }
  });
  after(async () => {
    if (tree !== undefined) await rm(tree, { recursive: true });
  });

  for (const [name, threshold] of Object.entries(units)) {
    it(`${name}.service is understood word by word`, async () => {
      const argv = ['systemd-analyze', 'verify', `--root=${tree}`, `${name}.service`];
      // An unknown key is only a warning with exit code 0: nothing may be said at all.
      expect(await tryRun(argv)).to.deep.equal({ code: 0, stdout: '', stderr: '' });
    });

    it(`${name}.service exposes at most ${threshold / 10} of 10`, async () => {
      const path = join(deploy, `${name}.service`);
      const argv = ['systemd-analyze', 'security', '--offline=true', `--threshold=${threshold}`];
      const { code, stdout, stderr } = await tryRun([...argv, path]);
      expect(code, stdout + stderr).to.equal(0);
    });
  }

  it('a word that systemd does not know is noticed', async () => {
    const path = join(tree, 'etc/systemd/system/odd.service');
    await writeFile(path, '[Service]\nExecStart=/usr/bin/leafward-agent\nOdd=1\n');
    const argv = ['systemd-analyze', 'verify', `--root=${tree}`, 'odd.service'];
    expect((await tryRun(argv)).stderr).to.include('Odd');
  });
});
