// One run of restic, with a program of that name which does what the test wants: its environment, its end, what it may
// print, and that nothing is left of it.
import { expect } from 'chai';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runRestic, type ResticRun } from '@leafward/agent/offsite/run-restic.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import { eventually } from '../conformance/runtime.js';

const signal = new AbortController().signal;

describe('a run of restic', function () {
  this.timeout(60_000);
  let directory = '';
  beforeEach(async () => (directory = await mkdtemp(join(tmpdir(), 'leafward-restic-'))));
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const script = async (text: string): Promise<void> => {
    await writeFile(join(directory, 'restic'), `#!/bin/sh\n${text}\n`);
    await chmod(join(directory, 'restic'), 0o755);
  };
  const run = (changes: Partial<ResticRun> = {}): ResticRun => ({
    what: 'copy b1',
    arguments: ['backup', 'b1'],
    environment: { PATH: `${directory}:${process.env['PATH'] ?? ''}`, RESTIC_PASSWORD: 'hush-one' },
    redact: (text) => text.replaceAll('hush-one', '[hidden]'),
    ...changes,
  });
  const failure = async (work: Promise<unknown>): Promise<LeafwardError> => {
    const error: unknown = await work.then(
      () => undefined,
      (cause: unknown) => cause,
    );
    if (error instanceof LeafwardError) return error;
    throw new Error('it had to fail', { cause: error });
  };

  it('has its arguments, its own environment and nothing else', async () => {
    process.env['LEAFWARD_TEST_STRAY'] = 'stray';
    await script('echo "$@"; echo "stray:$LEAFWARD_TEST_STRAY"; pwd');
    const end = await runRestic(run({ directory }), signal);
    delete process.env['LEAFWARD_TEST_STRAY'];
    expect(end.stdout.split('\n').slice(0, 2)).to.deep.equal(['backup b1', 'stray:']);
    expect(end.stdout).to.include(directory);
  });

  it('tells how it ended, without the secrets that it printed', async () => {
    await script('echo "it is $RESTIC_PASSWORD" >&2; exit 12');
    const end = await runRestic(run(), signal);
    expect(end).to.deep.include({ exitCode: 12, stderr: 'it is [hidden]\n' });
  });

  it('gives its lines as they come, and the last one without an end', async () => {
    await script('printf "one\\ntwo\\nthree"');
    const lines: string[] = [];
    const end = await runRestic(run({ onLine: (line) => void lines.push(line) }), signal);
    expect(lines).to.deep.equal(['one', 'two', 'three']);
    expect(end.stdout).to.equal('');
  });

  it('keeps no answer without end', async () => {
    await script('yes');
    expect((await failure(runRestic(run(), signal))).code).to.equal('exhausted');
  });

  it('is not begun without restic, nor after its time', async () => {
    const environment = { PATH: directory };
    expect((await failure(runRestic(run({ environment }), signal))).code).to.equal('not-found');
    await script('true');
    expect((await failure(runRestic(run(), AbortSignal.abort()))).code).to.equal('aborted');
  });

  it('is asked to end and then killed', async () => {
    const pidFile = join(directory, 'pid');
    await script(
      `trap '' INT; echo $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; while :; do sleep 0.05; done`,
    );
    const stop = new AbortController();
    const work = failure(runRestic(run(), stop.signal));
    const read = (): Promise<string> => readFile(pidFile, 'utf8').catch(() => '');
    const pid = Number(await eventually(read, (text) => text !== '', 'it runs', 30_000));
    stop.abort();
    expect((await work).code).to.equal('aborted');
    expect(() => process.kill(pid, 0)).to.throw('ESRCH');
  });
});
