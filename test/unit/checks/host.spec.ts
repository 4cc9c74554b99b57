// Checks on the host around the storage: engine, policies, ports, names, addresses, clock, limits,
// logs; and how the checks are run.
import { createServer, type Server } from 'node:net';
import { expect } from 'chai';
import { addressTranslation } from '@leafward/agent/checks/address-translation.js';
import type { Check } from '@leafward/agent/checks/check.js';
import { clockOffset } from '@leafward/agent/checks/clock-offset.js';
import { dockerEngine } from '@leafward/agent/checks/docker-engine.js';
import { logForwarder } from '@leafward/agent/checks/log-forwarder.js';
import { createNameResolution } from '@leafward/agent/checks/name-resolution.js';
import { openFiles } from '@leafward/agent/checks/open-files.js';
import { portCollision } from '@leafward/agent/checks/port-collision.js';
import { allChecks } from '@leafward/agent/checks/registry.js';
import { restartPolicy } from '@leafward/agent/checks/restart-policy.js';
import { runChecks } from '@leafward/agent/checks/run-checks.js';
import { hostsOf } from '@leafward/agent/checks/service-urls.js';
import { swap } from '@leafward/agent/checks/swap.js';
import {
  makeContext,
  makeHost,
  makeMember,
  runCheck,
  severities,
  verdicts,
  type FakeHost,
} from './fixture.js';

describe('host checks', () => {
  let host: FakeHost;
  beforeEach(() => (host = makeHost()));
  afterEach(() => host.remove());

  it('clock-offset judges either direction', async () => {
    const judged = async (clockOffsetMs: number | undefined): Promise<string> =>
      severities(await runCheck(clockOffset, host, { clockOffsetMs }));
    expect(await judged(-400)).to.equal('ok');
    expect(await judged(-5000)).to.equal('warning');
    expect(await judged(120_000)).to.equal('critical');
    expect(await judged(undefined)).to.equal('unknown');
  });

  it('docker-engine wants an Engine that answers and runs on cgroup v2', async () => {
    const judged = async (docker: { version?: string; error?: string }): Promise<string> =>
      severities(
        await runCheck(dockerEngine, host, { docker: { wanted: true, containers: [], ...docker } }),
      );
    expect(await judged({ version: '28.1.1' })).to.equal('ok');
    expect(await judged({ version: '20.10.24+dfsg1' })).to.equal('info');
    expect(await judged({ version: '19.03.15' })).to.equal('critical');
    expect(await judged({ error: 'connect ENOENT /var/run/docker.sock' })).to.equal('critical');
    expect(await runCheck(dockerEngine, host)).to.deep.equal([]);
  });

  it('restart-policy finds what would bring an old leader back', async () => {
    const container = (name: string, policy: string, writes: readonly string[]) => ({
      name,
      running: true,
      writes,
      restartPolicy: policy,
      networkMode: 'host',
    });
    const containers = [
      container('cortex', 'unless-stopped', ['/srv/syn/00.cortex/storage']),
      container('parent', 'always', ['/srv/syn']),
      container('neighbour', 'always', ['/srv/syn/00.cortex/storage2']),
      container('good', 'no', ['/srv/syn/00.cortex/storage']),
    ];
    const results = await runCheck(restartPolicy, host, {
      members: [makeMember()],
      docker: { wanted: true, containers },
    });
    expect(verdicts(results)).to.deep.equal(['critical cortex', 'critical parent']);
    expect(results[0]?.fix).to.match(/^docker update --restart=no cortex/);
  });

  describe('port-collision', () => {
    let server: Server;
    let port: number;
    beforeEach(async () => {
      server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      port = (server.address() as { port: number }).port;
    });
    afterEach(() => server.close());
    const real = { proc: '/proc', sys: '/sys', etc: '/etc' };

    it('finds two members with one port', async () => {
      const spec = { ports: { telepath: 1 } };
      const members = [
        makeMember({ spec }),
        makeMember({ member: '00.axon', spec: { ...spec, storage: '/srv/axon' } }),
      ];
      const results = await runCheck(portCollision, host, { members });
      expect(severities(results)).to.equal('critical critical');
    });

    it('names the foreign program that listens, and looks only at the host’s network', async () => {
      const members = [makeMember({ spec: { ports: { telepath: port } } })];
      const [result] = await runCheck(portCollision, host, { members, roots: real });
      expect(result?.severity).to.equal('critical');
      expect(result?.seen).to.contain(`process ${process.pid}`);
      const bridged = [makeMember({ spec: { ports: { telepath: port }, networkMode: 'bridge' } })];
      expect(await runCheck(portCollision, host, { members: bridged, roots: real })).to.deep.equal(
        [],
      );
    });

    it('knows a member’s own socket', async () => {
      const spec = {
        ports: { telepath: port },
        runtime: 'process' as const,
        storage: process.cwd(),
      };
      const members = [makeMember({ member: '07.own', spec })];
      // Another server: who holds a socket is remembered while it lives.
      const own = createServer();
      await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', resolve));
      const ownPort = (own.address() as { port: number }).port;
      const moved = members.map((one) => ({
        ...one,
        spec: { ...one.spec, ports: { telepath: ownPort } },
      }));
      const results = await runCheck(portCollision, host, { members: moved, roots: real });
      own.close();
      expect(severities(results)).to.equal('ok');
    });
  });

  describe('name-resolution', () => {
    const upstream = { member: '00.cortex', url: 'tcp://root:secret@nowhere.example:27492/x' };
    const member = makeMember({
      upstream,
      spec: {
        engineOptions: { registry: 'ssl://aha.example?certhash=1', other: 'aha://cortex...' },
        environment: { SYN_CORTEX_AHA_PROVISION: 'ssl://prov.example:27272/0123456789abcdef' },
      },
    });

    it('looks up the hosts of URLs, and takes nothing else from them (I14)', async () => {
      const check = createNameResolution(async (name) => {
        if (name === 'nowhere.example') throw Object.assign(new Error('no'), { code: 'ENOTFOUND' });
        if (name === 'prov.example') throw Object.assign(new Error('later'), { code: 'EAI_AGAIN' });
        return { address: '192.0.2.1' };
      });
      const results = await runCheck(check, host, { members: [member] });
      expect(verdicts(results)).to.deep.equal([
        'critical nowhere.example',
        'ok aha.example',
        'unknown prov.example',
      ]);
      expect(JSON.stringify(results)).to.not.match(/secret|0123456789abcdef|certhash/);
    });

    it('does not look up addresses, sockets and AHA names', async () => {
      const url = 'unix:///srv/sock';
      expect(await hostsOf(makeMember({ upstream: { member: 'x', url } }))).to.deep.equal([]);
    });

    it('resolves localhost for real', async () => {
      const local = makeMember({ upstream: { member: 'x', url: 'tcp://localhost:1' } });
      const check = allChecks.find(({ id }) => id === 'name-resolution');
      expect(severities(await runCheck(check as Check, host, { members: [local] }))).to.equal('ok');
    });
  });

  it('address-translation wants no NAT between a member and AHA', async () => {
    const aha = { engineOptions: { registry: 'aha://root@aha.example' } };
    const judged = async (spec: Parameters<typeof makeMember>[0]): Promise<string> =>
      severities(await runCheck(addressTranslation, host, { members: [makeMember(spec)] }));
    expect(await judged({ spec: aha })).to.equal('ok');
    expect(await judged({ spec: { ...aha, networkMode: 'bridge' } })).to.equal('critical');
    expect(await judged({ spec: { ...aha, networkMode: 'lan' } })).to.equal('warning');
    expect(await judged({ spec: { networkMode: 'bridge' } })).to.equal('');
    const listen = (url: string) => ({
      spec: { ...aha, environment: { SYN_CORTEX_DMON_LISTEN: url } },
    });
    expect(await judged(listen('ssl://203.0.113.7:27492?hostname=x'))).to.equal('critical');
    expect(await judged(listen('tcp://127.0.0.1:1'))).to.equal('warning');
    expect(await judged(listen('ssl://0.0.0.0:0?hostname=x&ca=y'))).to.equal('ok');
  });

  it('swap is fine while it is hardly used', async () => {
    const withSwap = async (freeKib: number): Promise<string> => {
      host.write(
        'proc/meminfo',
        `MemTotal: 16777216 kB\nSwapTotal: 4194304 kB\nSwapFree: ${freeKib} kB\n`,
      );
      return severities(await runCheck(swap, host));
    };
    expect(severities(await runCheck(swap, host))).to.equal('ok');
    expect(await withSwap(4_194_304)).to.equal('ok');
    expect(await withSwap(1_000_000)).to.equal('warning');
  });

  it('open-files takes the limit of the manifest, else what is inherited', async () => {
    const limits = (hard: string): string =>
      `Limit Soft Hard Units\nMax open files 1024 ${hard} files\n`;
    host.write('proc/77/comm', 'containerd\n');
    const judged = async (hard: string, openFilesLimit?: number): Promise<string> => {
      host.write('proc/77/limits', limits(hard));
      const members = [makeMember({ spec: { limits: { openFiles: openFilesLimit } } })];
      return severities(await runCheck(openFiles, host, { members }));
    };
    expect(await judged('unlimited')).to.equal('ok');
    expect(await judged('8192')).to.equal('warning');
    expect(await judged('1024')).to.equal('critical');
    expect(await judged('1024', 65_536)).to.equal('ok');
  });

  it('log-forwarder knows processes, containers and rsyslog with a rule', async () => {
    const judged = async (names: readonly string[] = []): Promise<string> => {
      const containers = names.map((name) => ({
        name,
        running: true,
        writes: [],
        restartPolicy: 'no',
        networkMode: 'host',
      }));
      return severities(
        await runCheck(logForwarder, host, { docker: { wanted: true, containers } }),
      );
    };
    expect(await judged()).to.equal('warning');
    expect(await judged(['vectors-of-change'])).to.equal('warning');
    expect(await judged(['prod-fluent-bit-1'])).to.equal('ok');
    host.write('proc/9/comm', 'rsyslogd\n');
    host.write('etc/rsyslog.d/50-default.conf', '*.* /var/log/syslog\n#*.* @@old:514\n');
    expect(await judged()).to.equal('warning');
    host.write('etc/rsyslog.d/60-remote.conf', '*.* @@logs.example:514\n');
    expect(await judged()).to.equal('ok');
    host.write('proc/10/comm', 'systemd-journal\n');
    host.write('proc/10/cmdline', '/lib/systemd/systemd-journal-upload\0--save-state\0');
    expect(await judged()).to.equal('ok');
  });
});

describe('checks together', () => {
  let host: FakeHost;
  beforeEach(() => (host = makeHost()));
  afterEach(() => host.remove());
  const check = (id: string, run: Check['run']): Check => ({
    id,
    why: 'w',
    source: 's',
    fixable: false,
    run,
  });

  it('have ids of their own in kebab-case, a reason and a source', () => {
    const ids = allChecks.map(({ id }) => id);
    expect(new Set(ids).size).to.equal(ids.length);
    expect(ids.filter((id) => !/^[a-z]+(-[a-z0-9]+)*$/.test(id))).to.deep.equal([]);
    expect(allChecks.filter(({ why, source }) => why === '' || source === '')).to.deep.equal([]);
  });

  it('turn a check that throws or hangs into an unknown finding, and go on', async () => {
    const checks = [
      check('throws', () => Promise.reject(new Error('broken'))),
      check('hangs', () => new Promise(() => undefined)),
      check('works', async () => [
        { subject: 'x', severity: 'ok', seen: 'a', wanted: 'a', fix: '' },
      ]),
    ];
    const signal = new AbortController().signal;
    const findings = await runChecks(makeContext(host), signal, { checks, deadlineMs: 20 });
    expect(findings.map(({ check: id, severity }) => `${id} ${severity}`)).to.deep.equal([
      'throws unknown',
      'hangs unknown',
      'works ok',
    ]);
  });

  it('run on this very machine without a throw', async () => {
    const roots = { proc: '/proc', sys: '/sys', etc: '/etc' };
    const context = makeContext(host, {
      roots,
      members: [makeMember({ spec: { storage: host.root } })],
    });
    const findings = await runChecks(context, new AbortController().signal);
    const ids = new Set(findings.map(({ check: id }) => id));
    for (const id of ['vm-swappiness', 'storage-medium', 'free-space-boot', 'log-forwarder'])
      expect([...ids]).to.include(id);
    expect(
      findings.filter(({ severity, fix }) => severity === 'critical' && fix === ''),
    ).to.deep.equal([]);
  });
});
