// Certificates for tests of HTTPS: a root, one that it signed, and a server's that the second one signed.
import { generateKeyPairSync } from 'node:crypto';
import forge from 'node-forge';

export interface TestChain {
  /** The server's, then who signed it. */
  readonly chainPem: string;
  readonly keyPem: string;
  readonly rootPem: string;
  readonly leafPem: string;
  readonly issuerPem: string;
}

interface Signer {
  readonly certificate: forge.pki.Certificate;
  readonly keyPem: string;
}

const DAY_MS = 24 * 3_600_000;

export function makeChain(options: { readonly name: string; readonly days?: number }): TestChain {
  const root = sign({ name: 'Test Root', days: 400 });
  const issuer = sign({ name: 'Test Issuer', days: 400, by: root });
  const leaf = sign({ name: options.name, days: options.days ?? 90, by: issuer, isServer: true });
  const [leafPem, issuerPem, rootPem] = [leaf, issuer, root].map(({ certificate }) =>
    forge.pki.certificateToPem(certificate).replaceAll('\r', ''),
  ) as [string, string, string];
  return { chainPem: leafPem + issuerPem, keyPem: leaf.keyPem, rootPem, leafPem, issuerPem };
}

function sign(options: {
  readonly name: string;
  readonly days: number;
  readonly by?: Signer;
  readonly isServer?: boolean;
}): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  certificate.serialNumber = '01';
  certificate.validity.notBefore = new Date(Date.now() - DAY_MS);
  certificate.validity.notAfter = new Date(Date.now() + options.days * DAY_MS);
  const subject = [{ name: 'commonName', value: options.name }];
  certificate.setSubject(subject);
  certificate.setIssuer(options.by?.certificate.subject.attributes ?? subject);
  certificate.setExtensions(
    options.isServer === true
      ? [{ name: 'subjectAltName', altNames: [{ type: 2, value: options.name }] }]
      : [{ name: 'basicConstraints', cA: true, critical: true }],
  );
  const keyPem = options.by?.keyPem ?? privateKey;
  certificate.sign(forge.pki.privateKeyFromPem(keyPem), forge.md.sha256.create());
  return { certificate, keyPem: privateKey };
}
