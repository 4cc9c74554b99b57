// Real programs: a whole Synapse by the guide, deployed by one plan through AHA's one-time URLs, on three hosts. The
// URLs are on no disk when all runs; the alias follows a failover, also when a stale leader has taken it.
import { expect } from 'chai';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Plan } from '@leafward/shared/gen/domain.js';
import { ahaFleet, MEMBERS, NETWORK, placeOf } from '../fleet/aha-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { connectCell } from '../standin/client.js';

describe('a Synapse by the guide', function () {
  this.timeout(300_000);
  let dir: string;
  let fleet: LocalFleet;
  let path: string;
  const members = MEMBERS.map(([name]) => name);

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    const ports = await freePorts(MEMBERS.length + 1);
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo', 'charlie'] });
    const image = await buildCellImage({ version: '2.113.0', outDir: join(dir, 'images') });
    path = join(dir, 'fleet.yaml');
    const environment = { SYN_CELL_BOOTSTRAP_MS: '1500' };
    await writeFile(path, ahaFleet({ dir, image, ports, environment }));
  });
  after(async () => {
    await fleet.stop();
    for (const name of members) await killProcessesOn(placeOf(dir, name));
    await rm(dir, { recursive: true, force: true });
  });

  it('is deployed by one plan, though a mirror’s first start is cut short', async () => {
    const cut = killOnceBegun(placeOf(dir, '01.cortex'));
    await fleet.carryOut(['deploy', path], 240_000);
    expect(await cut).to.equal(true);
    const { services } = await fleet.status();
    const states = services.flatMap((service) => service.members.map((m) => [m.member, m.state]));
    expect(Object.fromEntries(states)).to.eql({
      '00.aha': 'leading',
      '00.axon': 'leading',
      '00.jsonstor': 'leading',
      '00.cortex': 'leading',
      '01.cortex': 'mirroring',
      '02.cortex': 'mirroring',
    });
    const cell = parse(await readFile(join(placeOf(dir, '02.cortex'), 'cell.yaml'), 'utf8')) as {
      readonly mirror: string;
    };
    expect(cell.mirror).to.equal(`aha://root@01.cortex.${NETWORK}`);
    const { mode } = await stat(placeOf(dir, '00.axon'));
    expect((mode & 0o777).toString(8)).to.equal('700');
  });

  it('a second deploy of it is empty', async () => {
    const plan = await fleet.cliJson<Plan>(['plan', 'deploy', path]);
    expect([plan.moves, plan.refusals]).to.eql([[], []]);
  });

  it('no one-time URL is left on any disk or in any log', async () => {
    await eventually('used URLs are taken away', 60_000, async () => {
      const found = await filesWith(dir, /[0-9a-f]{32}\?certhash=/);
      if (found.length > 0) throw new Error(found.join(', '));
      return true;
    });
  });

  it('a failover ends with the alias at the new leader', async () => {
    const ended = await fleet.carryOut([
      'failover',
      'cortex',
      '--leader-is-off',
      'the test says so',
    ]);
    expect(ended.moves.at(-1)?.kind).to.equal('realias');
    expect(ended.progress.at(-1)?.note).to.include(`names 01.cortex under cortex.${NETWORK}`);
  });

  it('an alias that a stale leader took is told, and put right by a deploy', async () => {
    const aha = await connectCell({ url: placeOf(dir, '00.aha') });
    const info = {
      run: 'stale',
      iden: 'stale',
      urlinfo: { scheme: 'tcp', host: '127.0.0.1', port: 1 },
    };
    await aha.call({ method: 'addAhaSvc', args: ['cortex', info], kwargs: { network: NETWORK } });
    aha.close();
    await eventually('leafward says so', 90_000, async () => {
      const why = await fleet.cli(['why', 'cortex'], [0, 1, 3, 4]);
      return why.stdout.includes('whoever uses the alias follows another one or nobody');
    });
    const ended = await fleet.carryOut(['deploy', path]);
    expect(ended.moves.map(({ kind }) => kind)).to.eql(['realias']);
    expect(ended.progress[0]?.note).to.include('after its restart');
  });

  /** The mirror's copy from its leader takes a while; it dies in the middle, once. */
  async function killOnceBegun(storage: string): Promise<boolean> {
    return eventually('the first start of a mirror has begun', 200_000, async () => {
      await stat(join(storage, 'prov.done'));
      return (await killProcessesOn(storage)) > 0;
    });
  }
});

/** Regular files below a directory that hold it. */
async function filesWith(directory: string, pattern: RegExp): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const text = await readFile(path, 'latin1').catch(() => '');
    if (pattern.test(text)) found.push(path);
  }
  return found;
}
