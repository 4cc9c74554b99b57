// A backup that is read again: each way in which files can go is found and named, and nothing else is taken for damage.
import { expect } from 'chai';
import { createHash } from 'node:crypto';
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@leafward/shared/clock.js';
import type { Backup, Verification } from '@leafward/shared/gen/domain.js';
import { createLogger } from '@leafward/shared/log.js';
import { openCatalogue, type Catalogue } from '@leafward/agent/backups/catalogue.js';
import { createPace } from '@leafward/agent/backups/pace.js';

const signal = new AbortController().signal;
let directory = '';
let path = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leafward-verify-'));
  path = join(directory, 'backups/b1');
  await mkdir(join(path, 'slabs'), { recursive: true });
  await writeFile(join(path, 'cell.guid'), 'one');
  await writeFile(join(path, 'slabs/data with "spaces".lmdb'), Buffer.alloc(70_000, 7));
  await writeFile(join(path, 'empty'), '');
  await symlink('cell.guid', join(path, 'link'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const open = (state = 'state'): Promise<Catalogue> =>
  openCatalogue({
    directory: join(directory, state),
    host: 'alpha',
    clock: systemClock,
    log: createLogger('test', 'silent'),
  });
const add = (catalogue: Catalogue): Promise<Backup> =>
  catalogue.add(
    { name: 'b1', service: 'c', member: 'm', host: 'alpha', path, term: 1, startedAt: 1 },
    () => undefined,
    signal,
  );
/** What is found after this was done to the files. */
async function after(harm: () => Promise<unknown>): Promise<Verification | undefined> {
  const catalogue = await open();
  const backup = await add(catalogue);
  await harm();
  const options = { onProgress: () => undefined, bytesPerSecond: 0 };
  return (await catalogue.verify(backup, options, signal)).verification;
}

describe('a backup that is read again', () => {
  it('is whole when nothing was done to it, and that is remembered', async () => {
    const verification = await after(() => Promise.resolve());
    expect(verification).to.deep.include({ ok: true, files: 4, problems: [] });
    expect((await open()).list()[0]?.verification).to.deep.equal(verification);
    const beside = await open('another');
    await beside.refresh([join(directory, 'backups')]);
    expect(beside.list()[0]?.verification).to.deep.equal(verification);
  });

  it('is damaged by one bit, and the file is named', async () => {
    const file = join(path, 'slabs/data with "spaces".lmdb');
    const verification = await after(async () => {
      const content = await readFile(file);
      content[40_000] = 8;
      await writeFile(file, content);
    });
    expect(verification?.ok).to.equal(false);
    expect(verification?.problems).to.deep.equal([
      'slabs/data with "spaces".lmdb has other content, of the same size',
    ]);
  });

  it('is damaged by a missing, a longer and an extra file, and by a link that leads elsewhere', async () => {
    const verification = await after(async () => {
      await rm(join(path, 'empty'));
      await appendFile(join(path, 'cell.guid'), 'more');
      await writeFile(join(path, 'stranger'), 'x');
      await rm(join(path, 'link'));
      await symlink('elsewhere', join(path, 'link'));
    });
    expect(verification?.problems).to.deep.equal([
      'cell.guid has another size: 7, was 3',
      'empty is missing',
      'link has other content, of the same size',
      'stranger is not of the backup',
    ]);
  });

  it('is damaged by a file that others may read now', async () => {
    const verification = await after(() => chmod(join(path, 'cell.guid'), 0o777));
    expect(verification?.problems).to.have.length(1);
    expect(verification?.problems[0]).to.match(/^cell\.guid has another mode: 0777, was 06\d\d$/);
  });

  it('is whole by a manifest of before, which knows no modes', async () => {
    const catalogue = await open();
    const backup = await add(catalogue);
    const manifest = await readFile(`${path}.leafward-manifest`, 'utf8');
    const old = manifest.replaceAll(/" 0\d{3}$/gm, '"');
    expect(old).to.not.equal(manifest);
    await writeFile(`${path}.leafward-manifest`, old);
    const manifestSha256 = createHash('sha256').update(old).digest('hex');
    await catalogue.amend(path, (one) => ({ ...one, manifestSha256 }));
    const before = { ...backup, manifestSha256 };
    const options = { onProgress: () => undefined, bytesPerSecond: 0 };
    await chmod(join(path, 'empty'), 0o600);
    expect((await catalogue.verify(before, options, signal)).verification?.ok).to.equal(true);
  });

  it('is damaged when its manifest is another one', async () => {
    const verification = await after(() => appendFile(`${path}.leafward-manifest`, 'x 1 "y"\n'));
    expect(verification?.problems).to.deep.equal([
      'its manifest is gone, or not the one that was written with it',
    ]);
  });

  it('is damaged when all of it is gone but its directory, and says no more than can be read', async () => {
    const many = Array.from({ length: 40 }, (_, index) => join(path, `file-${index}`));
    for (const file of many) await writeFile(file, 'x');
    const verification = await after(async () => {
      await rm(path, { recursive: true });
      await mkdir(path);
    });
    expect(verification).to.deep.include({ ok: false, files: 0 });
    expect(verification?.problems).to.have.length(20);
    expect(verification?.problems.at(-1)).to.equal('and 25 more');
  });
});

describe('the pace of reading', () => {
  const rested = async (bytesPerSecond: number | undefined, readMs: number): Promise<number> => {
    let now = 0;
    let sleptMs = 0;
    const clock = {
      now: () => now,
      monotonic: () => now,
      sleep: (ms: number) => {
        sleptMs += ms;
        now += ms;
        return Promise.resolve();
      },
    };
    const pace = createPace(clock, bytesPerSecond);
    for (let read = 0; read < 64; read += 1) {
      now += readMs;
      await pace.rest(2 ** 20, signal);
    }
    return sleptMs;
  };

  it('is half of the disk’s, or as much a second as was said, or all of it', async () => {
    expect(await rested(undefined, 10)).to.equal(640);
    expect(await rested(0, 10)).to.equal(0);
    // 64 MiB at 16 MiB a second are 4 s, of which reading took 0.64.
    expect(await rested(16 * 2 ** 20, 10)).to.be.closeTo(3360, 1);
    expect(await rested(1e12, 10)).to.equal(0);
  });
});
