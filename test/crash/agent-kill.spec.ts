// kill -9 of the agent at its journal records: life after life it comes to the same end. One member at most on
// the storage, one backup at most, and the retired one stays down.
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readJournal } from '@leafward/agent/journal.js';
import { readMarker } from '@leafward/agent/marker.js';
import { openProcessRuntime } from '@leafward/agent/runtimes/process/process-runtime.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import type { Life } from './agent-child.js';

const signal = new AbortController().signal;
const MAX_LIVES = 60;
const child = join(import.meta.dirname, 'agent-child.js');

/** The exit code, or the signal's name. */
function liveOnce(life: Life): Promise<number | string> {
  return new Promise((resolve) => {
    const agent = spawn(process.execPath, [child, JSON.stringify(life)], { stdio: 'inherit' });
    agent.once('exit', (code, reason) => resolve(code ?? reason ?? 'unknown'));
  });
}

describe('an agent that is killed again and again', function () {
  this.timeout(180_000);
  let directory = '';
  let image: { readonly reference: string; readonly digest: string };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lw-kill-'));
    const reference = await buildCellImage({ version: '2.113.0', outDir: directory });
    const runtime = await openProcessRuntime({ stateDirectory: directory });
    image = await runtime.resolve(reference, signal);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  // A fence stops before its order is remembered: a life of fewer than two records could stop for ever.
  for (const { killAt, when } of [
    { killAt: 4, when: 'before' as const },
    { killAt: 2, when: 'after' as const },
    { killAt: 3, when: 'before' as const },
    { killAt: 5, when: 'after' as const },
  ])
    it(`comes to the same end when each life is cut ${when} its record ${killAt}`, async () => {
      const stateDirectory = join(directory, `${when}-${killAt}`);
      const storage = join(directory, `s-${when}-${killAt}`);
      await mkdir(stateDirectory);
      const life = { stateDirectory, storage, image, cut: { killAt, when } };
      let lives = 0;
      for (let end: number | string = ''; end !== 0; lives += 1) {
        end = await liveOnce(life);
        expect(end, `life ${lives}`).to.be.oneOf([0, 'SIGKILL']);
        expect(lives, 'it gets somewhere').to.be.lessThan(MAX_LIVES);
        const runtime = await openProcessRuntime({ stateDirectory });
        const running = (await runtime.list(signal)).filter(
          (one) => one.running && one.writes.includes(storage),
        );
        expect(running.length, 'one writer (I9)').to.be.lessThan(2);
      }
      expect(lives, 'it was killed at all').to.be.greaterThan(2);
      await expectRetired(stateDirectory, storage);
    });

  async function expectRetired(stateDirectory: string, storage: string): Promise<void> {
    const state = await readJournal(join(stateDirectory, 'journal.log'));
    expect(Object.keys(state.retirements)).to.deep.equal([storage]);
    expect(state.starts['00.cortex']?.sinceRetired).to.equal(0);
    const marker = await readMarker(storage);
    expect(marker.kind === 'found' && marker.marker.retired?.term).to.equal(1);
    const runtime = await openProcessRuntime({ stateDirectory });
    expect((await runtime.inspect('00.cortex', signal)).state).to.equal('exited');
    const outcome = state.requests['backup-1']?.outcome;
    expect(outcome?.state).to.be.oneOf(['succeeded', 'unknown']);
    const backups = await readdir(join(storage, 'backups')).catch(() => []);
    const made = backups.filter((name) => !name.includes('.leafward'));
    expect(made.length, 'at most once (I12)').to.be.lessThan(2);
    if (outcome?.state === 'succeeded') expect(made).to.have.length(1);
  }
});
