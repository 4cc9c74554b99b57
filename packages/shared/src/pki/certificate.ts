// Makes certificates (RFC 5280): a CA's own and those that it signs. node:crypto signs what node-forge's ASN.1
// encodes; forge's own signing takes 50 times as long and knows no elliptic keys.
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { assert } from '../assert.js';
import {
  bigInteger,
  bits,
  boolean,
  fromDer,
  octets,
  oid,
  oids,
  pem,
  sequence,
  setOf,
  smallInteger,
  tagged,
  taggedBytes,
  time,
  toDer,
  utf8,
  type Asn1,
} from './der.js';
import { BACKDATE_MS } from './identity.js';
import { createKey, publicKeyOf, signBytes } from './keys.js';
import { checkName, spiffeOf, type IdentityName } from './names.js';

export { fingerprintOf } from './identity.js';

const CA_LIFETIME_MS = 3652 * 24 * 3_600_000; // 10 years
const VERSION_3 = 2;

export interface CertificateAuthority {
  readonly fleet: string;
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface CertificateRequest {
  readonly identity: IdentityName;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  readonly now: number;
  /** From now; never beyond the CA's own end. */
  readonly lifetimeMs: number;
  /** DNS names and addresses of a controller, for browsers and scrapers. */
  readonly hosts?: readonly string[];
}

/** A new CA with its own key, good for 10 years, that may sign no other CA. */
export async function createCertificateAuthority(
  fleet: string,
  now: number,
): Promise<CertificateAuthority> {
  checkName(fleet, 'the fleet');
  const keyPem = await createKey();
  const publicKey = publicKeyOf(keyPem);
  const subject = distinguishedName(fleet, 'Leafward CA');
  const extensions = [
    extension(oids.basicConstraints, sequence(boolean(true), smallInteger(0)), true),
    extension(oids.keyUsage, bits(Buffer.from([0b0000_0110]), 1), true), // keyCertSign, cRLSign
    extension(oids.subjectKeyIdentifier, octets(keyIdentifier(publicKey))),
  ];
  const validity = { from: now - BACKDATE_MS, to: now + CA_LIFETIME_MS };
  const body = certificateBody({ issuer: subject, subject, publicKey, extensions, validity });
  return { fleet, certificatePem: signed(body, keyPem), keyPem };
}

/** A certificate for one identity, in PEM without its chain. */
export function signCertificate(ca: CertificateAuthority, request: CertificateRequest): string {
  const { identity, publicKey, now } = request;
  assert(identity.fleet === ca.fleet, `the CA of ${ca.fleet} signs nothing for ${identity.fleet}`);
  assert(request.lifetimeMs > 0, 'a certificate must live');
  const issuer = new X509Certificate(ca.certificatePem);
  const isServer = identity.kind === 'controller';
  const names = [spiffeOf(identity), ...(isServer ? (request.hosts ?? []) : [])];
  const purpose = isServer ? oids.serverAuth : oids.clientAuth;
  const issuerKey = publicKeyOf(ca.keyPem);
  const body = certificateBody({
    issuer: distinguishedName(ca.fleet, 'Leafward CA'),
    subject: distinguishedName(identity.fleet, `${identity.kind} ${identity.name}`.slice(0, 64)),
    publicKey,
    validity: {
      from: Math.max(now - BACKDATE_MS, Date.parse(issuer.validFrom)),
      to: Math.min(now + request.lifetimeMs, Date.parse(issuer.validTo)),
    },
    extensions: [
      extension(oids.basicConstraints, sequence(), true),
      extension(oids.keyUsage, bits(Buffer.from([0b1000_0000]), 7), true), // digitalSignature
      extension(oids.extendedKeyUsage, sequence(oid(purpose))),
      extension(oids.subjectAltName, sequence(...names.map(alternativeName))),
      extension(oids.subjectKeyIdentifier, octets(keyIdentifier(publicKey))),
      extension(oids.authorityKeyIdentifier, sequence(taggedBytes(0, keyIdentifier(issuerKey)))),
    ],
  });
  return signed(body, ca.keyPem);
}

interface Body {
  readonly issuer: Asn1;
  readonly subject: Asn1;
  readonly publicKey: Buffer;
  readonly validity: { readonly from: number; readonly to: number };
  readonly extensions: readonly Asn1[];
}

function certificateBody(body: Body): Asn1 {
  const { from, to } = body.validity;
  assert(from < to, 'a certificate must end after it begins');
  return sequence(
    tagged(0, smallInteger(VERSION_3)),
    bigInteger(randomSerial()),
    sequence(oid(oids.ecdsaWithSha256)),
    body.issuer,
    // Whole seconds: the end is rounded up, so that a life of less than a second is one.
    sequence(time(from), time(Math.ceil(to / 1000) * 1000)),
    body.subject,
    fromDer(body.publicKey),
    tagged(3, sequence(...body.extensions)),
  );
}

/** 128 random bits, the first of them set, so that the length is always the same. */
function randomSerial(): Buffer {
  const serial = randomBytes(16);
  serial[0] = (serial[0] ?? 0) | 0x80;
  return serial;
}

function signed(body: Asn1, keyPem: string): string {
  const signature = signBytes(toDer(body), keyPem);
  const whole = sequence(body, sequence(oid(oids.ecdsaWithSha256)), bits(signature));
  return pem('CERTIFICATE', toDer(whole));
}

function distinguishedName(organization: string, commonName: string): Asn1 {
  return sequence(
    setOf(sequence(oid(oids.organization), utf8(organization))),
    setOf(sequence(oid(oids.commonName), utf8(commonName))),
  );
}

function extension(id: string, value: Asn1, critical = false): Asn1 {
  const body = octets(toDer(value));
  return critical ? sequence(oid(id), boolean(true), body) : sequence(oid(id), body);
}

/** SHA-1 of the key's bits (RFC 5280, 4.2.1.2): a name for the key, not a protection. */
function keyIdentifier(spki: Buffer): Buffer {
  const keyBits = spki.subarray(spki.length - 65); // an uncompressed P-256 point ends its SPKI
  return createHash('sha1').update(keyBits).digest();
}

function alternativeName(name: string): Asn1 {
  if (name.startsWith('spiffe://')) return taggedBytes(6, Buffer.from(name, 'ascii'));
  if (isIP(name) !== 0) return taggedBytes(7, addressBytes(name));
  checkName(name.toLowerCase(), 'the host name');
  return taggedBytes(2, Buffer.from(name, 'ascii'));
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  // The URL parser writes every IPv6 address in one short form, without an embedded IPv4 one.
  const canonical = new URL(`http://[${address.split('%')[0] ?? ''}]`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const left = groups(head);
  const right = groups(tail ?? '');
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  const all = [...left, ...zeros, ...right].map((group) => parseInt(group, 16));
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
