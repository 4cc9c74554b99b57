// How a stand-in cell lives through versions, trims and deaths: as measured on the real ones.
import { expect } from 'chai';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSynapseEngine } from '@leafward/agent/engines/synapse/engine.js';
import { migrationIn } from '@leafward/agent/engines/synapse/migration-line.js';
import { readStoredRole, writeRole } from '@leafward/agent/engines/synapse/stored-role.js';
import type { EngineFact, MemberSpec } from '@leafward/shared/gen/domain.js';
import { eventually } from '../conformance/runtime.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { startCell, untilAnswers, type CellProcess } from '../standin/cell-process.js';
import { connectCell, type CellClient } from '../standin/client.js';

const MIGRATE_MS = 300;

describe('stand-in cell through its life', function () {
  this.timeout(120_000);
  let root: string;
  let cells: CellProcess[];
  let clients: CellClient[];

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'lw-life-'));
    cells = [];
    clients = [];
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    await Promise.all(cells.map((cell) => cell.kill()));
    await rm(root, { recursive: true, force: true });
  });

  const begin = async (name: string, version: string, upstream?: string): Promise<CellProcess> => {
    const image = await buildCellImage({ version, outDir: join(root, 'images') });
    const environment = {
      SYN_CELL_MIGRATE_MS: String(MIGRATE_MS),
      ...(upstream === undefined ? {} : { SYN_CELL_MIRROR: `unix://${join(root, upstream)}/sock` }),
    };
    const cell = startCell({ image, storage: join(root, name), environment });
    cells.push(cell);
    return cell;
  };
  const run = async (name: string, version: string, upstream?: string): Promise<CellProcess> => {
    const cell = await begin(name, version, upstream);
    await untilAnswers(cell);
    return cell;
  };
  const clientOf = async (name: string): Promise<CellClient> => {
    const client = await connectCell({ url: join(root, name) });
    clients.push(client);
    return client;
  };
  const observe = async (name: string): Promise<EngineFact> => {
    const engine = createSynapseEngine();
    const spec = { storage: join(root, name), environment: {}, engineOptions: {} };
    const member = { member: name, service: 'cortex', spec: spec as unknown as MemberSpec };
    const fact = await engine.observe(member, AbortSignal.timeout(2_000));
    engine.forget(name);
    return fact;
  };
  const until = (name: string, holds: (fact: EngineFact) => boolean): Promise<EngineFact> =>
    eventually(() => observe(name), holds, name);

  it('migrates at the first start of a newer version, before it answers, with the lines that tell it', async () => {
    const old = await run('00', '2.113.0');
    await (await clientOf('00')).write('kept');
    await old.stop();
    const begunAt = performance.now();
    const updated = await run('00', '2.150.0');
    expect(performance.now() - begunAt).to.be.greaterThan(MIGRATE_MS);
    const states = updated.lines().map(migrationIn);
    expect(states).to.include.members(['running', 'done']);
    expect((await (await clientOf('00')).read()).map((held) => held.value)).to.deep.equal(['kept']);
    await updated.stop();
    const again = await run('00', '2.150.0');
    expect(again.lines().map(migrationIn)).to.not.include('running');
  });

  it('migrates again when it was killed midway', async () => {
    await (await run('00', '2.113.0')).stop();
    const cut = await begin('00', '2.150.0');
    await eventually(
      () => cut.lines().map(migrationIn),
      (states) => states.includes('running'),
      'the migration runs',
    );
    await cut.kill();
    expect((await run('00', '2.150.0')).lines().map(migrationIn)).to.include('running');
  });

  it('refuses to start over the data of a newer version', async () => {
    await (await run('00', '2.150.0')).stop();
    const older = await begin('00', '2.113.0');
    expect(await older.ended()).to.equal(1);
    expect(older.lines().join('\n')).to.contain('BadStorageVersion');
  });

  it('guards itself from 2.165 on while its upstream is newer, and recovers after its own update', async () => {
    await (await run('00', '2.180.0')).stop();
    await run('00', '2.250.0');
    const mirror = await run('01', '2.180.0', '00');
    await eventually(
      () => mirror.lines().join('\n'),
      (text) =>
        text.includes('Leader is a higher version than we are. Mirrors must be updated first.'),
      'it says so',
    );
    const leader = await clientOf('00');
    const offset = await leader.write('not followed');
    const error: unknown = await (await clientOf('01')).write('refused').catch((e: unknown) => e);
    expect(error).to.have.property('errname', 'IsReadOnly');
    expect((await observe('01')).position).to.be.at.most(offset);
    await mirror.stop();
    await run('01', '2.250.0', '00');
    await until('01', (fact) => fact.ready === true && (fact.position ?? 0) > offset);
  });

  it('follows a newer upstream without a guard before 2.165', async () => {
    await run('00', '2.150.0');
    await run('01', '2.113.0', '00');
    const offset = await (await clientOf('00')).write('followed');
    await until('01', (fact) => (fact.position ?? 0) > offset);
  });

  it('follows an older upstream: mirrors are updated first', async () => {
    await run('00', '2.113.0');
    await run('01', '2.250.0', '00');
    const offset = await (await clientOf('01')).write('through the mirror');
    await until('01', (fact) => fact.uplink === true && (fact.position ?? 0) > offset);
  });

  it('says that its uplink is gone when the leader dies, and stays ready at 2.113', async () => {
    const leader = await run('00', '2.113.0');
    await run('01', '2.250.0', '00');
    await run('02', '2.113.0', '00');
    await until('01', (fact) => fact.uplink === true && fact.ready === true);
    await until('02', (fact) => fact.ready === true);
    await leader.kill();
    await until('01', (fact) => fact.uplink === false && fact.ready === false);
    expect((await observe('02')).ready).to.equal(true);
  });

  it('leads again when it comes back after a forced promotion: nobody fences', async () => {
    const leader = await run('00', '2.250.0');
    await run('01', '2.250.0', '00');
    await until('01', (fact) => fact.ready === true);
    await leader.kill();
    await (await clientOf('01')).call({ method: 'promote', kwargs: { graceful: false } });
    await run('00', '2.250.0');
    expect([(await observe('00')).active, (await observe('01')).active]).to.deep.equal([
      true,
      true,
    ]);
  });

  it('loses its mirrors at 2.113 when it trims without consumers, for ever', async () => {
    await run('00', '2.113.0');
    const mirror = await run('01', '2.113.0', '00');
    await until('01', (fact) => fact.ready === true);
    await (await clientOf('00')).call({ method: 'trimNexsLog' });
    expect(await mirror.ended()).to.equal(0);
    const again = await begin('01', '2.113.0', '00');
    expect(await again.ended()).to.equal(0);
    expect(again.lines().join('\n')).to.contain('desync');
  });

  it('keeps every acknowledged write over a kill', async () => {
    const cell = await run('00', '2.113.0');
    const client = await clientOf('00');
    const acknowledged: string[] = [];
    const writes = Array.from({ length: 200 }, (_, index) =>
      client.write(`value ${index}`).then(
        () => acknowledged.push(`value ${index}`),
        () => undefined,
      ),
    );
    await Promise.race(writes.slice(100));
    await cell.kill();
    await Promise.all(writes);
    await run('00', '2.113.0');
    const held = (await (await clientOf('00')).read()).map((write) => write.value);
    expect(acknowledged).to.not.be.empty;
    expect(held).to.include.members(acknowledged);
  });

  it('stops at once on SIGTERM, and refuses a second process on its storage', async () => {
    const cell = await run('00', '2.113.0');
    const second = await begin('00', '2.113.0');
    expect(await second.ended()).to.equal(1);
    const begunAt = performance.now();
    expect(await cell.stop()).to.equal(0);
    expect(performance.now() - begunAt).to.be.lessThan(1_000);
  });

  it('has its role changed in cell.mods.yaml with all else kept', async () => {
    const storage = join(root, '00');
    await (await run('00', '2.113.0')).stop();
    const path = join(storage, 'cell.mods.yaml');
    await writeFile(path, '# ours\nmirror: aha://old\nonboot:optimize: true\n', { mode: 0o640 });
    const spec = { storage, environment: {} } as unknown as MemberSpec;
    expect(await readStoredRole(spec)).to.deep.equal({ upstreamUrl: 'aha://old' });
    await writeRole(spec, { role: 'leader' });
    expect(await readFile(path, 'utf8')).to.equal('# ours\nmirror: null\nonboot:optimize: true\n');
    expect((await stat(path)).mode & 0o777).to.equal(0o640);
    expect(await readStoredRole(spec)).to.deep.equal({ upstreamUrl: null });
    await writeFile(path, ': : [broken');
    const error: unknown = await readStoredRole(spec).catch((e: unknown) => e);
    expect(error).to.have.property('code', 'failed');
  });
});
