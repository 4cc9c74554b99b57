// From Synapse 0.1.x to 0.2.x on a real fleet: killed on the way it goes on from the tool's checkpoint, it pauses on what
// could not be migrated, and what the old Cortex got meanwhile comes after. The old one is only read.
import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { appendFile, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { buildMigrate020 } from '../standin/build-migrate-020.js';
import { connectCell } from '../standin/client.js';

const SETTLED_MS = 120_000;
const NODES = 100;

describe('from Synapse 0.1.x', function () {
  this.timeout(300_000);
  let dir: string;
  let fleet: LocalFleet;
  let member: CortexMember;
  let backup: string;
  let live: string;
  const layer = (cortex: string): string => join(cortex, 'layers/l1/layer.lmdb/data');
  const held = async (): Promise<readonly string[]> => {
    const cell = await connectCell({ url: storageOf(dir, member) });
    try {
      return (await cell.read()).map(({ value }) => value);
    } finally {
      cell.close();
    }
  };
  const digest = async (path: string): Promise<string> =>
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex');

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    backup = join(dir, 'old-backup');
    live = join(dir, 'old');
    const nodes = Array.from({ length: NODES }, (_, at) =>
      at % 40 === 3 ? `bad=${at}` : `node=${at}`,
    );
    for (const cortex of [backup, live]) {
      await mkdir(dirname(layer(cortex)), { recursive: true });
      await writeFile(layer(cortex), `${nodes.join('\n')}\n`);
    }
    const [port = 0] = await freePorts(1);
    member = { name: '00.cortex', host: 'alpha', port };
    const image = await buildCellImage({ version: '2.250.0', outDir: join(dir, 'images') });
    const tool = await buildMigrate020(join(dir, 'images'));
    const node = process.execPath;
    const path = join(dir, 'fleet.yaml');
    const manifest = cortexManifest({
      dir,
      image,
      members: [member],
      environment: { SYN_CELL_START_MS: '50', MIGRATE_020_BATCH_MS: '400' },
    });
    const tools = `    migrate020:
      source: ${backup}
      image: ${tool}
      command: ['${node}', '{image}', migrate, --src, '{source}', --dest, '{storage}']
      resume: [--from-last]
      sync:
        image: ${tool}
        command: ['${node}', '{image}', sync, --src, '${live}', --dest, '{url}', --offsfile, '{storage}/migration/lyroffs.yaml']
        caughtUp: ^caught up
`;
    await writeFile(path, manifest.replace('    failover:', `${tools}    failover:`));
    fleet = await startLocalFleet({ dir, hosts: ['alpha'] });
    await fleet.carryOut(['deploy', path]);
  });
  after(async () => {
    await fleet.stop();
    await killProcessesOn(storageOf(dir, member));
    await rm(dir, { recursive: true, force: true });
  });

  it('goes on from the checkpoint after its agent was killed, and pauses on errors', async () => {
    const before = await digest(layer(backup));
    const plan = await fleet.plan(['migrate-020', 'cortex']);
    expect(plan.moves.map(({ kind }) => kind)).to.eql(['halt', 'migrate', 'sync']);
    await fleet.cli(['apply', plan.id, '--no-watch', '--yes']);
    const state = join(storageOf(dir, member), 'migration');
    await eventually('two checkpoints are there', SETTLED_MS, async () =>
      (await readdir(state).catch(() => [])).length >= 2 ? true : undefined,
    );
    fleet.agent('alpha')?.signal('SIGKILL');
    await fleet.agent('alpha')?.ended;
    const first = await digest(join(state, 'batch-000000'));
    await fleet.startAgent('alpha');
    const paused = await eventually('it pauses', SETTLED_MS, async () => {
      const { operations } = await fleet.client.listOperations({ all: true });
      return operations.find((one) => one.planId === plan.id && one.state === 'paused');
    });
    expect(paused.reason).to.match(
      /3 could not be migrated .*inbound bad=3 \| .*bad=43 \| .*bad=83/,
    );
    expect(await digest(join(state, 'batch-000000'))).to.equal(first);
    expect(await digest(layer(backup))).to.equal(before);
    const { stdout } = await fleet.cli(['operation', 'show', paused.id]);
    expect(stdout).to.match(/bad=83/);
    await fleet.cli(['operation', 'abort', paused.id]);
  });

  it('goes on with the errors accepted, and brings over what came since', async () => {
    await appendFile(layer(live), 'late=1\n');
    const operation = await fleet.carryOut(['migrate-020', 'cortex', '--accept-errors']);
    expect(operation.moves.map(({ kind }) => kind)).to.eql(['migrate', 'sync']);
    expect(operation.progress[0]?.note).to.match(/leads in term 2 .*3 could not be migrated/);
    expect(operation.progress[1]?.note).to.match(/caught up with the source at 101/);
    const values = await held();
    expect(values.filter((value) => value.startsWith('node='))).to.have.length(NODES - 3);
    expect(values.at(-1)).to.equal('late=1');
    const beside = await readdir(dirname(storageOf(dir, member)));
    expect(beside.filter((name) => name.startsWith('00.cortex.aside-'))).to.have.length(1);
  });

  it('cuts over by a plan of its own, and migrates nothing twice', async () => {
    await appendFile(layer(live), 'late=2\n');
    await fleet.carryOut(['migrate-020', 'cortex', '--cut-over']);
    expect((await held()).at(-1)).to.equal('late=2');
    const { refusals } = await fleet.plan(['migrate-020', 'cortex', '--cut-over']);
    expect(refusals).to.eql([]);
  });
});
