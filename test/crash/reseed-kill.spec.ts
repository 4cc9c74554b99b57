// kill -9 of an agent that reseeds a retired member, at its journal records and in the middle of the seed: nothing is
// ever started from what was retired or is half filled, and the reseed comes to its end by itself (I2).
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readJournal } from '@leafward/agent/journal.js';
import { readMarker, storageExists } from '@leafward/agent/marker.js';
import { openProcessRuntime } from '@leafward/agent/runtimes/process/process-runtime.js';
import type { ReseedLife } from './reseed-child.js';
import { PROGRAM } from './scripted-kind.js';

const signal = new AbortController().signal;
const MAX_LIVES = 60;
const child = join(import.meta.dirname, 'reseed-child.js');

/** The exit code, or the signal's name. */
function liveOnce(life: ReseedLife): Promise<number | string> {
  return new Promise((resolve) => {
    const agent = spawn(process.execPath, [child, JSON.stringify(life)], { stdio: 'inherit' });
    agent.once('exit', (code, reason) => resolve(code ?? reason ?? 'unknown'));
  });
}

describe('an agent that is killed while it reseeds', function () {
  this.timeout(240_000);
  let directory = '';
  let image: { readonly reference: string; readonly digest: string };
  const stateDirectories: string[] = [];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lw-reseed-'));
    const reference = join(directory, 'scripted-1.0.0.sh');
    await writeFile(reference, PROGRAM);
    await chmod(reference, 0o755);
    const runtime = await openProcessRuntime({ stateDirectory: directory });
    image = await runtime.resolve(reference, signal);
  });
  after(async () => {
    for (const stateDirectory of stateDirectories) {
      const runtime = await openProcessRuntime({ stateDirectory });
      await runtime.stop('00.db', 0, signal);
    }
    await rm(directory, { recursive: true, force: true });
  });

  const startsIn = async (path: string): Promise<readonly string[]> =>
    (await readFile(path, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');

  // Setting aside is three records; a mark that says retired goes with two more: a life of fewer would end there.
  for (const { wipe, killAt, when } of [
    { wipe: false, killAt: 4, when: 'before' as const },
    { wipe: true, killAt: 6, when: 'before' as const },
  ])
    it(`${wipe ? 'wipes' : 'sets aside'}, cut ${when} each record ${killAt}`, async () => {
      const name = `${wipe ? 'wipe' : 'keep'}-${when}-${killAt}`;
      const stateDirectory = join(directory, name);
      stateDirectories.push(stateDirectory);
      await mkdir(stateDirectory);
      const storage = join(directory, `s-${name}`);
      const starts = join(directory, `starts-${name}`);
      const life = { stateDirectory, storage, starts, image, wipe, cut: { killAt, when } };
      let oldStarts = Infinity;
      let lives = 0;
      for (let end: number | string = ''; end !== 0; lives += 1) {
        end = await liveOnce(life);
        expect(end, `life ${lives}`).to.be.oneOf([0, 'SIGKILL']);
        expect(lives, 'it gets somewhere').to.be.lessThan(MAX_LIVES);
        const lines = await startsIn(starts);
        const old = lines.filter((line) => line.includes('old=yes')).length;
        expect(old, 'a start from what was retired').to.be.at.most(oldStarts);
        const { retirements } = await readJournal(join(stateDirectory, 'journal.log'));
        if (Object.keys(retirements).length > 0) oldStarts = old;
        expect(lines.join('\n')).to.not.include('half=yes');
      }
      expect(lives, 'it was killed at all').to.be.greaterThan(3);
      expect(await readFile(join(stateDirectory, 'died-in-seed'), 'utf8')).to.equal('');
      expect((await startsIn(starts)).at(-1)).to.equal('as=tcp://new-leader old=no half=no');
      await expectReseeded(life);
    });

  async function expectReseeded({ stateDirectory, storage, wipe }: ReseedLife): Promise<void> {
    const state = await readJournal(join(stateDirectory, 'journal.log'));
    const aside = `${storage}.aside-r1`;
    expect(Object.keys(state.retirements)).to.deep.equal(wipe ? [] : [aside]);
    expect(state.fillings?.[storage]).to.include({ state: 'filled', reseeded: 'r1' });
    expect(state.starts['00.db']?.sinceRetired).to.equal(0);
    expect(await storageExists(aside)).to.equal(!wipe);
    const marker = await readMarker(storage);
    expect(marker.kind === 'found' && marker.marker).to.deep.include({ term: 2, reseeded: 'r1' });
    expect(marker.kind === 'found' && marker.marker.seeding).to.equal(undefined);
    if (wipe) return;
    const kept = await readMarker(aside);
    expect(kept.kind === 'found' && kept.marker.retired?.term).to.equal(1);
    expect(await readFile(join(aside, 'of-old-leader'), 'utf8')).to.equal('');
  }
});
