// Emptying a real storage: what is kept, what is marked, and that the same call goes on from wherever it was cut. Then
// a restore on top of it.
import { expect } from 'chai';
import {
  mkdir,
  mkdtemp,
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
import type { Backup, MemberIntent } from '@leafward/shared/gen/domain.js';
import { createLogger } from '@leafward/shared/log.js';
import { createPins } from '@leafward/agent/backups/pins.js';
import { emptyStorage, type Emptying } from '@leafward/agent/empty-storage.js';
import type { Engine } from '@leafward/agent/engines/engine.js';
import { openJournal, type Journal } from '@leafward/agent/journal.js';
import { readMarker, writeMarker, type Marker } from '@leafward/agent/marker.js';
import { createAct, type ActParts } from '@leafward/agent/requests/acts.js';
import { intentOf, mirrorIntent } from './agent-world.js';

const signal = new AbortController().signal;
const own = { format: 1 as const, service: 'cortex', member: '00.cortex', term: 3 };
const retired = { term: 3, at: 5, reason: 'failover' };

describe('emptying a storage', () => {
  let directory = '';
  let storage = '';
  let journal: Journal;
  let intent: MemberIntent;
  const aside = (): string => `${storage}.aside-r1`;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'leafward-empty-'));
    storage = join(directory, 'storage');
    journal = await openJournal(join(directory, 'journal.log'), createLogger('test', 'silent'));
    intent = mirrorIntent({ spec: { ...mirrorIntent().spec, storage } });
    await mkdir(join(storage, 'backups/b1'), { recursive: true });
    await writeFile(join(storage, 'backups/b1/data'), 'backup');
    await writeFile(join(storage, 'data'), 'old');
  });
  afterEach(async () => {
    await journal.close();
    await rm(directory, { recursive: true, force: true });
  });

  const emptying = (changes: Partial<Emptying> = {}): Emptying => ({
    id: 'r1',
    reseed: true,
    wipe: false,
    term: 4,
    from: '01.cortex',
    ...changes,
  });
  const empty = (changes: Partial<Emptying> = {}): Promise<void> =>
    emptyStorage(intent, emptying(changes), { journal, clock: systemClock }, signal);
  const mark = (changes: Partial<Marker> = {}): Promise<void> =>
    writeMarker(storage, { ...own, ...changes });
  const markerIn = async (path: string): Promise<Marker | undefined> => {
    const reading = await readMarker(path);
    return reading.kind === 'found' ? reading.marker : undefined;
  };
  const retire = async (): Promise<void> => {
    await mark({ retired });
    const { member, service } = own;
    await journal.append({ kind: 'retired', retirement: { ...retired, member, service, storage } });
  };
  const expectSetAside = async (term: number): Promise<void> => {
    expect(await readdir(storage)).to.deep.equal(['backups']);
    expect(await readFile(join(aside(), 'data'), 'utf8')).to.equal('old');
    expect((await markerIn(aside()))?.retired?.term).to.equal(term);
    expect(Object.keys(journal.state.retirements)).to.deep.equal([aside()]);
    expect(journal.state.fillings?.[storage]?.state).to.equal('emptied');
  };

  it('moves it aside with its retirement, and leaves its backups where they are (I2, I13)', async () => {
    await retire();
    await empty();
    await expectSetAside(3);
  });
  it('retires what was none, too: nothing starts from what is kept', async () => {
    await mark();
    await empty();
    await expectSetAside(4);
  });
  it('goes on after a crash between any two of its acts', async () => {
    await retire();
    // Renamed, and nothing more.
    await rename(storage, aside());
    await empty();
    await expectSetAside(3);
    // Everything but the last record, and that it happened at all is forgotten.
    await empty();
    await expectSetAside(3);
  });
  it('wipes under the mark that forbids a start, and ends the retirement with the data', async () => {
    await retire();
    await empty({ wipe: true });
    expect((await readdir(storage)).sort()).to.deep.equal(['.leafward.json', 'backups']);
    expect((await markerIn(storage))?.retired).to.deep.equal(retired);
    expect(journal.state.retirements).to.deep.equal({});
  });
  it('marks what was none before the first file goes, and never keeps half of something', async () => {
    await mark();
    await empty({ wipe: true });
    const marker = await markerIn(storage);
    expect(marker).to.deep.include({ seeding: { from: '01.cortex', id: 'r1' }, reseeded: 'r1' });
    await writeFile(join(storage, 'half'), '');
    await empty({ id: 'r2' });
    expect((await readdir(storage)).sort()).to.deep.equal(['.leafward.json', 'backups']);
    expect(await readdir(directory)).to.not.include('storage.aside-r2');
  });
  it('touches nothing of another member, nothing retired without a reseed, and nothing that does not fit', async () => {
    const fails = async (changes: Partial<Emptying>, text: string): Promise<void> => {
      let message = '';
      await empty(changes).catch((error: unknown) => (message = String(error)));
      expect(message).to.contain(text);
      expect(await readFile(join(storage, 'data'), 'utf8')).to.equal('old');
    };
    await mark({ member: '07.cortex' });
    await fails({}, 'it belongs to 07.cortex');
    await mark();
    await fails({ needBytes: 2 ** 60 }, '(I7)');
    await retire();
    await fails({ reseed: false }, '(I2)');
    await fails({ term: 2 }, '(I2)');
    await mkdir(aside());
    await fails({}, 'is there already');
  });
  it('touches nothing when the backups lie right among the data (I13)', async () => {
    await mark();
    intent = mirrorIntent({ spec: { ...intent.spec, backupDirectory: `${storage}/` } });
    for (const wipe of [true, false]) {
      let message = '';
      await empty({ wipe }).catch((error: unknown) => (message = String(error)));
      expect(message).to.contain('(I13)');
    }
    expect((await readdir(storage)).sort()).to.deep.equal(['.leafward.json', 'backups', 'data']);
  });

  describe('for a restore', () => {
    let restored: string[] = [];
    let users: readonly object[] = [];
    const backup = (): Backup => ({
      name: 'b1',
      service: 'cortex',
      member: '00.cortex',
      host: 'alpha',
      path: join(storage, 'backups/b1'),
      sizeBytes: 6,
      files: 1,
      position: 7,
      term: 3,
      startedAt: 1,
      finishedAt: 2,
      manifestSha256: '',
    });
    const parts = (): ActParts =>
      ({
        host: 'alpha',
        clock: systemClock,
        journal,
        catalogue: { list: () => [backup()], refresh: () => Promise.resolve(false) },
        pins: createPins(),
        runtime: () => ({
          inspect: () => Promise.resolve({ state: 'exited' }),
          list: () => Promise.resolve(users),
        }),
        isBusy: () => false,
        engineOf: () =>
          ({
            restore: async ({ spec }, { backupPath }) => {
              restored.push(backupPath);
              expect((await markerIn(spec.storage))?.seeding?.id).to.equal('q1');
              await writeFile(join(spec.storage, 'data'), 'restored');
            },
          }) as Partial<Engine>,
      }) as unknown as ActParts;
    const restore = (wipe = false): Promise<unknown> =>
      createAct(parts())(
        {
          kind: 'restore-backup',
          id: 'q1',
          epoch: 1,
          expiresAt: 0,
          member: '00.cortex',
          term: 4,
          backup: 'b1',
          wipe,
        },
        () => undefined,
        signal,
      );
    const order = async (changes: Partial<MemberIntent>): Promise<void> => {
      const generation = (journal.state.intent?.generation ?? 0) + 1;
      const member = intentOf({ spec: { ...intent.spec, storage }, ...changes });
      const sent = { host: 'alpha', generation, epoch: 1, members: [member] };
      await journal.append({ kind: 'intent-accepted', at: 1, intent: sent });
    };
    beforeEach(() => {
      restored = [];
      users = [];
    });

    it('fills it from the backup in its own term, once, also after a crash at its end (I12)', async () => {
      await mark({ reseeded: 'r0' });
      await order({ run: 'stopped' });
      expect(await restore()).to.deep.equal({ position: 7 });
      expect(await markerIn(storage)).to.deep.equal({ ...own, term: 4, reseeded: 'r0' });
      expect(await readFile(join(storage, 'data'), 'utf8')).to.equal('restored');
      expect(await readFile(join(`${storage}.aside-q1`, 'data'), 'utf8')).to.equal('old');
      expect(journal.state.fillings?.[storage]?.state).to.equal('filled');
      expect(await restore()).to.deep.equal({ position: 7 });
      expect(restored).to.deep.equal([join(storage, 'backups/b1')]);
    });
    it('keeps the backups of a storage behind a symbolic link, however they are spelled (I13)', async () => {
      const link = join(directory, 'link');
      await symlink(storage, link);
      await mark();
      for (const backupDirectory of [join(link, 'backups'), join(storage, 'backups')]) {
        await order({ run: 'stopped', spec: { ...intent.spec, storage: link, backupDirectory } });
        await restore(true);
        expect(await readFile(join(storage, 'backups/b1/data'), 'utf8')).to.equal('backup');
        expect(await readFile(join(storage, 'data'), 'utf8')).to.equal('restored');
        await mark();
      }
    });
    it('touches nothing of a storage that somebody runs by hand (I9)', async () => {
      await mark();
      await order({ run: 'stopped' });
      users = [{ name: 'process 7 (redis-server)', running: true, writes: [storage] }];
      let message = '';
      await restore(true).catch((error: unknown) => (message = String(error)));
      expect(message).to.contain('process 7 (redis-server) runs on').and.contain('(I9)');
      expect(await readFile(join(storage, 'data'), 'utf8')).to.equal('old');
    });
    it('does nothing to one that shall run, or that is retired (I2)', async () => {
      await mark();
      await order({ run: 'running' });
      let message = '';
      await restore().catch((error: unknown) => (message = String(error)));
      expect(message).to.contain('it shall be running');
      await retire();
      await order({ run: 'stopped' });
      await restore().catch((error: unknown) => (message = String(error)));
      expect(message).to.contain('retired (I2)');
      expect(restored).to.deep.equal([]);
    });
  });
});
