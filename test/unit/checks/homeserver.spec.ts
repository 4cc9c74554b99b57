// Checks on a homeserver's ports and connections, against files of a host and real sockets.
import { expect } from 'chai';
import { createServer, type Server } from 'node:net';
import { databaseConnections } from '@leafward/agent/checks/database-connections.js';
import { readListening } from '@leafward/agent/checks/listening-sockets.js';
import { openMetrics } from '@leafward/agent/checks/open-metrics.js';
import { replicationPorts } from '@leafward/agent/checks/replication-ports.js';
import { publishedPorts } from '@leafward/agent/runtimes/docker/published-ports.js';
import type { MemberIntent, MemberSpec } from '@leafward/shared/gen/domain.js';
import { makeHost, makeMember, runCheck, severities, type FakeHost } from './fixture.js';

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n';
const real = { proc: '/proc', sys: '/sys', etc: '/etc' };

describe('checks of a homeserver', () => {
  let host: FakeHost;
  const servers: Server[] = [];
  beforeEach(() => (host = makeHost()));
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
    host.remove();
  });

  const homeserver = (spec: Partial<MemberSpec>, role: 'leader' | 'worker' = 'leader') =>
    makeMember({
      member: role === 'leader' ? '00.matrix' : '01.matrix',
      service: 'matrix',
      role,
      spec: { kind: 'matrix-synapse', ...spec },
    });
  /** Lines of /proc/net/tcp: address and port in hexadecimal. */
  const listening = (...sockets: readonly string[]): void =>
    host.write(
      'proc/net/tcp',
      HEAD +
        sockets
          .map((local, at) => `   ${at}: ${local} 00000000:0000 0A 0:0 0:0 0 0 0 ${100 + at} 1\n`)
          .join(''),
    );

  it('read the addresses that the kernel writes', () => {
    listening('0100007F:2384', '00000000:2385', '0500000A:2386');
    const local = '00000000000000000000000001000000:2328';
    const mapped = '0000000000000000FFFF00000100007F:2329';
    const every = '00000000000000000000000000000000:232A';
    host.write(
      'proc/net/tcp6',
      HEAD +
        [local, mapped, every]
          .map((one, at) => `   ${at}: ${one} 0:0 0A 0:0 0:0 0 0 0 ${200 + at} 1\n`)
          .join(''),
    );
    expect(readListening(host.roots).map(({ address, port }) => [address, port])).to.deep.equal([
      ['127.0.0.1', 9092],
      ['0.0.0.0', 9093],
      ['10.0.0.5', 9094],
      ['0:0:0:0:0:0:0:1', 9000],
      ['127.0.0.1', 9001],
      ['::', 9002],
    ]);
  });

  describe('replication-ports', () => {
    const judged = async (member: MemberIntent): Promise<string> =>
      severities(await runCheck(replicationPorts, host, { members: [member] }));

    it('are critical when they listen on anything but the loopback address', async () => {
      const ports = { replication: 9092, 'replication-http': 9093 };
      listening('0100007F:2384', '0100007F:2385');
      expect(await judged(homeserver({ ports }))).to.equal('ok');
      listening('0100007F:2384', '0500000A:2385');
      const [result] = await runCheck(replicationPorts, host, { members: [homeserver({ ports })] });
      expect(result?.severity).to.equal('critical');
      expect(result?.seen).to.equal('port 9093 listens on 10.0.0.5');
      listening('00000000:2384');
      expect(await judged(homeserver({ ports }))).to.equal('critical');
    });

    it('are critical when a container publishes them, under whatever number', async () => {
      const bridged = { networkMode: 'synapse' };
      expect(await judged(homeserver({ ...bridged, ports: { metrics: 9100 } }))).to.equal('ok');
      expect(await judged(homeserver({ ...bridged, ports: { streams: 9092 } }))).to.equal(
        'critical',
      );
      const engineOptions = { containerPorts: 'streams=9092' };
      const renamed = { ...bridged, ports: { streams: 19092 }, engineOptions };
      expect(await judged(homeserver(renamed))).to.equal('critical');
      const here = { ...engineOptions, publishAddress: '127.0.0.1' };
      expect(await judged(homeserver({ ...renamed, engineOptions: here }))).to.equal('ok');
    });

    it('are not another program’s that has these numbers', async () => {
      listening('00000000:2384');
      expect(await judged(homeserver({}))).to.equal('ok');
    });
  });

  describe('open-metrics', () => {
    const open = async (address: string): Promise<number> => {
      const server = createServer();
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, address, resolve));
      return (server.address() as { port: number }).port;
    };

    it('warns of every address and not of the loopback one, for real', async () => {
      const judged = async (metrics: number): Promise<string> =>
        severities(
          await runCheck(openMetrics, host, {
            members: [homeserver({ ports: { metrics } })],
            roots: real,
          }),
        );
      expect(await judged(await open('127.0.0.1'))).to.equal('ok');
      expect(await judged(await open('0.0.0.0'))).to.equal('warning');
    });

    it('takes a private address for closed to the world, a public one for open', async () => {
      const judged = async (publishAddress: string): Promise<string> =>
        severities(
          await runCheck(openMetrics, host, {
            members: [
              homeserver({
                networkMode: 'synapse',
                ports: { metrics: 9100 },
                engineOptions: { publishAddress },
              }),
            ],
          }),
        );
      for (const address of ['127.0.0.1', '10.1.2.3', '192.168.1.1', '172.20.0.1', 'fd00::1'])
        expect(await judged(address), address).to.equal('ok');
      for (const address of ['203.0.113.7', '0.0.0.0', '2001:db8::1', '172.32.0.1'])
        expect(await judged(address), address).to.equal('warning');
    });
  });

  describe('database-connections', () => {
    const judged = async (engineOptions: Readonly<Record<string, string>>): Promise<string> => {
      const members = [homeserver({ engineOptions }), homeserver({}, 'worker')];
      return severities(await runCheck(databaseConnections, host, { members }));
    };

    it('warns when all processes together want more than there are', async () => {
      expect(await judged({})).to.equal('ok');
      expect(await judged({ workers: '10' })).to.equal('warning');
      expect(await judged({ workers: '10', databaseConnections: '200' })).to.equal('ok');
      expect(await judged({ workers: '10', databasePool: '5' })).to.equal('ok');
    });

    it('says the figures', async () => {
      const members = [homeserver({ engineOptions: { workers: '10' } })];
      const [result] = await runCheck(databaseConnections, host, { members });
      expect(result?.seen).to.equal('11 processes open up to 110 connections, 97 are given out');
    });
  });

  it('ports of a container are published as the manifest numbers them', () => {
    const { spec } = homeserver({
      networkMode: 'synapse',
      ports: { client: 8001, metrics: 9001 },
      engineOptions: {
        containerPorts: 'client=8008 nonsense metrics=x',
        publishAddress: '10.0.0.1',
      },
    });
    expect(publishedPorts(spec)).to.deep.equal([
      { name: 'client', hostPort: 8001, containerPort: 8008, address: '10.0.0.1' },
      { name: 'metrics', hostPort: 9001, containerPort: 9001, address: '10.0.0.1' },
    ]);
    expect(publishedPorts({ ...spec, networkMode: 'host' })).to.deep.equal([]);
  });
});
