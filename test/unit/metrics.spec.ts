// The metrics: what a scrape says of a fleet, what leaves with a host, and that a large fleet does not hold the
// loop up.
import { spawnSync } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { expect } from 'chai';
import type { Report } from '@leafward/shared/gen/domain.js';
import { createMetrics, type Metrics } from '@leafward/controller/metrics/metrics.js';
import { startMetricsServer, type MetricsServer } from '@leafward/controller/metrics/http.js';
import type { Snapshot } from '@leafward/controller/snapshot.js';
import {
  declaration,
  emptySnapshot,
  hostState,
  largeSnapshot,
  memberFact,
  NOW,
} from './metrics-fixture.js';
import { backup, finding, operation, wait } from './cli-fixture.js';

const placed = { '00.cortex': 'alpha', '01.cortex': 'bravo', '02.cortex': 'charlie' };
const received = (member: string, over = {}) => ({
  [member]: { value: memberFact('cortex', member, over), receivedAt: NOW - 2_000 },
});

/** A failover was made: 00 is retired on a host that is silent, 01 leads, 02 is behind. */
const snapshot: Snapshot = {
  ...emptySnapshot,
  services: {
    cortex: {
      declaration: declaration('cortex', placed),
      topology: {
        service: 'cortex',
        term: 4,
        leader: '01.cortex',
        upstreams: { '02.cortex': '01.cortex' },
        retired: [{ member: '00.cortex', term: 4, at: NOW, reason: 'failover' }],
      },
    },
  },
  hosts: {
    alpha: hostState('alpha', { connected: false, members: received('00.cortex') }),
    bravo: hostState('bravo', { members: received('01.cortex'), findings: [finding, finding] }),
    charlie: hostState('charlie', {
      certificates: [
        {
          member: '02.cortex',
          service: 'cortex',
          file: 'sslcert.pem',
          subject: 'cortex.example.org',
          expiresAt: 1_800_000_000_000,
        },
      ],
      findings: [{ ...finding, check: 'swap' }],
      members: received('02.cortex', {
        engine: { answered: true, active: false, ready: false, position: 990 },
        waits: [wait],
      }),
    }),
    gone: hostState('gone', { revoked: true, connected: false }),
  },
  backups: [{ ...backup, finishedAt: NOW - 7_200_000, startedAt: NOW - 7_203_000 }],
  operations: [operation],
  waivers: [
    { host: 'charlie', check: 'swap', reason: 'r', until: NOW + 1, madeBy: 'ada', madeAt: NOW },
  ],
};

const report: Report = {
  sequence: 1,
  sentAt: NOW,
  generation: 1,
  host: hostState('bravo').fact,
  members: [],
  outcomes: [],
  refusedOrders: 2,
};

async function textOf(metrics: Metrics, of: Snapshot): Promise<string> {
  let text = '';
  for await (const piece of metrics.collectSnapshot(of)) text += piece;
  return text;
}

describe('the metrics', () => {
  let metrics: Metrics;
  beforeEach(() => (metrics = createMetrics('0.1.0')));
  afterEach(() => metrics.stop());

  it('say what each member is, and leave out what a silent host said before', async () => {
    const lines = (await textOf(metrics, snapshot)).split('\n');
    const of = (member: string): string[] =>
      lines
        .filter((line) => line.includes(`member="${member}"`))
        .map((line) => line.replace(/service="cortex",member="\d+\.cortex",host="\w+"(,)?/, ''));
    expect(of('00.cortex')).to.deep.equal([
      'leafward_member_role{role="leader"} 0',
      'leafward_member_role{role="mirror"} 0',
      'leafward_member_role{role="worker"} 0',
      'leafward_member_role{role="retired"} 1',
      'leafward_member_up{} 0',
      'leafward_member_term{} 3',
      `leafward_member_last_seen_timestamp_seconds{} ${NOW / 1000 - 2}`,
      'leafward_member_starts_total{} 2',
      'leafward_member_starts_since_retired_total{} 0',
    ]);
    expect(of('02.cortex')).to.include.members([
      'leafward_member_role{role="mirror"} 1',
      'leafward_member_up{} 1',
      'leafward_member_active{} 0',
      'leafward_member_ready{} 0',
      'leafward_member_position_offsets{} 990',
      'leafward_member_lag_offsets{} 10',
    ]);
    expect(of('01.cortex').join('\n')).to.not.include('lag');
  });

  it('count hosts, findings, operations and waits, and know the last backup', async () => {
    const lines = (await textOf(metrics, snapshot)).split('\n');
    expect(lines).to.include.members([
      'leafward_hosts{state="connected"} 2',
      'leafward_hosts{state="silent"} 1',
      'leafward_hosts{state="revoked"} 1',
      'leafward_host_connected{host="alpha"} 0',
      'leafward_host_findings{host="bravo",check="sysctl-swappiness",severity="critical",waived="false"} 2',
      'leafward_host_findings{host="charlie",check="swap",severity="critical",waived="true"} 1',
      'leafward_operations{kind="update",state="running"} 1',
      'leafward_operations{kind="update",state="paused"} 0',
      'leafward_operation_oldest_age_seconds{kind="update",state="running"} 60',
      'leafward_waits{code="catching-up"} 2',
      'leafward_wait_oldest_age_seconds{code="catching-up"} 12',
      'leafward_backup_age_seconds{service="cortex"} 7200',
      'leafward_backup_kept{service="cortex",host="bravo"} 1',
      'leafward_member_certificate_expiry_timestamp_seconds{service="cortex",member="02.cortex",host="charlie",file="sslcert.pem"} 1800000000',
      'leafward_backup_duration_seconds{service="cortex"} 3',
      'leafward_backup_maximum_age_seconds{service="cortex"} 86400',
      'leafward_volume_free_bytes{host="bravo",volume="/srv"} 60000000000',
    ]);
    expect(lines.filter((line) => line.includes('host="gone"'))).to.deep.equal([]);
  });

  it('put each probe into the histogram once, and forget a host that is gone', async () => {
    metrics.observeReport('bravo', report);
    metrics.observeReport('bravo', report);
    const lines = (await textOf(metrics, snapshot)).split('\n');
    expect(lines).to.include.members([
      'leafward_volume_fdatasync_seconds_bucket{host="bravo",volume="/srv",le="0.001"} 0',
      'leafward_volume_fdatasync_seconds_bucket{host="bravo",volume="/srv",le="0.0025"} 1',
      'leafward_volume_fdatasync_seconds_bucket{host="bravo",volume="/srv",le="+Inf"} 1',
      'leafward_volume_fdatasync_seconds_sum{host="bravo",volume="/srv"} 0.002',
      'leafward_volume_fdatasync_seconds_count{host="bravo",volume="/srv"} 1',
      'leafward_reports_received_total 2',
      'leafward_agent_refused_orders_total{host="bravo"} 2',
    ]);
    const later = await textOf(metrics, { ...snapshot, services: {}, hosts: {} });
    expect(later).to.not.match(/host="|member="/);
  });

  it('keep a hostile name inside its quotes', async () => {
    const name = 'a"} 1\nevil{x="\\';
    const text = await textOf(metrics, { ...snapshot, hosts: { [name]: hostState(name) } });
    expect(text).to.include('leafward_host_connected{host="a\\"} 1\\nevil{x=\\"\\\\"} 1');
    expect(text).to.not.match(/^evil/m);
  });

  it('are clean for promtool', async function () {
    if (spawnSync('promtool', ['--version']).status !== 0) {
      if (process.env['LEAFWARD_CI'] === '1') throw new Error('promtool is not installed');
      console.log('      promtool is not installed: apt-get install prometheus');
      return this.skip();
    }
    metrics.observeReport('bravo', report);
    metrics.setQueueDepth('reports', 1);
    metrics.observeStoreWrite(2);
    metrics.observePass('operations', 3);
    metrics.observeRefusedCall('used-token');
    metrics.observeOperationEnded('update', 'done');
    const input = await textOf(metrics, snapshot);
    const checked = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' });
    expect(`${checked.stdout}${checked.stderr}`).to.equal('');
    expect(checked.status).to.equal(0);
  });

  it('of 1,000 hosts with 5,000 members rest often between slices', async () => {
    const large = largeSnapshot(1_000, 1_000);
    await textOf(metrics, large); // compiled by now
    let longestMs = 0;
    let turns = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      turns += 1;
      longestMs = Math.max(longestMs, performance.now() - last);
      last = performance.now();
    }, 1);
    const began = performance.now();
    const text = await textOf(metrics, large);
    const tookMs = performance.now() - began;
    clearInterval(timer);
    const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
    if (process.env['LEAFWARD_MEASURE'] === '1')
      console.log(
        `      ${series} series, ${text.length} B, ${tookMs} ms, longest ${longestMs} ms`,
      );
    expect(series).to.be.above(100_000);
    expect(turns).to.be.above(5); // others ran meanwhile; figures are the benchmark's
  });
});

describe('the listener for metrics', () => {
  let server: MetricsServer | undefined;
  afterEach(async () => server?.close());
  const start = async (over: Partial<Parameters<typeof startMetricsServer>[0]> = {}) => {
    server = await startMetricsServer({
      host: '127.0.0.1',
      port: 0,
      health: () => ({ healthy: true, lines: ['the store answers'] }),
      discover: () => [],
      collect: async function* () {
        yield 'a 1\n';
        yield 'b 2\n';
      },
      ...over,
    });
    return `http://127.0.0.1:${server.port}`;
  };

  it('serves the text in pieces', async () => {
    const response = await fetch(`${await start()}/metrics?x=1`);
    expect(response.headers.get('content-type')).to.include('version=0.0.4');
    expect(await response.text()).to.equal('a 1\nb 2\n');
  });

  it('says whether the controller is well', async () => {
    let url = await start();
    let response = await fetch(`${url}/healthz`);
    expect([response.status, await response.text()]).to.deep.equal([
      200,
      'ok\nthe store answers\n',
    ]);
    await server?.close();
    url = await start({ health: () => ({ healthy: false, lines: ['the store is read-only'] }) });
    response = await fetch(`${url}/healthz`);
    expect(response.status).to.equal(503);
    expect(await response.text()).to.include('the store is read-only');
  });

  it('lists targets for Prometheus as JSON', async () => {
    const group = { targets: ['10.0.0.1:9000'], labels: { member: '00.matrix' } };
    const response = await fetch(`${await start({ discover: () => [group] })}/sd`);
    expect(response.headers.get('content-type')).to.equal('application/json');
    expect(await response.json()).to.deep.equal([group]);
  });

  it('knows no other path and no other method', async () => {
    const url = await start();
    expect((await fetch(`${url}/`)).status).to.equal(404);
    expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).to.equal(405);
  });

  it('refuses a fifth scrape at once and serves again when one has ended', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const url = await start({
      collect: async function* () {
        yield 'a 1\n';
        await held;
      },
    });
    const open = await Promise.all([1, 2, 3, 4].map(() => fetch(`${url}/metrics`)));
    expect((await fetch(`${url}/metrics`)).status).to.equal(503);
    release();
    await Promise.all(open.map((response) => response.text()));
    expect((await fetch(`${url}/metrics`)).status).to.equal(200);
  });

  it('answers 500 when the metrics cannot be collected, and tells', async () => {
    const errors: unknown[] = [];
    const url = await start({
      onError: (error) => errors.push(error),
      collect: () => {
        throw new Error('broken');
      },
    });
    expect((await fetch(`${url}/metrics`)).status).to.equal(500);
    expect(errors).to.have.length(1);
  });

  it('says which address is taken and what to do', async () => {
    await start();
    const again = startMetricsServer({
      host: '127.0.0.1',
      port: server?.port ?? 0,
      health: () => ({ healthy: true, lines: [] }),
      discover: () => [],
      collect: async function* () {},
    });
    const error = await again.then(
      () => undefined,
      (caught: Error) => caught,
    );
    expect(error?.message).to.match(
      /\[unavailable] serve \/metrics on 127\.0\.0\.1:\d+: .*EADDRINUSE/,
    );
  });
});
