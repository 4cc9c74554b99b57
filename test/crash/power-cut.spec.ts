// A power cut after each call that takes a backup in, notes something of it or takes it away, with whatever of the data
// that was not synced lost: what lies there then is a whole backup or none, and what has been told is true.
import { expect } from 'chai';
import { mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCatalogue, type Catalogue } from '@leafward/agent/backups/catalogue.js';
import { manifestPathOf } from '@leafward/agent/backups/place.js';
import { verifyFiles } from '@leafward/agent/backups/verify.js';
import { systemClock } from '@leafward/shared/clock.js';
import { createLogger } from '@leafward/shared/log.js';
import { createRandom, type Random } from '../sim/random.js';
import { contentOf, cutAfter, recordChanges, type Change } from './recorded-disk.js';

const signal = new AbortController().signal;
const onProgress = (): void => undefined;

/** What is kept of what was not synced: nothing, all, names without their content, and by chance. */
function draws(): readonly Random[] {
  const always = (isKept: boolean, hasData: boolean): Random => {
    let isFirst = true;
    return {
      ...createRandom(1),
      below: (count) => {
        const kept = isFirst ? isKept : hasData;
        isFirst = false;
        return kept ? count - 1 : 0;
      },
      chance: () => hasData,
    };
  };
  return [always(false, false), always(true, true), always(true, false)].concat(
    [2, 3, 4].map(createRandom),
  );
}

describe('a power cut at any call of the catalogue', function () {
  this.timeout(300_000);
  let root: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'leafward-power-'));
  });
  after(() => rm(root, { recursive: true, force: true }));

  const place = () => ({ state: join(root, 'state'), backups: join(root, 'backups') });
  const openHere = (): Promise<Catalogue> =>
    openCatalogue({
      ...{ directory: place().state, host: 'alpha', clock: systemClock },
      log: createLogger('test', 'silent'),
    });
  /** As a service does it: nothing is synced. */
  const put = async (path: string, text: string): Promise<void> => {
    const file = await open(path, 'w');
    await file.writeFile(text);
    await file.close();
  };
  /** Numbers of changes by which something was told. */
  interface Told {
    added: number;
    amended: number;
    removing: number;
    removed: number;
  }
  async function story(mark: () => number): Promise<Told> {
    const { backups } = place();
    await mkdir(backups, { recursive: true });
    const catalogue = await openHere();
    const path = join(backups, 'b1');
    const member = { service: 'cortex', member: '00.cortex' };
    await catalogue.begin({ ...member, name: 'b1', path });
    await mkdir(join(path, 'slabs'), { recursive: true });
    await put(join(path, 'cell.guid'), 'one');
    await put(join(path, 'slabs', 'data.mdb'), 'x'.repeat(5000));
    const backup = { ...member, name: 'b1', host: 'alpha', path, term: 1, startedAt: 1 };
    const added = await catalogue.add({ ...backup, position: 3 }, onProgress, signal);
    const told: Told = { added: mark(), amended: 0, removing: 0, removed: 0 };
    await catalogue.verify(added, { onProgress, bytesPerSecond: 0 }, signal);
    told.amended = mark();
    told.removing = mark();
    await catalogue.remove(path, [backups], signal);
    told.removed = mark();
    return told;
  }

  async function restore(changes: readonly Change[], count: number, random: Random): Promise<void> {
    await rm(root, { recursive: true, force: true });
    await mkdir(root);
    for (const [path, data] of contentOf(cutAfter(changes, count, random), root))
      if (data === undefined) await mkdir(path, { recursive: true });
      else await writeFile(path, data);
  }

  /** After the cut: what the catalogue says then, and what is left when it has cleaned. */
  async function look() {
    const { backups } = place();
    const catalogue = await openHere();
    await catalogue.refresh([backups]);
    const listed = [...catalogue.all()];
    for (const one of listed) {
      const how = { clock: systemClock, onProgress, bytesPerSecond: 0 };
      const { ok, problems } = await verifyFiles(one, manifestPathOf(one.path), how, signal);
      expect(ok, problems.join()).to.equal(true);
    }
    await catalogue.clean(
      { directories: [backups], isWritten: () => Promise.resolve(false) },
      signal,
    );
    const left = await readdir(backups).catch(() => []);
    return { listed, left };
  }

  async function recorded() {
    let told: Told | undefined;
    await rm(root, { recursive: true, force: true });
    await mkdir(root);
    const changes = await recordChanges(root, async (mark) => {
      told = await story(mark);
    });
    if (told === undefined) throw new Error('the story has no end');
    return { changes, told };
  }

  it('leaves a whole backup or none, and never loses one that was told', async () => {
    const { changes, told } = await recorded();
    expect(changes.filter(({ kind }) => kind === 'sync').length).to.be.above(8);
    const { added, amended, removing, removed } = told;
    let [wholes, nones] = [0, 0];
    for (let count = 0; count <= changes.length; count += 1)
      for (const random of draws()) {
        await restore(changes, count, random);
        const { listed, left } = await look();
        const at = `after ${count} of ${changes.length}: ${left.join()}`;
        if (listed.length === 0) expect(left, at).to.eql([]);
        else expect(left, at).to.include('b1');
        if (count >= added && count <= removing) expect(listed, at).to.have.length(1);
        if (count >= amended && count <= removing)
          expect(listed[0]?.verification?.ok, at).to.equal(true);
        if (count < added && listed.length > 0) expect(listed[0]?.position, at).to.equal(3);
        if (count >= removed) expect(listed, at).to.have.length(0);
        if (listed.length === 0) nones += 1;
        else wholes += 1;
      }
    expect(Math.min(wholes, nones)).to.be.above(50);
  });

  it('would leave a damaged one if its files were not synced before its record', async () => {
    const { changes, told } = await recorded();
    const files = join(place().backups, 'b1', '/');
    const careless = changes.filter(({ kind, path }) => kind !== 'sync' || !path.startsWith(files));
    const found: unknown[] = [];
    for (let count = told.added - 8; count <= told.added && found.length === 0; count += 1)
      for (const random of draws()) {
        await restore(careless, count, random);
        await look().catch((error: unknown) => found.push(error));
      }
    expect(String(found[0])).to.include('slabs/data.mdb');
  });
});
