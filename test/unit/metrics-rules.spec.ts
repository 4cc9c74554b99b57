// The alerts: promtool finds them right, their tests hold, and they ask for nothing that is not measured.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { CERTIFICATE_FAMILIES } from '@leafward/controller/metrics/certificate-families.js';
import { DRILL_FAMILIES } from '@leafward/controller/metrics/drill-families.js';
import { DUTY_FAMILIES } from '@leafward/controller/metrics/duty-families.js';
import { AUTOMATIC_FAMILIES } from '@leafward/controller/metrics/automatic-families.js';
import { MEMBER_FAMILIES, SERVICE_FAMILIES } from '@leafward/controller/metrics/member-families.js';
import { hostFamilies, VOLUME_FAMILIES } from '@leafward/controller/metrics/host-families.js';
import { renderFleet } from '@leafward/controller/metrics/fleet-families.js';
import { SPACE_FAMILIES } from '@leafward/controller/metrics/space-families.js';
import { createMetrics } from '@leafward/controller/metrics/metrics.js';
import { emptySnapshot } from './metrics-fixture.js';

const folder = new URL('../../../deploy/prometheus/', import.meta.url).pathname;
const RULES = 'leafward.rules.yaml';

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}
const rules = (parse(readFileSync(join(folder, RULES), 'utf8')) as Rules).groups.flatMap(
  (group) => group.rules,
);

describe('the alerts', () => {
  for (const args of [
    ['check', 'rules', RULES],
    ['test', 'rules', 'leafward.rules.test.yaml'],
    ['check', 'config', 'prometheus.example.yaml'],
  ])
    it(`pass promtool ${args.join(' ')}`, function () {
      if (spawnSync('promtool', ['--version']).status !== 0) {
        if (process.env['LEAFWARD_CI'] === '1') throw new Error('promtool is not installed');
        console.log('      promtool is not installed: apt-get install prometheus');
        return this.skip();
      }
      const ran = spawnSync('promtool', args, { cwd: folder, encoding: 'utf8' });
      expect(ran.status, `${ran.stdout}${ran.stderr}`).to.equal(0);
    });

  it('each have a test', () => {
    const text = readFileSync(join(folder, 'leafward.rules.test.yaml'), 'utf8');
    const untested = rules.filter(({ alert }) => !text.includes(`alertname: ${alert}\n`));
    expect(untested).to.deep.equal([]);
  });

  it('ask only for what is measured', async () => {
    const metrics = createMetrics('0');
    const own = await metrics.registry.getMetricsAsJSON();
    metrics.stop();
    const families = [
      ...MEMBER_FAMILIES,
      ...SERVICE_FAMILIES,
      ...AUTOMATIC_FAMILIES,
      ...CERTIFICATE_FAMILIES,
      ...DRILL_FAMILIES,
      ...DUTY_FAMILIES,
      ...VOLUME_FAMILIES,
      ...SPACE_FAMILIES,
      ...hostFamilies(new Set(), new Map()),
      ...own,
    ];
    const fleet = [...renderFleet(emptySnapshot).matchAll(/^# TYPE (\w+)/gm)];
    const measured = new Set([
      ...families.map(({ name }) => name),
      ...fleet.map(([, name]) => name),
    ]);
    const asked = rules.flatMap(({ expr }) => expr.match(/leafward_\w+/g) ?? []);
    expect(asked.length).to.be.above(20);
    expect([...new Set(asked)].filter((name) => !measured.has(name))).to.deep.equal([]);
  });
});
