// A real Prometheus with the example configuration and the rules of deploy/prometheus scrapes a real controller
// with two agents, over loopback.
import { expect } from 'chai';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn } from '../fleet/processes.js';
import { freePorts } from '../fleet/programs.js';
import { eventually } from '../rig/conditions.js';
import { start, tryRun, type RigProcess } from '../rig/processes.js';
import { requireOrSkip } from '../rig/requirements.js';
import { buildCellImage } from '../standin/build-cell-image.js';

const deploy = join(import.meta.dirname, '../../../deploy/prometheus');
const RULES = 'leafward.rules.yaml';

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

interface Target {
  readonly labels: Readonly<Record<string, string>>;
  readonly health: string;
  readonly lastError: string;
}

interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: string;
}

describe('Prometheus', function () {
  this.timeout(120_000);
  let directory: string | undefined;
  let members: readonly CortexMember[] = [];
  let fleet: LocalFleet;
  let prometheus: RigProcess | undefined;
  let port = 0;
  let memberMetrics = 0;
  before(async function () {
    requireOrSkip(this, 'prometheus');
    directory = await mkdtemp(join(tmpdir(), 'leafward-'));
    const [a = 0, b = 0, own = 0, ofMember = 0] = await freePorts(4);
    port = own;
    memberMetrics = ofMember;
    members = [
      { name: '00.cortex', host: 'alpha', port: a },
      { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: b },
    ];
    fleet = await startLocalFleet({ dir: directory, hosts: ['alpha', 'bravo'] });
    const image = await buildCellImage({ version: '2.180.0', outDir: join(directory, 'images') });
    const path = join(directory, 'fleet.yaml');
    const environment = { SYN_CELL_START_MS: '50' };
    const manifest = cortexManifest({ dir: directory, image, members, environment });
    // One member has metrics of its own, where nobody answers: that it is asked is enough.
    await writeFile(
      path,
      manifest.replace(`telepath: ${b} }`, `telepath: ${b}, metrics: ${ofMember} }`),
    );
    await fleet.carryOut(['deploy', path]);
    prometheus = await startPrometheus(directory, fleet.metricsPort, port);
  });
  after(async () => {
    await prometheus?.stop();
    await fleet?.stop();
    if (directory === undefined) return;
    for (const member of members) await killProcessesOn(storageOf(directory, member));
    await rm(directory, { recursive: true, force: true });
  });

  const ask = async <T>(path: string): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`, {
      signal: AbortSignal.timeout(5000),
    });
    const answer = (await response.json()) as { readonly status: string; readonly data: T };
    expect(answer.status, JSON.stringify(answer)).to.equal('success');
    return answer.data;
  };
  const query = async (text: string): Promise<readonly Sample[]> =>
    (await ask<{ readonly result: readonly Sample[] }>(`query?query=${encodeURIComponent(text)}`))
      .result;
  const alert = async (name: string): Promise<Alert | undefined> =>
    (await ask<{ readonly alerts: readonly Alert[] }>('alerts')).alerts.find(
      ({ labels }) => labels['alertname'] === name,
    );

  it('takes the controller for a healthy target', async () => {
    await eventually('the target is up', async () => {
      const { activeTargets } = await ask<{
        readonly activeTargets: readonly Target[];
      }>('targets');
      const target = activeTargets.find(({ labels }) => labels['job'] === 'leafward');
      if (target?.health !== 'up') throw new Error(target?.lastError ?? 'no target');
      return true;
    });
  });

  it('finds a member that has metrics of its own, and no other, with its labels', async () => {
    await eventually('it is a target', async () => {
      const { activeTargets } = await ask<{
        readonly activeTargets: readonly Target[];
      }>('targets');
      const found = activeTargets.filter(({ labels }) => labels['job'] === 'leafward-members');
      if (found.length === 0) return false;
      expect(found.map(({ labels }) => labels)).to.deep.equal([
        {
          job: 'leafward-members',
          instance: `127.0.0.1:${memberMetrics}`,
          service: 'cortex',
          member: '01.cortex',
          host: 'bravo',
        },
      ]);
      return true;
    });
  });

  it('answers for hosts, members and their tree', async () => {
    const byMember = (samples: readonly Sample[]): unknown =>
      Object.fromEntries(samples.map(({ metric, value }) => [metric['member'], Number(value[1])]));
    await eventually('both hosts are connected', async () => {
      return (await query('leafward_host_connected == 1')).length === 2;
    });
    await eventually('both members are ready', async () => {
      return (await query('leafward_member_ready == 1')).length === 2;
    });
    const leaders = await query('leafward_member_role{role="leader"} == 1');
    expect(byMember(leaders)).to.deep.equal({ '00.cortex': 1 });
    expect((await query('leafward_service_term'))[0]?.value[1]).to.equal('1');
    const families = await ask<readonly string[]>('label/__name__/values');
    const own = families.filter((name) => name.startsWith('leafward_'));
    expect(own.length).to.be.greaterThan(20);
  });

  it('has every rule loaded, and none fails', async () => {
    const { groups } = await ask<{
      readonly groups: readonly {
        readonly rules: readonly {
          readonly name: string;
          readonly health: string;
          readonly lastError?: string;
        }[];
      }[];
    }>('rules');
    const loaded = groups.flatMap((group) => group.rules);
    const text = await readFile(join(deploy, RULES), 'utf8');
    const written = [...text.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
    expect(loaded.map((rule) => rule.name).sort()).to.deep.equal([...written].sort());
    await eventually('every rule was evaluated', async () => {
      const now = await ask<{ readonly groups: typeof groups }>('rules');
      return now.groups.every((group) => group.rules.every((rule) => rule.health === 'ok'));
    });
  });

  it('alerts of a service without a backup, until there is one', async () => {
    const pending = await eventually('the alert is there', () => alert('LeafwardNoBackup'));
    expect(pending.state).to.equal('pending'); // for an hour
    expect(pending.labels).to.include({ service: 'cortex', severity: 'warning' });
    expect(pending.annotations['summary']).to.equal('cortex has no backup');
    await fleet.cli(['backup', 'run', 'cortex']);
    await eventually('the alert is gone', async () => {
      return (await alert('LeafwardNoBackup')) === undefined;
    });
  });

  it('alerts of a host that falls silent', async () => {
    await fleet.agent('bravo')?.stop();
    const silent = await eventually('the alert is there', () => alert('LeafwardHostSilent'));
    expect(silent.labels).to.include({ host: 'bravo', severity: 'critical' });
  });

  it('the text itself is clean to promtool', async () => {
    const input = await (await fetch(`http://127.0.0.1:${fleet.metricsPort}/metrics`)).text();
    const { code, stdout, stderr } = await tryRun(['promtool', 'check', 'metrics'], { input });
    expect({ code, said: stdout + stderr }).to.deep.equal({ code: 0, said: '' });
  });
});

/** With the example configuration, made to look every second and at this controller. */
async function startPrometheus(
  directory: string,
  metricsPort: number,
  port: number,
): Promise<RigProcess> {
  const example = await readFile(join(deploy, 'prometheus.example.yaml'), 'utf8');
  const config = join(directory, 'prometheus.yaml');
  const text = example
    .replace(/: (15|30)s/g, ': 1s')
    .replaceAll('127.0.0.1:9464', `127.0.0.1:${metricsPort}`);
  expect(text).to.include(`127.0.0.1:${metricsPort}`);
  await writeFile(config, text);
  await cp(join(deploy, RULES), join(directory, RULES));
  const argv = [
    'prometheus',
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(directory, 'prometheus-data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=warn',
  ];
  const logPath = join(directory, 'prometheus.log');
  const started = start(argv, { logPath, recordPath: join(directory, 'processes') });
  await eventually('Prometheus is ready', async () => {
    if (!started.isRunning()) throw new Error(await readFile(logPath, 'utf8'));
    return (await fetch(`http://127.0.0.1:${port}/-/ready`)).ok;
  });
  return started;
}
