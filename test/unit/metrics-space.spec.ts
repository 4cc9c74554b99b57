// The forecast of space in a scrape: its series where it is known, and none where it is not.
import { expect } from 'chai';
import { renderSnapshot } from '@leafward/controller/metrics/render-fleet.js';
import { createProbeHistograms } from '@leafward/controller/metrics/probe-histograms.js';
import type { Snapshot } from '@leafward/controller/snapshot.js';
import { at, backup, DAY_MS, GiB, growing, keeping, NOW } from '../planning/forecast-world.js';

async function seriesOf(snapshot: Snapshot): Promise<readonly string[]> {
  let text = '';
  const observed = { probes: createProbeHistograms(), refusedOrders: new Map<string, number>() };
  for await (const piece of renderSnapshot(snapshot, observed)) text += piece;
  return text
    .split('\n')
    .filter((line) => /^leafward_(forecast_|volume_(growth|data|backup)_)/.test(line));
}

describe('the forecast of space in metrics', () => {
  it('is not there before growth is known', async () => {
    expect(await seriesOf(at({ dataPerDay: GiB }, NOW))).to.eql([]);
  });

  it('says how long until each rule breaks, and how fast it grows', async () => {
    const where = 'host="alpha",volume="/srv/cortex"';
    const until = (name: string, rule: string, days: number) =>
      `${name}{${where},rule="${rule}"} ${(days * DAY_MS) / 1000}`;
    const backups = [backup('b', 10 * DAY_MS, { path: '/srv/cortex/aside/b' })];
    const filling = { dataPerDay: GiB, othersPerDay: 0, keep: keeping(1), backups };
    const found = await seriesOf(growing(filling));
    const rules = [
      ['backup', 40 / 4],
      ['half', 35 / 2],
      ['boot', 55 / 2],
    ] as const;
    expect(found).to.include.members(
      ['leafward_forecast', 'leafward_forecast_earliest'].flatMap((name) =>
        rules.map(([rule, days]) => until(`${name}_seconds_until_rule_breaks`, rule, days)),
      ),
    );
    expect(found).to.include.members([
      `leafward_volume_data_bytes{${where}} ${10 * GiB}`,
      `leafward_volume_backup_bytes{${where}} ${5 * GiB}`,
    ]);
    const growth = found.filter((line) => line.startsWith('leafward_volume_growth'));
    expect(growth.map((line) => [line.slice(0, -line.split(' ').at(-1)!.length - 1)])).to.eql(
      ['data', 'backups', 'others'].map((of) => [
        `leafward_volume_growth_bytes_per_second{${where},of="${of}"}`,
      ]),
    );
    expect(Number(growth[0]?.split(' ').at(-1))).to.be.closeTo(GiB / 86_400, 0.01);
  });

  it('is 0 for a rule that is broken, and missing for one that holds for a year', async () => {
    const found = await seriesOf(growing({ dataPerDay: 0, freeBytes: 12 * GiB }));
    expect(found.filter((line) => line.startsWith('leafward_forecast'))).to.eql([
      'leafward_forecast_seconds_until_rule_breaks{host="alpha",volume="/srv/cortex",rule="backup"} 0',
      'leafward_forecast_earliest_seconds_until_rule_breaks{host="alpha",volume="/srv/cortex",rule="backup"} 0',
    ]);
  });
});
