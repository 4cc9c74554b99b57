// What a migration may read, and what is kept of its errors: a source that is not one is refused before anything is
// touched, and a line that told of an error is known to the next attempt.
import { expect } from 'chai';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openMigrationErrors } from '@leafward/agent/requests/acts/migration-errors.js';
import { isSource } from '@leafward/agent/requests/acts/migration-source.js';
import { parseManifest } from '@leafward/shared/manifest/parse.js';

describe('the source of a migration', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));
  const layer = async (cortex: string, name: string): Promise<string> => {
    await mkdir(join(dir, cortex, 'layers/l1', name), { recursive: true });
    return join(dir, cortex);
  };
  const why = (source: string, storage = join(dir, 'new')): Promise<string> =>
    isSource('migrate', source, storage).then(
      () => 'none',
      (error: unknown) => (error as Error).message,
    );

  it('is a Cortex of 0.1.x', async () => {
    expect(await why(await layer('old', 'layer.lmdb'))).to.equal('none');
    expect(await why(join(dir, 'nothing'))).to.match(/layers cannot be read/);
    expect(await why(await layer('half', 'other'))).to.match(/no layer of Synapse 0\.1\.x/);
    await layer('both', 'layer.lmdb');
    expect(await why(await layer('both', 'layer_v2.lmdb'))).to.match(/is of Synapse 0\.2\.x/);
  });

  it('lies apart from the storage', async () => {
    const old = await layer('old', 'layer.lmdb');
    for (const storage of [old, join(old, 'new'), dir])
      expect(await why(old, storage)).to.match(/lie in each other; nothing was touched/);
  });

  it('leaves errors that the next attempt knows, each once, the first of them shown', async () => {
    const first = openMigrationErrors(dir, 'does not match|NoSuchForm');
    expect(await first.describe()).to.equal('nothing was left behind');
    for (const line of ['fine', 'NoSuchForm a', 'NoSuchForm a']) first.take(line);
    await first.written();
    const second = openMigrationErrors(dir, 'does not match|NoSuchForm');
    second.take('NoSuchForm a');
    for (let at = 0; at < 11; at += 1) second.take(`${at} does not match`);
    await second.written();
    expect(await second.count()).to.equal(12);
    expect(await second.describe()).to.match(
      /^12 could not be migrated .*: NoSuchForm a \| 0 does not match .* \| and 2 more$/,
    );
    expect(await readFile(join(dir, '.leafward-migration-errors'), 'utf8')).not.to.match(/fine/);
    await second.forget();
    expect(await second.count()).to.equal(0);
  });
});

describe('migrate020 of a manifest', () => {
  const parsed = (tools: string): ReturnType<typeof parseManifest> =>
    parseManifest(`fleet: loop
hosts: { alpha: }
services:
  cortex:
    kind: synapse
    image: cortex:2.8.0
    migrate020: ${tools}
    members: { 00.cortex: { host: alpha } }
`);

  it('has the defaults of the guide', () => {
    const result = parsed(
      '{ source: /srv/old, command: [tool], sync: { command: [s], caughtUp: up } }',
    );
    if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('; '));
    const tools = result.manifest.services[0]?.migrate020;
    expect(tools?.migration).to.deep.include({
      source: '/srv/old',
      resume: [],
      checkpoints: 'migration',
      timeoutMs: 3 * 86_400_000,
    });
    expect('Buid/norming exception: NoSuchForm').to.match(
      new RegExp(tools?.migration.errors ?? '^$'),
    );
    expect(tools?.sync).to.eql({ command: ['s'], caughtUp: 'up', timeoutMs: 12 * 3_600_000 });
  });

  it('tells what is wrong, and where', () => {
    const result = parsed("{ source: old, command: [], errors: '(', checkpoints: ../x }");
    const problems = result.ok ? [] : result.problems;
    expect(
      problems.map(({ path }) => path.replace('services.cortex.migrate020.', '')),
    ).to.have.members(['source', 'command', 'errors', 'checkpoints']);
  });
});
