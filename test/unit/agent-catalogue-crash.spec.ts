// A backup that is added or removed, broken off at each act that changes a file, and on a disk that is full from any of
// them on: afterwards it is whole or it is none, and nothing of anybody else's was touched.
import { expect } from 'chai';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import {
  mkdtemp,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@leafward/shared/clock.js';
import { createLogger } from '@leafward/shared/log.js';
import { openCatalogue, type Catalogue } from '@leafward/agent/backups/catalogue.js';
import { withFault, type Fault } from './cut-files.js';

const signal = new AbortController().signal;
const quiet = (): void => undefined;
let directory = '';
let backups = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leafward-crash-'));
  await anew();
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** A host with a backup of long ago, and something that a person made. */
async function anew(): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  backups = join(directory, 'backups');
  await mkdir(join(backups, 'mine'), { recursive: true });
  await writeFile(join(backups, 'mine', 'precious'), 'of a person');
  await symlink(join(backups, 'mine'), join(backups, 'link'));
  const catalogue = await open();
  await take(catalogue, 'b0');
}
const open = (): Promise<Catalogue> =>
  openCatalogue({
    directory: join(directory, 'state'),
    host: 'alpha',
    clock: systemClock,
    log: createLogger('test', 'silent'),
  });
const pathOf = (name: string): string => join(backups, name);
const recordOf = (name: string): string => `${pathOf(name)}.leafward-backup.json`;
const attempt = (name: string) => ({ service: 'c', member: '00.c', name, path: pathOf(name) });
/** What a service writes: out of reach of the faults of its agent. */
const written = (path: string): void => {
  mkdirSync(join(path, 'slabs'), { recursive: true });
  writeFileSync(join(path, 'cell.guid'), 'one');
  writeFileSync(join(path, 'slabs/data'), Buffer.alloc(5000, 1));
  symlinkSync('/etc', join(path, 'out'));
};
async function take(catalogue: Catalogue, name: string): Promise<void> {
  await catalogue.begin(attempt(name));
  written(pathOf(name));
  const started = { ...attempt(name), host: 'alpha', term: 1, startedAt: Date.now() };
  await catalogue.add(started, quiet, signal);
}
const clean = (catalogue: Catalogue, isWritten = false): Promise<readonly string[]> =>
  catalogue.clean({ directories: [backups], isWritten: () => Promise.resolve(isWritten) }, signal);
const remove = (catalogue: Catalogue, name: string): Promise<void> =>
  catalogue.remove(pathOf(name), [backups], signal);
const namesOf = (catalogue: Catalogue): readonly string[] =>
  catalogue.list().map(({ name }) => name);

/** The agent starts anew: what it knows is whole, what it does not know has left nothing. */
async function expectWholeOrNone(name: string, missing: readonly string[]): Promise<boolean> {
  const catalogue = await open();
  await clean(catalogue);
  const rest = ['b0', 'b0.leafward-backup.json', 'b0.leafward-manifest', 'link', 'mine'];
  const isThere = namesOf(catalogue).includes(name);
  const own = [name, `${name}.leafward-backup.json`, `${name}.leafward-manifest`].filter(
    (one) => !missing.includes(pathOf(one)),
  );
  expect((await readdir(backups)).sort()).to.deep.equal([...rest, ...(isThere ? own : [])].sort());
  expect(await readFile(join(backups, 'mine/precious'), 'utf8')).to.equal('of a person');
  expect(
    readdirSync(join(directory, 'state')).filter((one) => !one.endsWith('-backup.json')),
  ).to.deep.equal([]);
  for (const backup of catalogue.list()) {
    const options = { onProgress: quiet, bytesPerSecond: 0 };
    const { verification } = await catalogue.verify(backup, options, signal);
    expect(verification?.problems).to.deep.equal([]);
  }
  expect(namesOf(catalogue)).to.include('b0');
  return isThere;
}

/** Broken off at each act. How often it was whole in the end, and how often none. */
async function atEachAct(
  kind: Fault['kind'],
  prepare: (catalogue: Catalogue) => Promise<void>,
  work: (catalogue: Catalogue) => Promise<void>,
  missing: readonly string[] = [],
): Promise<{ readonly whole: number; readonly none: number }> {
  const found = { whole: 0, none: 0 };
  for (let after = 0; ; after += 1) {
    await anew();
    const catalogue = await open();
    await prepare(catalogue);
    const { acts } = await withFault({ kind, after }, () => work(catalogue));
    if (await expectWholeOrNone('b1', missing)) found.whole += 1;
    else found.none += 1;
    if (acts <= after) return found;
  }
}
const nothing = (): Promise<void> => Promise.resolve();

describe('a catalogue whose agent is killed at any act', function () {
  this.timeout(120_000);

  it('has the whole backup that was begun, or none and nothing of it', async () => {
    const { whole, none } = await atEachAct('cut', nothing, (catalogue) => take(catalogue, 'b1'));
    expect(none).to.be.greaterThan(8);
    expect(whole).to.be.greaterThan(2);
  });

  it('has the whole backup that was being removed, or none and nothing of it', async () => {
    const { whole, none } = await atEachAct(
      'cut',
      (catalogue) => take(catalogue, 'b1'),
      (catalogue) => remove(catalogue, 'b1'),
    );
    expect(whole).to.be.greaterThan(1);
    expect(none).to.be.greaterThan(8);
  });

  it('has the same when the agent has no copy of its own of the record', async () => {
    const { whole, none } = await atEachAct(
      'cut',
      async (catalogue) => {
        await take(catalogue, 'b1');
        await rm(join(directory, 'state'), { recursive: true });
        await mkdir(join(directory, 'state'));
      },
      (catalogue) => remove(catalogue, 'b1'),
    );
    expect([whole > 0, none > 8]).to.deep.equal([true, true]);
  });

  it('has the same when only the agent has its record', async () => {
    const { whole, none } = await atEachAct(
      'cut',
      async (catalogue) => {
        await take(catalogue, 'b1');
        await rm(recordOf('b1'));
      },
      (catalogue) => remove(catalogue, 'b1'),
      [recordOf('b1')],
    );
    expect([whole > 0, none > 8]).to.deep.equal([true, true]);
  });
});

describe('a catalogue on a disk that is full from any write on', function () {
  this.timeout(120_000);

  it('has the whole backup that was begun, or none, and takes away what it left at once', async () => {
    const { whole, none } = await atEachAct('full', nothing, async (catalogue) => {
      await take(catalogue, 'b1').catch(async () => {
        catalogue.giveUp(pathOf('b1'));
        // Room is made on a disk that is full.
        await clean(catalogue);
        expect(namesOf(catalogue)).to.deep.equal(['b0']);
        expect(readdirSync(backups)).to.not.include('b1');
      });
    });
    expect(none).to.be.greaterThan(3);
    expect(whole).to.be.greaterThan(0);
  });

  it('removes all the same', async () => {
    const { whole } = await atEachAct(
      'full',
      (catalogue) => take(catalogue, 'b1'),
      (catalogue) => remove(catalogue, 'b1'),
    );
    expect(whole).to.equal(0);
  });
});

describe('a catalogue', () => {
  it('begins nothing where something lies already, nor twice in one place', async () => {
    const catalogue = await open();
    const fails = async (name: string): Promise<void> => {
      const error: unknown = await catalogue.begin(attempt(name)).catch((one: unknown) => one);
      expect(error).to.include({ code: 'already-exists' });
    };
    await fails('mine');
    await fails('link');
    await catalogue.begin(attempt('b1'));
    await fails('b1');
    expect(await clean(catalogue)).to.deep.equal([]);
    await fails('b1');
  });

  it('leaves alone what a service still writes, and takes it away when that is over', async () => {
    const first = await open();
    await first.begin(attempt('b1'));
    written(pathOf('b1'));
    const catalogue = await open();
    expect(await clean(catalogue, true)).to.deep.equal([]);
    expect(await readdir(pathOf('b1'))).to.include('cell.guid');
    expect((await clean(catalogue)).join()).to.include(pathOf('b1'));
    expect(await readdir(backups)).to.not.include('b1');
  });

  it('removes nothing that is not of it, nor outside of where backups lie, nor through a link', async () => {
    const catalogue = await open();
    const failure = async (act: Promise<void>): Promise<unknown> =>
      act.catch((one: unknown) => one);
    expect(await failure(remove(catalogue, 'mine'))).to.include({ code: 'not-found' });
    const elsewhere = join(directory, 'elsewhere');
    await mkdir(elsewhere);
    const outside = catalogue.remove(pathOf('b0'), [elsewhere], signal);
    expect(await failure(outside)).to.include({ code: 'refused' });
    await rename(pathOf('b0'), join(directory, 'moved'));
    await symlink(join(directory, 'moved'), pathOf('b0'));
    expect(await failure(remove(catalogue, 'b0'))).to.include({ code: 'refused' });
    expect(await readdir(join(directory, 'moved'))).to.include('cell.guid');
    expect(namesOf(catalogue)).to.deep.equal(['b0']);
  });

  it('is made anew from the disk when the agent has lost its memory', async () => {
    const before = await open();
    await take(before, 'b1');
    const known = before.list();
    await rm(join(directory, 'state'), { recursive: true });
    const catalogue = await open();
    expect(namesOf(catalogue)).to.deep.equal([]);
    expect(await catalogue.refresh([backups])).to.equal(true);
    expect(catalogue.list()).to.deep.equal(known);
    // Its own copies are there again.
    expect((await open()).list()).to.deep.equal(known);
  });

  it('tells of one that somebody deleted, until its record is gone too and a newer one is there', async () => {
    await rm(pathOf('b0'), { recursive: true });
    const catalogue = await open();
    const gone = (): readonly string[] => catalogue.gone().map(({ name }) => name);
    expect([namesOf(catalogue), gone()]).to.deep.equal([[], ['b0']]);
    await take(catalogue, 'b1');
    await catalogue.refresh([backups]);
    expect([namesOf(catalogue), gone()]).to.deep.equal([['b1'], ['b0']]);
    await rm(`${pathOf('b0')}.leafward-backup.json`);
    await catalogue.refresh([backups]);
    expect(gone()).to.deep.equal([]);
    expect((await open()).gone()).to.deep.equal([]);
  });
});
