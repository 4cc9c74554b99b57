// Who gets in, and everybody who does not: over real TLS on loopback.
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect, createServer, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { enrollAgent, openAgentIdentity } from '@leafward/agent/identity.js';
import {
  connectOperator,
  enrollOperator,
  openOperatorIdentity,
  operatorDirectory,
} from '@leafward/controller/cli/identity.js';
import { createAuthority } from '@leafward/controller/authority.js';
import { openIdentityStore } from '@leafward/controller/store/identities.js';
import { openDatabase } from '@leafward/controller/store/database.js';
import type { IdentityTables } from '@leafward/controller/store/identities.js';
import { systemClock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  AgentService,
  EnrollmentService,
  OperatorService,
} from '@leafward/shared/gen/domain.js';
import { AgentService as agentService } from '@leafward/shared/gen/leafward/v1/agent_pb.js';
import { EnrollmentService as enrollmentService } from '@leafward/shared/gen/leafward/v1/enrollment_pb.js';
import { OperatorService as operatorService } from '@leafward/shared/gen/leafward/v1/operator_pb.js';
import {
  createCertificateAuthority,
  fingerprintOf,
  signCertificate,
} from '@leafward/shared/pki/certificate.js';
import { createCsr } from '@leafward/shared/pki/csr.js';
import { parseEnrollmentUrl } from '@leafward/shared/pki/enrollment-url.js';
import { renewExpiredClient } from '@leafward/shared/pki/enroll-client.js';
import {
  loadIdentity,
  saveIdentity,
  type StoredIdentity,
} from '@leafward/shared/pki/identity-directory.js';
import { parseIdentity } from '@leafward/shared/pki/identity.js';
import { createKey, publicKeyOf } from '@leafward/shared/pki/keys.js';
import { signProof } from '@leafward/shared/pki/proof.js';
import { FreshChannelCredentials } from '@leafward/shared/rpc/credentials.js';
import { channelOptions } from '@leafward/shared/rpc/options.js';
import { createClient } from '@leafward/shared/rpc/service.js';
import { DAY_MS, FLEET, failure, startFixture, type Fixture } from './enrollment-fixture.js';

describe('enrolment', () => {
  let fixture: Fixture;
  let stateDir: string;
  let count = 0;
  before(async () => {
    fixture = await startFixture();
  });
  beforeEach(() => {
    count += 1;
    fixture.clock.offsetMs = 0;
    stateDir = join(fixture.dir, `state-${count}`);
  });
  after(() => fixture.stop());

  const enrollmentClient = (identity?: StoredIdentity) =>
    createClient<EnrollmentService>(
      enrollmentService,
      `127.0.0.1:${fixture.enrollmentPort}`,
      new FreshChannelCredentials(() => identity ?? { caPem: fixture.authority.caPem }),
      channelOptions,
    );
  const listHosts = async (material: () => Parameters<typeof asMaterial>[0]): Promise<unknown> => {
    const client = createClient<OperatorService>(
      operatorService,
      `127.0.0.1:${fixture.mtlsPort}`,
      new FreshChannelCredentials(() => asMaterial(material())),
      channelOptions,
    );
    try {
      return await client.listHosts({});
    } finally {
      client.close();
    }
  };
  const renewAgent = async (identity: StoredIdentity) => {
    const client = createClient<AgentService>(
      agentService,
      identity.address,
      new FreshChannelCredentials(() => identity),
      channelOptions,
    );
    try {
      return await client.renewCertificate({ csrPem: createCsr(await createKey(), 'x') });
    } finally {
      client.close();
    }
  };
  /** Enrolled 60 days ago, so that its certificate ended 30 days ago. */
  const enrollLongAgo = async (name: string): Promise<StoredIdentity> => {
    fixture.clock.offsetMs = -60 * DAY_MS;
    const identity = await enrollAgent(stateDir, await fixture.inviteHost(name));
    fixture.clock.offsetMs = 0;
    expect(parseIdentity(identity.certificatePem).expiresAt).to.be.lessThan(Date.now());
    return identity;
  };

  it('gives a host a certificate for the name of its token, and keeps token and key to itself', async () => {
    const url = await fixture.inviteHost('alpha');
    const identity = await enrollAgent(stateDir, url);
    expect(await loadIdentity(stateDir)).to.deep.equal(identity);
    expect(parseIdentity(identity.certificatePem)).to.include({ kind: 'agent', name: 'alpha' });
    expect(identity).to.include({ fleet: FLEET, address: `127.0.0.1:${fixture.mtlsPort}` });
    expect(fixture.store.principal('agent', 'alpha')?.certificateExpiresAt).to.be.greaterThan(
      Date.now() + 29 * DAY_MS,
    );
    const { token } = parseEnrollmentUrl(url);
    const everything = JSON.stringify(await fixture.store.audit(100));
    expect(everything).to.not.contain(token);
    expect(await fixture.store.findToken(token)).to.equal(undefined);
  });

  it('gives an operator an identity that can call, with its role on record', async () => {
    await enrollOperator(stateDir, await fixture.inviteUser('alice'));
    const keeper = await openOperatorIdentity(stateDir, {
      clock: systemClock,
      warn: () => expect.fail('nothing was due'),
      signal: new AbortController().signal,
    });
    const client = connectOperator(keeper);
    expect(await client.listHosts({})).to.deep.equal({ hosts: [] });
    client.close();
    expect(fixture.store.principal('user', 'alice')?.role).to.equal('admin');
    expect(operatorDirectory({ LEAFWARD_HOME: '/a/b' })).to.equal('/a/b');
    expect(operatorDirectory({ XDG_CONFIG_HOME: '/c' })).to.equal('/c/leafward');
  });

  it('refuses a token’s second use, also when both come at once, and writes it down', async () => {
    const url = await fixture.inviteHost('bravo');
    const tries = await Promise.allSettled([
      enrollAgent(join(stateDir, 'a'), url),
      enrollAgent(join(stateDir, 'b'), url),
    ]);
    expect(tries.map((one) => one.status).sort()).to.deep.equal(['fulfilled', 'rejected']);
    const error = await failure(enrollAgent(stateDir, url));
    expect(error.message).to.match(/^\[unauthenticated\].*host bravo and was used at/);
    expect(await fixture.lastAudit()).to.match(/^enroll agent\/bravo: refused:.*was used/);
    expect(await fixture.store.issuedSince('agent', 'bravo', 0)).to.equal(1);
    expect((await failure(loadIdentity(stateDir))).message).to.contain('nobody is enrolled');
  });

  it('refuses an unknown token, an expired one and one for another host, each by its name', async () => {
    const url = await fixture.inviteHost('charlie');
    const { token } = parseEnrollmentUrl(url);
    const unknown = url.replace(token, [...token].reverse().join(''));
    expect((await failure(enrollAgent(stateDir, unknown))).message).to.contain('nobody made this');
    expect(await fixture.lastAudit()).to.contain('enroll unknown: refused');
    const other = await failure(enrollAgent(stateDir, url, { name: 'delta' }));
    expect(other.message).to.match(/^\[denied\] enrol delta.*made for the host charlie/);
    expect(await fixture.lastAudit()).to.contain('enroll agent/charlie: refused: enrol delta');
    fixture.clock.offsetMs = 61 * 60_000;
    expect((await failure(enrollAgent(stateDir, url))).message).to.contain(
      'host charlie and ended',
    );
    fixture.clock.offsetMs = 0;
    await enrollAgent(stateDir, url, { name: 'charlie' }); // none of it cost the token
  });

  it('refuses a bad request without spending the token, and an agent’s token for an operator', async () => {
    const url = await fixture.inviteHost('echo');
    const { token } = parseEnrollmentUrl(url);
    const client = enrollmentClient();
    const error = await failure(client.enroll({ token, csrPem: 'garbage', name: '' }));
    client.close();
    expect(error.message).to.contain('[invalid] the certificate request cannot be used');
    await enrollAgent(stateDir, url);
    const wrong = await failure(enrollOperator(stateDir, await fixture.inviteHost('foxtrot')));
    expect(wrong.message).to.contain('nothing was saved');
  });

  it('does not let strangers fill the audit', async () => {
    const client = enrollmentClient();
    for (let i = 0; i < 50; i += 1)
      await failure(client.enroll({ token: `guess-${i}`, csrPem: '', name: '' }));
    client.close();
    const rows = (await fixture.store.audit(100)).filter((row) => row.subject === 'unknown');
    expect(rows.length).to.be.lessThan(65); // 30 a minute, and a minute may end within
  });

  it('invites only names that can be, for a time that ends', async () => {
    for (const name of ['', 'A', '../x', 'a/b', 'x'.repeat(64)])
      expect((await failure(fixture.inviteHost(name))).message).to.contain('[invalid] the host');
    expect((await failure(fixture.inviteHost('a', 8 * DAY_MS))).message).to.contain('seven days');
  });

  describe('a server with another CA', () => {
    const rogue = async (chainOf: (leaf: string, ca: string) => string, url: string) => {
      const ca = await createCertificateAuthority(FLEET, Date.now());
      const keyPem = await createKey();
      const leaf = signCertificate(ca, {
        identity: { fleet: FLEET, kind: 'controller', name: 'main' },
        ...{ publicKey: publicKeyOf(keyPem), now: Date.now(), lifetimeMs: DAY_MS },
      });
      const received: Buffer[] = [];
      const sockets = new Set<TLSSocket>();
      const server = createServer(
        { key: keyPem, cert: chainOf(leaf, ca.certificatePem), ALPNProtocols: ['h2'] },
        (socket) => {
          sockets.add(socket);
          socket.on('data', (bytes: Buffer) => received.push(bytes));
          socket.on('error', () => undefined);
        },
      );
      server.on('tlsClientError', () => undefined);
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const { port } = server.address() as { port: number };
      const error = await failure(
        enrollAgent(stateDir, url.replace(/127.0.0.1:\d+/, `127.0.0.1:${port}`)),
      );
      for (const socket of sockets) socket.destroy();
      server.close();
      return { error, bytes: Buffer.concat(received).length };
    };

    it('is never sent the token', async () => {
      const url = await fixture.inviteHost('golf');
      const { error, bytes } = await rogue((leaf, ca) => leaf + ca, url);
      expect(error.message).to.match(/^\[unauthenticated\].*the token was not sent/);
      expect(bytes).to.equal(0);
      expect(error.message).to.not.contain(parseEnrollmentUrl(url).token);
    });

    it('is never sent the token when it shows the right CA beside its own certificate', async () => {
      const url = await fixture.inviteHost('hotel');
      const { error, bytes } = await rogue((leaf) => leaf + fixture.authority.caPem, url);
      expect(error).to.be.instanceOf(LeafwardError);
      expect(bytes).to.equal(0);
      await enrollAgent(stateDir, url);
    });
  });

  describe('the mTLS listener', () => {
    const handshake = async (options: ConnectionOptions): Promise<TLSSocket> => {
      const socket = connect({
        ...{ host: '127.0.0.1', port: fixture.mtlsPort, ca: fixture.authority.caPem },
        ...{ ALPNProtocols: ['h2'], checkServerIdentity: () => undefined, ...options },
      });
      await once(socket, 'secureConnect');
      return socket;
    };

    it('refuses TLS 1.2, also after its certificate was reloaded', async () => {
      const { keyPem: key, certificatePem: cert } = await enrollAgent(
        stateDir,
        await fixture.inviteHost('india'),
      );
      const old = failure(handshake({ key, cert, maxVersion: 'TLSv1.2' }));
      expect((await old).message).to.match(/protocol version/i);
      await fixture.server.renew();
      const again = failure(handshake({ key, cert, maxVersion: 'TLSv1.2' }));
      expect((await again).message).to.match(/protocol version/i);
      const socket = await handshake({ key, cert });
      expect(socket.getProtocol()).to.equal('TLSv1.3');
      socket.destroy();
    });

    it('refuses clients without certificate, of another CA, and of a CA that only has its name', async () => {
      const nobody = await failure(listHosts(() => ({ caPem: fixture.authority.caPem })));
      expect(nobody.message).to.match(/\[unavailable\].*certificate required/);
      const other = await createAuthority(join(fixture.dir, 'other'), FLEET, Date.now());
      const keyPem = await createKey();
      const { certificatePem } = other.issue({
        ...{ kind: 'user', name: 'alice', publicKey: publicKeyOf(keyPem) },
        ...{ now: Date.now(), lifetimeMs: DAY_MS },
      });
      const { caPem } = fixture.authority;
      const foreign = await failure(listHosts(() => ({ caPem, keyPem, certificatePem })));
      expect(foreign.message).to.match(/\[unavailable\].*of another CA/);
    });

    it('refuses to be talked to as the controller of another fleet, or by its own client for another CA', async () => {
      const identity = await enrollOperator(stateDir, await fixture.inviteUser('bob'));
      const elsewhere = await failure(listHosts(() => ({ ...identity, fleet: 'elsewhere' })));
      expect(elsewhere.message).to.contain('of the fleet demo, wanted is elsewhere');
      const other = await createCertificateAuthority(FLEET, Date.now());
      const wrongCa = listHosts(() => ({ ...identity, caPem: other.certificatePem }));
      expect((await failure(wrongCa)).message).to.match(/\[unavailable\].*(self.signed|verify)/i);
    });

    it('refuses an agent that calls what is an operator’s, and the other way round', async () => {
      const agent = await enrollAgent(stateDir, await fixture.inviteHost('juliett'));
      const error = await failure(listHosts(() => agent));
      expect(error.message).to.equal('[denied] the agent juliett calls what is for user only');
      const user = await enrollOperator(stateDir, await fixture.inviteUser('carol'));
      expect((await failure(renewAgent(user))).message).to.contain('[denied] the user carol');
    });

    it('resumes a session only with the certificate that it was made with, and still knows the caller', async () => {
      let identity = await enrollOperator(stateDir, await fixture.inviteUser('dave'));
      const credentials = new FreshChannelCredentials(() => identity);
      const dial = async (): Promise<boolean> => {
        const tcp = connectTcp(fixture.mtlsPort, '127.0.0.1');
        await once(tcp, 'connect');
        const connector = credentials._createSecureConnector({ path: '' }, {});
        const { socket } = await connector.connect(tcp);
        const tls = socket as TLSSocket;
        await once(tls, 'data'); // the server's settings: its ticket came before them
        const resumed = tls.isSessionReused();
        tls.destroy();
        return resumed;
      };
      expect(await dial()).to.equal(false);
      expect(await dial()).to.equal(true);
      const client = createClient<OperatorService>(
        operatorService,
        `127.0.0.1:${fixture.mtlsPort}`,
        credentials,
        channelOptions,
      );
      expect(await client.listHosts({})).to.deep.equal({ hosts: [] });
      client.close();
      identity = await enrollOperator(stateDir, await fixture.inviteUser('dave'));
      expect(await dial()).to.equal(false);
    });
  });

  describe('renewal', () => {
    it('over mTLS gives the caller’s own name a new certificate, whatever the request says', async () => {
      const identity = await enrollAgent(stateDir, await fixture.inviteHost('kilo'));
      const answer = await renewAgent(identity);
      const renewed = parseIdentity(answer.certificatePem);
      expect(renewed).to.include({ kind: 'agent', name: 'kilo' });
      expect(fingerprintOf(answer.caPem)).to.equal(fixture.authority.caSha256);
      expect(await fixture.lastAudit()).to.equal(`renew agent/kilo: certificate ${renewed.serial}`);
    });

    it('happens when an operator’s command runs and it is due, and does not stop the command', async () => {
      fixture.clock.offsetMs = -25 * DAY_MS; // of 30: within the last third
      const old = await enrollOperator(stateDir, await fixture.inviteUser('frank'));
      fixture.clock.offsetMs = 0;
      const warnings: string[] = [];
      const open = () =>
        openOperatorIdentity(stateDir, {
          clock: systemClock,
          warn: (line) => warnings.push(line),
          signal: new AbortController().signal,
        });
      fixture.killMtls();
      expect((await open()).current()).to.deep.equal(old);
      expect(warnings).to.have.length(1);
      await fixture.reviveMtls();
      const renewed = (await open()).certificate();
      expect(renewed.expiresAt).to.be.greaterThan(Date.now() + 29 * DAY_MS);
      expect((await open()).certificate().serial).to.equal(renewed.serial);
      expect(warnings).to.have.length(1);
    });

    it('of an operator’s expired certificate works, and says why when it does not', async () => {
      fixture.clock.offsetMs = -60 * DAY_MS;
      const old = await enrollOperator(stateDir, await fixture.inviteUser('grace'));
      fixture.clock.offsetMs = 0;
      const open = () =>
        openOperatorIdentity(stateDir, {
          clock: systemClock,
          warn: (line) => expect.fail(line),
          signal: new AbortController().signal,
        });
      expect((await open()).certificate().expiresAt).to.be.greaterThan(Date.now());
      await fixture.enrollment.revoke({ kind: 'user', name: 'grace', reason: 'left', by: 'test' });
      await saveIdentity(stateDir, old);
      expect((await failure(open())).message).to.contain('[denied]');
    });

    it('has a limit', async () => {
      const caller = parseIdentity(
        (await enrollAgent(stateDir, await fixture.inviteHost('lima'))).certificatePem,
      );
      const csrPem = createCsr(await createKey(), 'x');
      for (let i = 1; i < 60; i += 1) await fixture.enrollment.renewCertificate(caller, csrPem);
      const error = await failure(fixture.enrollment.renewCertificate(caller, csrPem));
      expect(error.message).to.contain('[exhausted]');
    });

    it('of an expired certificate works with its own key', async () => {
      const old = await enrollLongAgo('mike');
      expect((await failure(renewAgent(old))).message).to.match(/certificate expired, or/);
      const renewed = await renewExpiredClient(old, Date.now());
      expect(parseIdentity(renewed.certificatePem).expiresAt).to.be.greaterThan(Date.now());
      await renewAgent(renewed);
    });

    it('of an expired certificate is refused once it was revoked, or enrolled anew elsewhere', async () => {
      const old = await enrollLongAgo('november');
      await fixture.enrollment.revoke({
        ...{ kind: 'agent', name: 'november', reason: 'stolen', by: 'test' },
      });
      const error = await failure(renewExpiredClient(old, Date.now()));
      expect(error.message).to.match(/^\[denied\].*november was revoked/);
      expect(await fixture.lastAudit()).to.contain('renew expired agent/november: refused');
      await enrollAgent(stateDir, await fixture.inviteHost('november'));
      expect((await failure(renewExpiredClient(old, Date.now()))).message).to.contain('[denied]');
    });

    it('of an expired certificate takes each proof once, and none that is old, forged or of another CA', async () => {
      const old = await enrollLongAgo('oscar');
      const { certificatePem } = old;
      const csrPem = createCsr(await createKey(), 'x');
      const client = enrollmentClient();
      const prove = (signedAt: number, keyPem = old.keyPem) => ({
        ...{ certificatePem, csrPem, signedAt, signature: signProof(keyPem, signedAt, csrPem) },
      });
      const late = await failure(client.renewExpired(prove(Date.now() - 6 * 60_000)));
      expect(late.message).to.match(/36\d s ago by its clock/);
      const early = await failure(client.renewExpired(prove(Date.now() + 6 * 60_000)));
      expect(early.message).to.match(/-3[56]\d s ago by its clock/);
      const forged = await failure(client.renewExpired(prove(Date.now(), await createKey())));
      expect(forged.message).to.contain('not signed by its key');
      const proof = prove(Date.now());
      await client.renewExpired(proof);
      expect((await failure(client.renewExpired(proof))).message).to.contain('used before');
      // ECDSA signs anew each time: the same words under another signature are the same proof.
      const again = await failure(client.renewExpired(prove(proof.signedAt)));
      expect(again.message).to.contain('used before');
      client.close();
    });
  });

  describe('revocation', () => {
    it('ends calls and renewals of a live certificate, and the name can come back with a new token', async () => {
      const identity = await enrollOperator(stateDir, await fixture.inviteUser('erin'));
      await listHosts(() => identity);
      const unused = await fixture.inviteUser('erin');
      const order = { kind: 'user', name: 'erin', reason: 'left', by: 'test' } as const;
      await fixture.enrollment.revoke(order);
      expect((await failure(listHosts(() => identity))).message).to.contain('[denied]');
      expect(await fixture.lastAudit()).to.equal('revoke user/erin: left');
      const late = await failure(enrollOperator(stateDir, unused));
      expect(late.message).to.contain('[unauthenticated]');
      const back = await enrollOperator(stateDir, await fixture.inviteUser('erin'));
      await listHosts(() => back);
      expect((await failure(listHosts(() => identity))).message).to.contain('[denied]');
      const nobody = failure(fixture.enrollment.revoke({ ...order, name: 'nobody' }));
      expect((await nobody).message).to.contain('[not-found]');
    });

    it('is remembered by the store after a restart', async () => {
      const path = join(fixture.dir, 'restart.db');
      const certificate = {
        serial: 'aa',
        kind: 'agent' as const,
        name: 'papa',
        fingerprint: 'ff',
        issuedAt: 5,
        expiresAt: 100,
      };
      const token = {
        hash: 'h',
        kind: 'agent' as const,
        name: 'papa',
        role: 'agent' as const,
        madeBy: 'test',
        madeAt: 1,
        expiresAt: 10,
      };
      const row = { at: 6, who: 'test', what: 'revoke', subject: 'agent/papa', result: 'lost' };
      const first = await openDatabase<IdentityTables>(path);
      const store = await openIdentityStore(first.db);
      await store.addToken(token);
      expect(store.isRevoked('agent', 'papa', 'aa')).to.equal(true); // not enrolled yet
      expect(await store.enroll(token, certificate, row)).to.equal(true);
      expect(await store.enroll(token, { ...certificate, serial: 'bb' }, row)).to.equal(false);
      expect(store.isRevoked('agent', 'papa', 'aa')).to.equal(false);
      await store.revoke('agent', 'papa', row);
      await first.close();
      const second = await openDatabase<IdentityTables>(path);
      const reopened = await openIdentityStore(second.db);
      expect(reopened.isRevoked('agent', 'papa', 'aa')).to.equal(true);
      expect(reopened.principal('agent', 'papa')?.revokedReason).to.equal('lost');
      expect(await reopened.renew('aa', { ...certificate, serial: 'cc' }, row)).to.equal(false);
      await second.close();
      await rm(path);
    });
  });

  it('will not make a second CA over the first', async () => {
    const error = await failure(createAuthority(join(fixture.dir, 'ca'), FLEET, Date.now()));
    expect(error.message).to.contain('[already-exists]');
  });

  it('says that nobody is enrolled instead of starting without identity', async () => {
    expect((await failure(openAgentIdentity(stateDir))).message).to.contain('[unauthenticated]');
  });
});

interface Material {
  readonly caPem: string;
  readonly fleet?: string;
  readonly certificatePem?: string;
  readonly keyPem?: string;
}
const asMaterial = (material: Material): Material => material;
