// Certificates, requests, names and URLs: what Leafward makes it can read, and nothing else passes for it.
import { execFile } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  createCertificateAuthority,
  fingerprintOf,
  signCertificate,
  type CertificateAuthority,
} from '@leafward/shared/pki/certificate.js';
import { createCsr, readCsr } from '@leafward/shared/pki/csr.js';
import {
  createToken,
  formatEnrollmentUrl,
  parseEnrollmentUrl,
} from '@leafward/shared/pki/enrollment-url.js';
import {
  identityPath,
  loadIdentity,
  saveIdentity,
  type StoredIdentity,
} from '@leafward/shared/pki/identity-directory.js';
import { isIssuedBy, parseIdentity } from '@leafward/shared/pki/identity.js';
import { createKey, publicKeyOf } from '@leafward/shared/pki/keys.js';
import { parseSpiffe, spiffeOf, type IdentityKind } from '@leafward/shared/pki/names.js';
import { isProof, signProof } from '@leafward/shared/pki/proof.js';
import { renewAt } from '@leafward/shared/pki/renewal.js';
import { failure } from './enrollment-fixture.js';

const HOUR_MS = 3_600_000;
const now = Date.now();

describe('pki', () => {
  let ca: CertificateAuthority;
  let keyPem: string;
  const certificate = (kind: IdentityKind, name: string, hosts?: string[]): string =>
    signCertificate(ca, {
      identity: { fleet: 'demo', kind, name },
      publicKey: publicKeyOf(keyPem),
      now,
      lifetimeMs: HOUR_MS,
      ...(hosts === undefined ? {} : { hosts }),
    });
  before(async () => {
    ca = await createCertificateAuthority('demo', now);
    keyPem = await createKey();
  });

  it('makes a CA for ten years that may sign no other CA', () => {
    const x509 = new X509Certificate(ca.certificatePem);
    expect(x509.ca).to.equal(true);
    expect(x509.verify(x509.publicKey)).to.equal(true);
    const years = (Date.parse(x509.validTo) - now) / (365.25 * 24 * HOUR_MS);
    expect(years).to.be.closeTo(10, 0.01);
  });

  it('makes certificates that say who, until when, and are backdated for slow clocks', () => {
    const identity = parseIdentity(certificate('agent', 'alpha'));
    expect(identity).to.include({ kind: 'agent', name: 'alpha', fleet: 'demo' });
    expect(identity.serial).to.match(/^[0-9a-f]{32}$/);
    expect(identity.expiresAt).to.be.within(now + HOUR_MS, now + HOUR_MS + 1000);
    expect(identity.issuedAt).to.be.within(now - 1000, now);
    expect(renewAt(identity)).to.be.closeTo(now + (HOUR_MS * 2) / 3, 2000);
    const pem = certificate('agent', 'alpha');
    expect(Date.parse(new X509Certificate(pem).validFrom)).to.be.at.most(now - 5 * 60_000);
    expect(parseIdentity(pem).serial).to.not.equal(identity.serial);
    expect(fingerprintOf(pem)).to.equal(parseIdentity(pem).fingerprint);
  });

  it('makes what openssl accepts under its strictest rules', async function () {
    const dir = await mkdtemp(join(tmpdir(), 'leafward-pki-'));
    try {
      const file = (name: string): string => join(dir, name);
      await writeFile(file('ca.pem'), ca.certificatePem);
      await writeFile(file('server.pem'), certificate('controller', 'main', ['a.test', '::1']));
      await writeFile(file('agent.pem'), certificate('agent', 'alpha'));
      const openssl = (purpose: string, leaf: string) =>
        promisify(execFile)('openssl', [
          ...['verify', '-x509_strict', '-purpose', purpose],
          ...['-CAfile', file('ca.pem'), file(leaf)],
        ]);
      const version = await promisify(execFile)('openssl', ['version']).catch(() => undefined);
      if (version === undefined) return this.skip();
      expect((await openssl('sslserver', 'server.pem')).stdout).to.contain('OK');
      expect((await openssl('sslclient', 'agent.pem')).stdout).to.contain('OK');
      await failure(openssl('sslserver', 'agent.pem'));
      await failure(openssl('sslclient', 'server.pem'));
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('puts names and addresses into a controller’s certificate only', () => {
    const hosts = ['controller.example.org', '192.0.2.7', '2001:db8::7', '::ffff:192.0.2.1'];
    const server = new X509Certificate(certificate('controller', 'main', hosts));
    expect(server.subjectAltName).to.contain('DNS:controller.example.org');
    expect(server.checkIP('192.0.2.7')).to.equal('192.0.2.7');
    expect(server.subjectAltName).to.contain('2001:DB8:0:0:0:0:0:7');
    expect(server.subjectAltName).to.contain('0:0:0:0:0:FFFF:C000:201');
    expect(parseIdentity(server.raw).kind).to.equal('controller');
    expect(certificate('agent', 'alpha', ['evil.test'])).to.satisfy(
      (pem: string) => !new X509Certificate(pem).subjectAltName?.includes('evil'),
    );
  });

  it('takes no CA, no foreign certificate and no garbage for an identity', async () => {
    const other = await createCertificateAuthority('demo', now);
    const pem = certificate('user', 'alice');
    expect(isIssuedBy(pem, ca.certificatePem)).to.equal(true);
    expect(isIssuedBy(pem, other.certificatePem)).to.equal(false);
    for (const bad of [ca.certificatePem, 'garbage', '', Buffer.alloc(40), 'x'.repeat(20_000)])
      expect(() => parseIdentity(bad)).to.throw('[unauthenticated]');
  });

  it('reads only SPIFFE names that it would write itself', () => {
    const part = fc.stringMatching(/^[a-z0-9]([a-z0-9._-]{0,10}[a-z0-9])?$/);
    const kind = fc.constantFrom('agent' as const, 'user' as const, 'controller' as const);
    fc.assert(
      fc.property(part, kind, part, (fleet, what, name) => {
        const identity = { fleet, kind: what, name };
        expect(parseSpiffe(spiffeOf(identity))).to.deep.equal(identity);
      }),
    );
    for (const bad of [
      ...['', 'spiffe://demo/agent/', 'spiffe://demo/agent/a/b', 'spiffe://demo/root/a'],
      ...['spiffe://demo/agent/A', 'spiffe://demo/agent/a\n', ' spiffe://demo/agent/a'],
      ...['spiffe://de mo/agent/a', 'spiffe:///agent/a', 'spiffe://demo/agent/../user/x'],
    ])
      expect(parseSpiffe(bad), bad).to.equal(undefined);
  });

  it('reads a request’s key when the key has signed it, and refuses every other request', async () => {
    const csr = createCsr(keyPem, 'whatever');
    expect(readCsr(csr).equals(publicKeyOf(keyPem))).to.equal(true);
    const der = Buffer.from(csr.replace(/-----.*-----/g, ''), 'base64');
    const wrap = (bytes: Buffer): string =>
      `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(der);
        changed[at] = (changed[at] ?? 0) ^ flip;
        expect(() => readCsr(wrap(changed))).to.throw('[invalid]');
      }),
      { numRuns: 300 },
    );
    for (const bad of [
      '',
      csr + csr,
      wrap(Buffer.alloc(0)),
      wrap(der.subarray(0, 50)),
      'x'.repeat(9000),
    ])
      expect(() => readCsr(bad)).to.throw('[invalid]');
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const rsaPem = rsa.export({ type: 'pkcs8', format: 'pem' }) as string;
    expect(() => readCsr(createCsr(rsaPem, 'x'))).to.throw('P-256');
  });

  it('proves an old key by its signature over the moment and the request', () => {
    const certificatePem = certificate('agent', 'alpha');
    const signature = signProof(keyPem, now, 'csr');
    const proof = { certificatePem, csrPem: 'csr', signedAt: now, signature };
    expect(isProof(proof)).to.equal(true);
    expect(isProof({ ...proof, signedAt: now + 1 })).to.equal(false);
    expect(isProof({ ...proof, csrPem: 'other' })).to.equal(false);
    expect(isProof({ ...proof, signature: new Uint8Array(3) })).to.equal(false);
  });

  it('reads an enrolment URL that it wrote, and never quotes one that it cannot use', () => {
    const url = {
      address: '[::1]:7444',
      token: createToken(),
      caSha256: 'ab'.repeat(32),
      name: 'alpha',
    };
    const text = formatEnrollmentUrl(url);
    expect(parseEnrollmentUrl(text)).to.deep.equal(url);
    const { token } = url;
    for (const bad of [
      ...[
        text.replace('leafward', 'https'),
        text.replace(':7444', ''),
        text.replace(token, token.slice(1)),
      ],
      ...[text.replace('ca=ab', 'ca=zz'), text.replace('name=alpha', 'name=-'), 'nothing'],
    ])
      expect(() => parseEnrollmentUrl(bad))
        .to.throw('[invalid]')
        .that.satisfies((error: Error) => !error.message.includes(token.slice(1)));
  });

  describe('an identity directory', () => {
    let dir: string;
    let identity: StoredIdentity;
    beforeEach(async () => {
      dir = join(await mkdtemp(join(tmpdir(), 'leafward-idd-')), 'made');
      const certificatePem = certificate('user', 'alice');
      identity = {
        ...{ format: 1, fleet: 'demo', kind: 'user', name: 'alice', role: 'admin' },
        ...{ address: 'a:1', enrollmentAddress: 'a:2', caPem: ca.certificatePem },
        ...{ keyPem, certificatePem },
      };
      await saveIdentity(dir, identity);
    });
    afterEach(() => rm(join(dir, '..'), { recursive: true }));

    it('gives back what was saved and shows it to its owner only', async () => {
      expect(await loadIdentity(dir)).to.deep.equal(identity);
      expect((await stat(dir)).mode & 0o777).to.equal(0o700);
      expect((await stat(identityPath(dir))).mode & 0o777).to.equal(0o600);
    });

    it('refuses a file that others can read, a damaged one and a key that is not its own', async () => {
      await chmod(identityPath(dir), 0o640);
      expect((await failure(loadIdentity(dir))).message).to.contain('read by others');
      await chmod(identityPath(dir), 0o600);
      const text = await readFile(identityPath(dir), 'utf8');
      await writeFile(identityPath(dir), text.slice(0, 200));
      expect((await failure(loadIdentity(dir))).message).to.contain('damaged');
      await saveIdentity(dir, { ...identity, keyPem: await createKey() });
      expect((await failure(loadIdentity(dir))).message).to.contain('its key');
      expect((await failure(loadIdentity(join(dir, 'none')))).message).to.contain(
        'nobody is enrolled',
      );
    });
  });
});
