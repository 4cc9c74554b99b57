// leafward backup prune: what is asked of which host, what is shown, and that nothing goes without a yes.
import { expect } from 'chai';
import type { KeepVerdict } from '@leafward/shared/gen/domain.js';
import { backup, startFixture } from './cli-fixture.js';

const verdict = (name: string, keeps: boolean, reason: string): KeepVerdict => ({
  ...{ name, path: `/b/${name}`, keeps, reason, sizeBytes: 2 ** 30 },
});
const staysAndGoes = [verdict('b2', true, 'the newest'), verdict('b1', false, 'no rule keeps it')];

interface Asked {
  readonly host: string;
  readonly dryRun: boolean;
}

/** `after`: what a host says of the same when it has removed them. */
async function run(
  args: string,
  before = staysAndGoes,
  after = before,
): Promise<{ readonly code: number; readonly text: string; readonly asked: readonly Asked[] }> {
  const asked: Asked[] = [];
  const fixture = await startFixture({
    listBackups: async () => ({
      backups: ['bravo', 'alpha', 'alpha'].map((host) => ({ ...backup, host })),
    }),
    actOnBackup: async (request) => {
      const { host, dryRun } = request as unknown as Asked;
      asked.push({ host, dryRun });
      const outcome = {
        ...{ requestId: 'q', state: 'succeeded' as const, startedAt: 1, changes: [] },
        ...{ message: `1 of 2 on ${host}`, verdicts: { verdicts: dryRun ? before : after } },
      };
      return { requestId: 'q', outcome };
    },
  });
  try {
    const { code, stdout, stderr } = await fixture.run(args.split(' '));
    return { code, text: stdout + stderr, asked };
  } finally {
    fixture.stop();
  }
}

describe('leafward backup prune', () => {
  it('asks each host that has some, one by one, and removes where something goes', async () => {
    const { code, text, asked } = await run('backup prune cortex --yes');
    expect(asked).to.deep.equal([
      { host: 'alpha', dryRun: true },
      { host: 'bravo', dryRun: true },
      { host: 'alpha', dryRun: false },
      { host: 'bravo', dryRun: false },
    ]);
    expect(code).to.equal(0);
    expect(text).to.match(/^b1 +alpha +1 GiB +goes +no rule keeps it$/m);
    expect(text).to.include('bravo: 1 of 2 on bravo');
  });

  it('removes nothing in a dry run, nor when nothing goes', async () => {
    const dry = await run('backup prune cortex --host bravo --dry-run');
    expect(dry.asked).to.deep.equal([{ host: 'bravo', dryRun: true }]);
    const { text, asked } = await run(
      'backup prune cortex --host bravo -o json',
      staysAndGoes.slice(0, 1),
    );
    expect(asked).to.deep.equal([{ host: 'bravo', dryRun: true }]);
    expect((JSON.parse(text) as readonly Asked[])[0]?.host).to.equal('bravo');
  });

  it('ends with 1 when one could not be removed, and says which', async () => {
    const stayed = [verdict('b1', true, 'it could not be removed: EROFS')];
    const { code, text } = await run('backup prune cortex --yes', staysAndGoes, stayed);
    expect(code).to.equal(1);
    expect(text).to.include('b1: it could not be removed: EROFS');
  });
});
