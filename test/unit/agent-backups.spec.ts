// What lies in a directory that a member may write into is believed only as far as it proves itself.
import { expect } from 'chai';
import { appendFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import { createLogger } from '@leafward/shared/log.js';
import {
  openCatalogue,
  type Catalogue,
  type NewBackup,
} from '@leafward/agent/backups/catalogue.js';
import { hashFiles } from '@leafward/agent/backups/manifest.js';
import { writeMarker } from '@leafward/agent/marker.js';

const signal = new AbortController().signal;
let directory = '';
let backups = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leafward-backups-'));
  backups = join(directory, 'backups');
  await mkdir(join(backups, 'b1'), { recursive: true });
  await writeFile(join(backups, 'b1', 'cell.guid'), 'x');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const open = (state: string): Promise<Catalogue> =>
  openCatalogue({
    directory: join(directory, state),
    host: 'alpha',
    clock: systemClock,
    log: createLogger('test', 'silent'),
  });
const newBackup = (): NewBackup => ({
  name: 'b1',
  service: 'cortex',
  member: '00.cortex',
  host: 'alpha',
  path: join(backups, 'b1'),
  term: 1,
  startedAt: 1,
});
const add = async (): Promise<void> => {
  await (await open('first')).add(newBackup(), () => undefined, signal);
};
const found = async (): Promise<readonly string[]> => {
  const catalogue = await open('second');
  await catalogue.refresh([backups]);
  return catalogue.list().map(({ path }) => path);
};
const recordPath = (): string => join(backups, 'b1.leafward-backup.json');

describe('the catalogue of backups', () => {
  it('finds a backup again by what lies beside it', async () => {
    await add();
    expect(await found()).to.deep.equal([join(backups, 'b1')]);
  });

  it('leaves out a record that could not be told', async () => {
    await add();
    const record = JSON.parse(await readFile(recordPath(), 'utf8')) as object;
    await writeFile(recordPath(), JSON.stringify({ ...record, sizeBytes: 0.5 }));
    expect(await found()).to.deep.equal([]);
  });

  it('takes a record for the backup that it lies beside and for no other', async () => {
    await add();
    const record = JSON.parse(await readFile(recordPath(), 'utf8')) as object;
    await writeFile(recordPath(), JSON.stringify({ ...record, path: '/etc' }));
    expect(await found()).to.deep.equal([join(backups, 'b1')]);
  });

  it('does not count one whose list of files is not there or another', async () => {
    await add();
    await appendFile(join(backups, 'b1.leafward-manifest'), 'more\n');
    expect(await found()).to.deep.equal([]);
    await rm(join(backups, 'b1.leafward-manifest'));
    expect(await found()).to.deep.equal([]);
  });

  it('writes through no link that somebody left', async () => {
    const victim = join(directory, 'victim');
    await writeFile(victim, 'precious');
    await symlink(victim, `${recordPath()}.new`);
    await symlink(victim, join(backups, 'b1', '.leafward.json.new'));
    await add();
    await writeMarker(join(backups, 'b1'), { format: 1, service: 's', member: 'm', term: 1 });
    expect(await readFile(victim, 'utf8')).to.equal('precious');
  });

  it('refuses one that changes while it is hashed', async () => {
    await writeFile(join(backups, 'b1', 'growing'), Buffer.alloc(17 * 1024 * 1024));
    const growing = {
      ...systemClock,
      sleep: () => appendFile(join(backups, 'b1', 'growing'), 'x'),
    };
    const error: unknown = await hashFiles(
      join(backups, 'b1'),
      { clock: growing, onProgress: () => undefined },
      signal,
    ).catch((failure: unknown) => failure);
    expect(error).to.be.instanceOf(LeafwardError);
    expect((error as LeafwardError).message).to.include('not at rest');
  });
});
