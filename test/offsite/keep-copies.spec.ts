// Copies leave a real repository by rules: never the newest, the last proven, another service's or another host's, nor what
// is no copy at all; and what left is not copied again by itself.
import { expect } from 'chai';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Backup } from '@leafward/shared/gen/domain.js';
import { makeRoot, openHost, removeRoot, restic, type StageHost } from './stage.js';

const PASSWORD = 'hush-repository-of-the-test';

describe('rules for copies off the host', function () {
  this.timeout(180_000);
  let root: string;
  let alpha: StageHost;
  beforeEach(async () => {
    root = await makeRoot();
    alpha = await openHost({ root, host: 'alpha', password: PASSWORD, keep: { last: 1 } });
  });
  afterEach(() => removeRoot(root));

  const copied = async (host: StageHost, name: string): Promise<Backup> =>
    host.offsite.copy(await host.take(name, 1), host.intent, host.turn());
  const prune = (dryRun: boolean) => alpha.offsite.prune({ dryRun }, alpha.intent, alpha.turn());
  const names = async (): Promise<readonly string[]> =>
    (await alpha.offsite.list(alpha.intent, alpha.turn().signal)).map(({ name }) => name);
  const snapshots = async (): Promise<readonly { readonly tags?: readonly string[] }[]> =>
    JSON.parse(await restic(root, PASSWORD, ['snapshots', '--json'])) as never;

  it('say what would go and why, then take it out of repository and list', async () => {
    for (const name of ['b1', 'b2', 'b3']) await copied(alpha, name);
    const before = await prune(true);
    expect(before.verdicts.verdicts.map(({ name, keeps }) => [name, keeps])).to.eql([
      ['b3', true],
      ['b2', false],
      ['b1', false],
    ]);
    expect(await names()).to.have.length(3);
    expect((await prune(false)).message).to.include('2 of 3');
    expect(await names()).to.eql(['b3']);
    const listed = alpha.catalogue.list().filter(({ copies }) => copies !== undefined);
    expect(listed.map(({ name }) => name)).to.eql(['b3']);
    expect((await alpha.offsite.takenOut()).size).to.equal(2);
    expect((await prune(false)).message).to.include('0 of 1');
    expect(await restic(root, PASSWORD, ['check'])).to.include('no errors');
  });

  it('never take the newest that is proven, also when its backup is gone, nor what is not this host’s', async () => {
    const drill = { ok: true, at: 1, tookMs: 1, copyMs: 1, migrationMs: 0, bytes: 1, problems: [] };
    const b1 = await copied(alpha, 'b1');
    await alpha.catalogue.amend(b1.path, (now) => ({
      ...now,
      drill: { ...drill, image: { reference: 'x', digest: 'y' } },
    }));
    await prune(true);
    await alpha.catalogue.remove(b1.path, [alpha.backups], alpha.turn().signal);
    for (const name of ['b2', 'b3']) await copied(alpha, name);
    const bravo = await openHost({ root, host: 'bravo', password: PASSWORD });
    await copied(bravo, 'other');
    await restic(root, PASSWORD, [
      'backup',
      '--host',
      'alpha',
      alpha.directory + '/state/catalogue',
    ]);
    expect((await prune(false)).message).to.include('1 of 3');
    expect([...(await names())].sort()).to.eql(['b1', 'b3', 'other']);
    expect((await snapshots()).filter(({ tags = [] }) => tags.length === 0)).to.have.length(1);
  });

  it('are carried out for each service of a repository by itself', async () => {
    await copied(alpha, 'b1');
    await prune(false);
    expect(await alpha.offsite.keptAt(alpha.intent)).to.be.a('number');
    expect(await alpha.offsite.keptAt({ ...alpha.intent, service: 'other' })).to.equal(undefined);
  });

  it('let nothing go while nobody can tell what is proven (I13)', async () => {
    for (const name of ['b1', 'b2']) await copied(alpha, name);
    await prune(false);
    const memory = (await readdir(alpha.directory, { recursive: true })).find((name) =>
      name.endsWith('copies.json'),
    );
    await writeFile(join(alpha.directory, memory ?? ''), '{"proven":[');
    await copied(alpha, 'b3');
    const error: unknown = await prune(false).catch((cause: unknown) => cause);
    expect(String(error)).to.include('copies.json').and.include('nothing is taken out');
    expect(await names()).to.include('b2');
    expect((await alpha.offsite.takenOut()).size).to.equal(0);
  });

  it('are needed, and nothing leaves what was found damaged', async () => {
    const none = await openHost({ root, host: 'bravo', password: PASSWORD });
    const refusal = async (work: Promise<unknown>): Promise<string> => {
      const error: unknown = await work.catch((cause: unknown) => cause);
      expect(error).to.be.instanceOf(LeafwardError);
      return String(error);
    };
    const asked = async () => none.offsite.prune({ dryRun: true }, none.intent, none.turn());
    expect(await refusal(asked())).to.include('backup.offsite.keep');
    const b1 = await copied(alpha, 'b1');
    await alpha.catalogue.amend(b1.path, (now) => ({
      ...now,
      copies: { copies: (now.copies?.copies ?? []).map((one) => ({ ...one, problem: 'torn' })) },
    }));
    expect(await refusal(prune(false)))
      .to.include('found damaged')
      .and.include('torn');
  });
});
