// Copies off the host with the real restic: made once, listed, brought back on another host, checked; and every way in
// which a repository can be away, shut, busy or damaged is said and harms nothing.
import { expect } from 'chai';
import { spawn, type ChildProcess } from 'node:child_process';
import {
  chmod,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Backup } from '@leafward/shared/gen/domain.js';
import {
  makeRoot,
  namesIn,
  openHost,
  removeRoot,
  repositoryOf,
  restic,
  until,
  type StageHost,
} from './stage.js';

const PASSWORD = 'hush-repository-of-the-test';

describe('copies off the host', function () {
  this.timeout(120_000);
  let root: string;
  let alpha: StageHost;
  beforeEach(async () => {
    root = await makeRoot();
    alpha = await openHost({ root, host: 'alpha', password: PASSWORD });
  });
  afterEach(() => removeRoot(root));

  const copy = (backup: Backup): Promise<Backup> =>
    alpha.offsite.copy(backup, alpha.intent, alpha.turn());
  const snapshots = async (): Promise<readonly unknown[]> =>
    JSON.parse(await restic(root, PASSWORD, ['snapshots', '--json'])) as readonly unknown[];
  const failure = async (work: Promise<unknown>): Promise<LeafwardError> => {
    const error: unknown = await work.then(
      () => undefined,
      (cause: unknown) => cause,
    );
    if (!(error instanceof LeafwardError)) throw new Error('it had to fail', { cause: error });
    expect(error.message).not.to.include(PASSWORD);
    return error;
  };

  it('are made once, and known from then on', async () => {
    const copied = await copy(await alpha.take('b1'));
    const [only] = copied.copies?.copies ?? [];
    expect(only?.repository).to.equal(repositoryOf(root));
    expect(only?.snapshot).to.match(/^[0-9a-f]{64}$/);
    expect(only?.addedBytes).to.be.above(2_000_000);
    expect(alpha.catalogue.list()[0]?.copies).to.deep.equal(copied.copies);
    const again = await copy(copied);
    expect(again.copies).to.deep.equal(copied.copies);
    expect(await snapshots()).to.have.length(1);
    const anew = await openHost({ root, host: 'alpha', password: PASSWORD });
    expect(anew.catalogue.list()[0]?.copies?.copies[0]?.snapshot).to.equal(only?.snapshot);
  });

  it('tell what they are of, without the backup', async () => {
    const { copies, verification: _, ...backup } = await copy(await alpha.take('b1'));
    await copy(await alpha.take('b2'));
    const listed = await alpha.offsite.list(alpha.intent, alpha.turn().signal);
    expect(listed.map(({ name }) => name)).to.deep.equal(['b2', 'b1']);
    const { copies: listedCopies, ...rest } = listed[1] ?? {};
    expect(rest).to.deep.equal(backup);
    expect(listedCopies?.copies[0]?.snapshot).to.equal(copies?.copies[0]?.snapshot);
  });

  it('are brought back on another host, file by file the same', async () => {
    const backup = await copy(await alpha.take('b1'));
    const bravo = await openHost({ root, host: 'bravo', password: PASSWORD });
    const meant = { backup: 'b1', snapshot: '' };
    const fetched = await bravo.offsite.fetch(meant, bravo.intent, bravo.turn());
    expect(fetched).to.include({ host: 'bravo', path: join(bravo.backups, 'b1') });
    expect(fetched).to.include({ position: 7, manifestSha256: backup.manifestSha256 });
    expect(fetched.verification).to.include({ ok: true });
    expect(bravo.catalogue.list()).to.deep.equal([fetched]);
    for (const name of ['cell.guid', 'slabs/data.lmdb', 'slabs/holes.lmdb'])
      expect(await readFile(join(fetched.path, name))).to.deep.equal(
        await readFile(join(backup.path, name)),
      );
    expect(await namesIn(bravo.backups)).to.have.members([
      'b1',
      'b1.leafward-backup.json',
      'b1.leafward-manifest',
    ]);
    const again = await bravo.offsite.fetch(meant, bravo.intent, bravo.turn());
    expect(again).to.deep.equal(fetched);
  });

  it('are brought back by their snapshot after the backup has left the host', async () => {
    const backup = await copy(await alpha.take('b1'));
    await rm(alpha.backups, { recursive: true });
    await alpha.catalogue.refresh([]);
    expect(alpha.catalogue.list()).to.deep.equal([]);
    const snapshot = backup.copies?.copies[0]?.snapshot.slice(0, 8) ?? '';
    const meant = { backup: snapshot, snapshot: '' };
    const fetched = await alpha.offsite.fetch(meant, alpha.intent, alpha.turn());
    expect(fetched).to.include({ path: backup.path, manifestSha256: backup.manifestSha256 });
  });

  it('are taken in that an agent had put in place and could not note', async () => {
    const backup = await copy(await alpha.take('b1'));
    const hidden = join(alpha.backups, '.leafward-fetch-b1');
    const record = 'b1.leafward-backup.json';
    await mkdir(hidden);
    await rename(join(alpha.backups, record), join(hidden, record));
    await rm(join(alpha.directory, 'state/catalogue'), { recursive: true });
    const anew = await openHost({ root, host: 'alpha', password: PASSWORD });
    expect(anew.catalogue.list()).to.deep.equal([]);
    const meant = { backup: 'b1', snapshot: '' };
    const fetched = await anew.offsite.fetch(meant, anew.intent, anew.turn());
    expect(fetched.manifestSha256).to.equal(backup.manifestSha256);
    expect(await namesIn(alpha.backups)).not.to.include('.leafward-fetch-b1');
  });

  it('are put over nothing', async () => {
    await copy(await alpha.take('b1'));
    const bravo = await openHost({ root, host: 'bravo', password: PASSWORD });
    await writeFile(join(bravo.backups, 'b1'), 'somebody else’s');
    const meant = { backup: 'b1', snapshot: '' };
    const error = await failure(bravo.offsite.fetch(meant, bravo.intent, bravo.turn()));
    expect(error.code).to.equal('already-exists');
    expect(await readFile(join(bravo.backups, 'b1'), 'utf8')).to.equal('somebody else’s');
  });

  it('are not there that nobody made, which is said', async () => {
    await copy(await alpha.take('b1'));
    const meant = { backup: 'b9', snapshot: '' };
    const error = await failure(alpha.offsite.fetch(meant, alpha.intent, alpha.turn()));
    expect(error.code).to.equal('not-found');
    expect(error.message).to.include('leafward backup copies cortex');
  });

  it('are sound when they are checked, and that is remembered', async () => {
    await copy(await alpha.take('b1'));
    const found = await alpha.offsite.check(100, alpha.intent, alpha.turn());
    expect(found).to.include('nothing wrong found');
    expect(alpha.catalogue.list()[0]?.copies?.copies[0]?.checkedAt).to.be.a('number');
  });

  it('are none any more when somebody has forgotten them', async () => {
    const backup = await copy(await alpha.take('b1'));
    await restic(root, PASSWORD, ['forget', backup.copies?.copies[0]?.snapshot ?? '']);
    const found = await alpha.offsite.check(0, alpha.intent, alpha.turn());
    expect(found).to.include('known here and there no more: 1');
    expect(alpha.catalogue.list()[0]?.copies).to.equal(undefined);
  });

  it('count as damaged when the repository is, and do not come back as backups', async () => {
    await copy(await alpha.take('b1'));
    await harm(repositoryOf(root));
    const error = await failure(alpha.offsite.check(100, alpha.intent, alpha.turn()));
    expect(error.message).to.match(/the repository is damaged: .*[0-9a-f]{64}/);
    expect(alpha.catalogue.list()[0]?.copies?.copies[0]?.problem).to.include('damaged');
    const bravo = await openHost({ root, host: 'bravo', password: PASSWORD });
    const meant = { backup: 'b1', snapshot: '' };
    await failure(bravo.offsite.fetch(meant, bravo.intent, bravo.turn()));
    expect(await namesIn(bravo.backups)).to.deep.equal([]);
    expect(bravo.catalogue.list()).to.deep.equal([]);
  });

  it('are refused with another password, and the repository is as it was', async () => {
    await copy(await alpha.take('b1'));
    const bravo = await openHost({ root, host: 'bravo', password: 'hush-quite-another-one' });
    const error = await failure(
      bravo.offsite.copy(await bravo.take('b2'), bravo.intent, bravo.turn()),
    );
    expect(error.code).to.equal('unauthenticated');
    expect(error.message).not.to.include('hush-quite-another-one');
    expect(await snapshots()).to.have.length(1);
  });

  it('make no new repository where one was', async () => {
    await copy(await alpha.take('b1'));
    const away = join(root, 'away');
    await rename(repositoryOf(root), away);
    const second = await alpha.take('b2');
    const error = await failure(copy(second));
    expect(error.code).to.equal('not-found');
    expect(error.message).to.include('is gone');
    expect(await namesIn(root)).not.to.include('repository');
    await rename(away, repositoryOf(root));
    await copy(second);
    expect(await snapshots()).to.have.length(2);
  });

  it('wait for a lock and then say whose it is; that of a process that died is none', async () => {
    await copy(await alpha.take('b1'));
    const second = await alpha.take('b2');
    const holder = await holdExclusively();
    const error = await failure(copy(second));
    expect(error.code).to.equal('unavailable');
    expect(error.retry).to.equal('later');
    expect(error.message).to.include(`locked by PID ${holder.pid}`);
    const ended = new Promise((resolve) => holder.once('exit', resolve));
    holder.kill('SIGKILL');
    await ended;
    expect(await namesIn(join(repositoryOf(root), 'locks'))).to.have.length(1);
    await copy(second);
    expect(await snapshots()).to.have.length(2);
  });

  it('say what to install where there is no restic', async () => {
    const bare = await openHost({ root, host: 'bare', password: PASSWORD, path: root });
    const backup = await bare.take('b1');
    const error = await failure(bare.offsite.copy(backup, bare.intent, bare.turn()));
    expect(error.message).to.include('apt-get install restic');
  });

  it('are stopped when they are told to, and nothing of them is left running', async () => {
    await copy(await alpha.take('b1'));
    const stop = new AbortController();
    const work = alpha.offsite.copy(
      await alpha.take('b2', 100),
      alpha.intent,
      alpha.turn(stop.signal),
    );
    stop.abort();
    expect((await failure(work)).code).to.equal('aborted');
    expect(alpha.catalogue.list().find(({ name }) => name === 'b2')?.copies).to.equal(undefined);
  });

  /** A check that reads so slowly that it holds its lock for as long as the test wants. */
  async function holdExclusively(): Promise<ChildProcess> {
    const child = spawn('restic', ['check', '--read-data', '--limit-download', '1'], {
      env: {
        ...process.env,
        RESTIC_REPOSITORY: repositoryOf(root),
        RESTIC_PASSWORD: PASSWORD,
        RESTIC_CACHE_DIR: join(root, 'cache'),
      },
      stdio: 'ignore',
    });
    const locks = join(repositoryOf(root), 'locks');
    await until('it has its lock', async () => (await namesIn(locks)).length > 0);
    return child;
  }
});

/** One byte of the largest file of data. */
async function harm(repository: string): Promise<void> {
  const data = join(repository, 'data');
  const files = (await readdir(data, { recursive: true })).map((name) => join(data, name));
  const sized = await Promise.all(files.map(async (path) => ({ path, found: await stat(path) })));
  const [largest] = sized
    .filter(({ found }) => found.isFile())
    .sort((a, b) => b.found.size - a.found.size);
  if (largest === undefined) throw new Error('the repository has data');
  await chmod(largest.path, 0o600);
  const file = await open(largest.path, 'r+');
  const { buffer } = await file.read({ position: 5000, length: 1 });
  await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, 5000);
  await file.close();
}
