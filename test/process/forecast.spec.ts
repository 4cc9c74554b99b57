// When space runs out, with the real programs: agents report, the controller samples, a history is put into its store, and
// after a restart the CLI, the status and a scrape say the same of it.
import { expect } from 'chai';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import type {
  Explanation,
  GetForecastResponse,
  VolumeForecast,
} from '@leafward/shared/gen/domain.js';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { buildCellImage } from '../standin/build-cell-image.js';

const GiB = 2 ** 30;
const HOUR_MS = 3_600_000;
const SEEN_MS = 120_000;

describe('a forecast of space', function () {
  this.timeout(480_000);
  let dir: string;
  let fleet: LocalFleet;
  let member: CortexMember;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    const [port = 0] = await freePorts(1);
    member = { name: '00.cortex', host: 'alpha', port };
    fleet = await startLocalFleet({ dir, hosts: ['alpha'] });
    const image = await buildCellImage({ version: '2.180.0', outDir: join(dir, 'images') });
    const path = join(dir, 'fleet.yaml');
    await writeFile(path, cortexManifest({ dir, image, members: [member] }));
    await fleet.carryOut(['deploy', path]);
  });
  after(async () => {
    await fleet.stop();
    await killProcessesOn(storageOf(dir, member));
    await rm(dir, { recursive: true, force: true });
  });
  const forecast = () => fleet.cliJson<GetForecastResponse>(['forecast', 'cortex']);

  it('says that too little is known, and after a history how fast it grows', async () => {
    await eventually('the data of the member is measured and was sampled', SEEN_MS, async () => {
      const [volume] = (await forecast()).volumes;
      return volume?.dataBytes !== undefined && volume.sampledAt !== undefined;
    });
    const [young] = (await forecast()).volumes;
    if (young === undefined) throw new Error('no volume');
    expect(young.rules.map(({ rule }) => rule)).to.eql(['backup', 'half', 'boot']);
    expect(young.dataGrowth).to.equal(undefined);
    const table = (await fleet.cli(['forecast'])).stdout;
    expect(table).to.include('too little is known yet');

    await fleet.controller().stop();
    writeHistory(join(dir, 'controller', 'store.sqlite'), young);
    await fleet.startController();
    await eventually('the growth is reckoned', SEEN_MS, async () => {
      const [volume] = (await forecast()).volumes;
      return volume?.dataGrowth !== undefined;
    });
    const [known] = (await forecast()).volumes;
    expect(known?.dataGrowth?.bytesPerDay).to.be.closeTo(GiB, GiB / 100);
    expect(known?.rules.every(({ verdict }) => verdict !== 'unknown')).to.equal(true);
    const [explained] = await fleet.cliJson<readonly Explanation[]>(['why', 'cortex']);
    expect(explained?.facts.some(({ name }) => name.startsWith('boot limit on '))).to.equal(true);
    const scraped = await (await fetch(`http://127.0.0.1:${fleet.metricsPort}/metrics`)).text();
    expect(scraped).to.match(/^leafward_volume_growth_bytes_per_second\{.*of="data"\} \d/m);
  });
});

/** As if the controller had looked at the host for four days, in which data grew by 1 GiB a day. */
function writeHistory(path: string, { host, volume, paths, totalBytes }: VolumeForecast): void {
  const store = new SqliteDatabase(path);
  try {
    const insert = store.prepare('insert or ignore into space_samples values (?, ?, ?)');
    const now = Date.now();
    for (let hour = 1; hour <= 96; hour += 1) {
      const data = { [paths[0] ?? '']: 100 * GiB - (hour * GiB) / 24 };
      const others = { [volume]: [GiB, totalBytes] };
      insert.run(host, now - hour * HOUR_MS, JSON.stringify({ data, backups: {}, others }));
    }
  } finally {
    store.close();
  }
}
