// kill -9 of the agent in the middle of a backup, while its cell goes on with it or after: the next agent has the whole
// backup or none and nothing of it, says that the outcome is not known, and can take another one.
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openProcessRuntime } from '@leafward/agent/runtimes/process/process-runtime.js';
import { eventually } from '../conformance/runtime.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { openStage, permitOf, type Stage } from './agent-stage.js';
import { backupRequest, MEMBER, storyOf, type BackupStory } from './backup-story.js';

const signal = new AbortController().signal;
/** Longer than what is swept needs until its next turn, on a machine that does much else. */
const PATIENCE_MS = 150_000;

async function killedAt(story: BackupStory, dieAt: string): Promise<void> {
  const child = join(import.meta.dirname, 'backup-kill-child.js');
  const args = [child, JSON.stringify({ ...story, dieAt })];
  const agent = spawn(process.execPath, args, { stdio: 'inherit' });
  await new Promise((resolve) => agent.once('exit', resolve));
}

describe('an agent that is killed in a backup', function () {
  this.timeout(300_000);
  let directory = '';
  let story: BackupStory;
  let stage: Stage | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lw-bk-'));
    const { stateDirectory, backups } = storyOf({
      directory,
      image: { reference: '', digest: '' },
    });
    await mkdir(stateDirectory);
    await mkdir(join(backups, 'of-a-person'), { recursive: true });
    await writeFile(join(backups, 'of-a-person/file'), 'precious');
    const reference = await buildCellImage({ version: '2.113.0', outDir: join(directory, 'i') });
    const runtime = await openProcessRuntime({ stateDirectory });
    story = { directory, image: await runtime.resolve(reference, signal) };
  });
  afterEach(async () => {
    await stage?.stop();
    stage = undefined;
    const runtime = await openProcessRuntime({ stateDirectory: join(directory, 'state') });
    await runtime.stop(MEMBER, 0, signal);
    await rm(directory, { recursive: true, force: true });
  });

  /** The next life of the agent, until it has told what became of the backup. */
  const nextLife = async (): Promise<{ readonly state: string | undefined }> => {
    const { stateDirectory } = storyOf(story);
    const opened = await openStage({ stateDirectory, permits: [permitOf(MEMBER, 1)] });
    stage = opened;
    const settled = (): string | undefined =>
      opened.journal.state.requests['backup-b1']?.outcome?.state;
    const state = await eventually(settled, (found) => found !== undefined, 'settled', PATIENCE_MS);
    return { state };
  };
  const backUpAgain = async (): Promise<void> => {
    stage?.ask(backupRequest('b2'));
    const outcome = await eventually(
      () => stage?.outcome('backup-b2'),
      (found) => found !== undefined,
      'another one is taken',
      PATIENCE_MS,
    );
    expect(outcome?.state, outcome?.message).to.equal('succeeded');
  };
  const nameOf = ({ name }: { readonly name: string }): string => name;
  const filesOf = (name: string): readonly string[] => [
    name,
    `${name}.leafward-backup.json`,
    `${name}.leafward-manifest`,
  ];
  const untilThereIs = async (...names: readonly string[]): Promise<void> => {
    await eventually(
      async () => (await readdir(storyOf(story).backups)).sort().join(),
      (found) => found === ['of-a-person', ...names.flatMap(filesOf)].sort().join(),
      `there is what a person made, and ${names.join()}`,
      PATIENCE_MS,
    );
  };

  for (const [when, file] of [
    ['while its cell goes on with it', ''],
    ['when its cell has ended it', 'cell.guid'],
  ] as const)
    it(`has none of it: ${when}`, async () => {
      await killedAt(story, join(storyOf(story).backups, 'b1', file));
      expect(await nextLife()).to.deep.equal({ state: 'unknown' });
      await untilThereIs();
      await backUpAgain();
      await untilThereIs('b2');
    });

  it('has all of it when its record was there', async () => {
    await killedAt(story, join(storyOf(story).backups, 'b1.leafward-backup.json'));
    expect((await nextLife()).state).to.be.oneOf(['unknown', 'succeeded']);
    await backUpAgain();
    await untilThereIs('b1', 'b2');
    await eventually(
      () => stage?.reports.findLast(({ backups }) => backups)?.backups?.backups.map(nameOf) ?? [],
      (told) => told.includes('b1') && told.includes('b2'),
      'both are told',
      PATIENCE_MS,
    );
  });
});
