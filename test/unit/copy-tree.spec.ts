// Copies take no more room than what they are of: holes stay holes, with and without shared blocks, and nothing else of
// a file changes.
import { expect } from 'chai';
import fc from 'fast-check';
import { lstat, mkdir, mkdtemp, open, readFile, readlink, rm, symlink } from 'node:fs/promises';
import { chmod, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copySparse, dataIn } from '@leafward/agent/copy-sparse.js';
import { copyTree } from '@leafward/agent/copy-tree.js';

const MEGABYTE = 1024 * 1024;
const signal = new AbortController().signal;
let directory = '';
beforeEach(async () => (directory = await mkdtemp(join(tmpdir(), 'leafward-copy-'))));
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Of this apparent size; `data` by offset. */
async function sparseFile(
  path: string,
  sizeBytes: number,
  data: Readonly<Record<number, Buffer>>,
): Promise<void> {
  const file = await open(path, 'w');
  for (const [at, bytes] of Object.entries(data))
    await file.write(bytes, 0, bytes.length, Number(at));
  await file.truncate(sizeBytes);
  await file.close();
}

describe('a copy of a file', () => {
  // The smaller one is read here, the greater one is left to a program that skips holes.
  for (const size of [12 * MEGABYTE, 60 * MEGABYTE])
    it(`of ${size} bytes keeps the holes between and after its data, and the data`, async () => {
      const [from, to] = [join(directory, 'from'), join(directory, 'to')];
      const some = Buffer.alloc(100_000, 7);
      await sparseFile(from, size, { 0: some, [size / 2 + 5]: some });
      await copySparse(from, to);
      const [was, is] = await Promise.all([stat(from), stat(to)]);
      expect(is.size).to.equal(was.size);
      expect(is.blocks * 512, 'allocated').to.be.at.most(was.blocks * 512 + 64 * 1024);
      expect((await readFile(to)).equals(await readFile(from))).to.equal(true);
    });

  it('writes over nothing', async () => {
    const [from, to] = [join(directory, 'from'), join(directory, 'to')];
    await sparseFile(from, MEGABYTE, {});
    await writeFile(to, 'mine');
    const error: unknown = await copySparse(from, to).catch((thrown: unknown) => thrown);
    expect((error as NodeJS.ErrnoException).code).to.equal('EEXIST');
    expect(await readFile(to, 'utf8')).to.equal('mine');
  });

  it('writes every byte that is not zero, for any chunk', () => {
    const parts = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 40_000 }), fc.constantFrom(0, 0, 1, 255)),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(parts, (lengths) => {
        const chunk = Buffer.concat(lengths.map(([length, byte]) => Buffer.alloc(length, byte)));
        const copy = Buffer.alloc(chunk.length);
        let before = 0;
        for (const [start, end] of dataIn(chunk)) {
          expect(start).to.be.at.least(before);
          chunk.copy(copy, start, start, end);
          before = end;
        }
        expect(copy.equals(chunk)).to.equal(true);
      }),
    );
  });
});

describe('a copy of a directory', () => {
  it('has modes, times, links and directories as they were, and leaves out what it is told to', async () => {
    const [from, to] = [join(directory, 'from'), join(directory, 'to')];
    await mkdir(join(from, 'slabs'), { recursive: true });
    await writeFile(join(from, 'slabs/data'), 'x');
    await chmod(join(from, 'slabs/data'), 0o640);
    await chmod(join(from, 'slabs'), 0o750);
    await utimes(join(from, 'slabs/data'), 1_000_000, 1_000_000);
    await symlink('slabs/data', join(from, 'link'));
    await writeFile(join(from, '.leafward.json'), '{}');
    const copied = await copyTree(
      {
        from,
        to,
        keepExisting: false,
        links: true,
        durable: true,
        leavesOut: (name) => name.startsWith('.leafward'),
        onFile: () => undefined,
      },
      signal,
    );
    expect(copied).to.equal(1);
    const file = await stat(join(to, 'slabs/data'));
    expect([file.mode & 0o777, file.mtimeMs]).to.deep.equal([0o640, 1_000_000_000]);
    expect((await stat(join(to, 'slabs'))).mode & 0o777).to.equal(0o750);
    expect(await readlink(join(to, 'link'))).to.equal('slabs/data');
    expect(await lstat(join(to, '.leafward.json')).catch(() => undefined)).to.equal(undefined);
  });
});
