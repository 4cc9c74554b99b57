// Where a backup lies while it arrives: from where it goes on, and what it does not let in.
import { expect } from 'chai';
import { lstat, mkdir, mkdtemp, readFile, readlink, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '@leafward/shared/errors.js';
import type { TransferPiece } from '@leafward/shared/gen/domain.js';
import { sweepStagings } from '@leafward/agent/transfer/sweep.js';
import { openStaging, type Staging } from '@leafward/agent/transfer/staging.js';

const attributes = { mode: 0o640, userId: 0, groupId: 0, modifiedAt: 1_700_000_000_000 };

describe('a backup that arrives', () => {
  let dir: string;
  let staging: Staging;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    staging = await openStaging(join(dir, 'staging'));
  });
  afterEach(async () => {
    await staging.close();
    await rm(dir, { recursive: true, force: true });
  });
  const piece = (name: string, offset: number, text: string): TransferPiece => ({
    name,
    offset,
    data: Buffer.from(text),
    zeroBytes: 0,
  });
  const complaintOf = async (act: Promise<void>): Promise<string> =>
    act.then(() => 'none', messageOf);

  it('is wanted from the manifest on, then from where it stopped', async () => {
    expect(await staging.want()).to.deep.equal({ name: '', offset: 0 });
    await staging.write({ ...piece('', 0, 'manifest'), attributes });
    expect(await staging.want()).to.deep.equal({ name: '', offset: 0 });
    await staging.write({ ...piece('a/one', 0, 'whole'), attributes });
    await staging.write(piece('b', 0, 'half'));
    await staging.close();
    expect(await staging.want()).to.deep.equal({ name: 'b', offset: 4 });
    const again = await openStaging(join(dir, 'staging'));
    await again.write({ ...piece('b', 4, ' and half'), attributes });
    await again.finish([{ name: 'a', attributes: { ...attributes, mode: 0o750 } }]);
    expect(await readFile(join(again.files, 'b'), 'utf8')).to.equal('half and half');
    expect((await stat(join(again.files, 'b'))).mode & 0o777).to.equal(0o640);
    expect((await stat(join(again.files, 'b'))).mtimeMs).to.equal(1_700_000_000_000);
    expect((await stat(join(again.files, 'a'))).mode & 0o777).to.equal(0o750);
  });

  it('has holes where its zeros were, at its end as well', async () => {
    const megabyte = 1024 * 1024;
    await staging.write({ ...piece('sparse', 0, 'x'), zeroBytes: 64 * megabyte - 1 });
    await staging.write(piece('sparse', 64 * megabyte, 'y'));
    await staging.write({
      ...piece('sparse', 64 * megabyte + 1, ''),
      zeroBytes: megabyte,
      attributes,
    });
    const found = await stat(join(staging.files, 'sparse'));
    expect(found.size).to.equal(65 * megabyte + 1);
    expect(found.blocks * 512).to.be.lessThan(megabyte);
    expect(await staging.bytes()).to.be.lessThan(megabyte);
  });

  it('is forgotten a day after it stopped, unless it is arriving still', async () => {
    const backups = join(dir, 'backups');
    const root = join(backups, '.leafward-receive-b1');
    const half = await openStaging(root);
    await half.write(piece('', 0, 'manifest'));
    await half.close();
    const day = 24 * 3_600_000;
    const sweep = (now: number, arriving: readonly string[]) =>
      sweepStagings({
        directories: [backups, join(dir, 'nowhere')],
        isArriving: (name) => arriving.includes(name),
        now,
      });
    expect(await sweep(Date.now(), [])).to.deep.equal([]);
    expect(await sweep(Date.now() + 2 * day, ['b1'])).to.deep.equal([]);
    expect((await stat(root)).isDirectory()).to.equal(true);
    expect(await sweep(Date.now() + 2 * day, [])).to.have.length(1);
    expect(await stat(root).catch(() => undefined)).to.equal(undefined);
  });

  it('is cut to its length when what lay there before was longer', async () => {
    await staging.write({ ...piece('file', 0, 'something longer'), attributes });
    await staging.write({ ...piece('file', 0, 'short'), attributes });
    expect(await readFile(join(staging.files, 'file'), 'utf8')).to.equal('short');
  });

  it('keeps links as links, and writes nothing through one', async () => {
    await staging.write({ ...piece('link', 0, ''), attributes, link: '/etc' });
    expect(await readlink(join(staging.files, 'link'))).to.equal('/etc');
    expect(await complaintOf(staging.write(piece('link/passwd', 0, 'x')))).to.include(
      'is no directory',
    );
    await mkdir(join(dir, 'outside'));
    await symlink(join(dir, 'outside', 'file'), join(staging.files, 'through'));
    expect(await complaintOf(staging.write(piece('through', 0, 'x')))).to.include('ELOOP');
    expect(await lstat(join(dir, 'outside', 'file')).catch(() => undefined)).to.equal(undefined);
  });

  for (const name of ['../out', '/etc/passwd', 'a/../../out', 'a//b', './a', 'a/.', 'a\0b'])
    it(`takes no file that is called ${JSON.stringify(name)}`, async () => {
      expect(await complaintOf(staging.write(piece(name, 0, 'x')))).to.include('a file is called');
      const directory = staging.finish([{ name, attributes }]);
      expect(await complaintOf(directory)).to.include('a file is called');
    });
});
