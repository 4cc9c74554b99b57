// Certificate signing requests (PKCS #10, RFC 2986). A request proves that its sender holds the key and says
// nothing else: the names in it are never read, the identity comes from the token or the old certificate.
import { LeafwardError } from '../errors.js';
import {
  bits,
  bytesOf,
  fromDer,
  itemsOf,
  oid,
  oids,
  pem,
  sequence,
  setOf,
  smallInteger,
  tagged,
  toDer,
  utf8,
  type Asn1,
} from './der.js';
import { isSignedBy, publicKeyOf, readPublicKey, signBytes } from './keys.js';

const MAX_CSR_CHARS = 8192; // a P-256 request has about 500
const PEM =
  /^-----BEGIN CERTIFICATE REQUEST-----\s([A-Za-z0-9+/=\s]+)-----END CERTIFICATE REQUEST-----\s*$/;

/** A request for the key, in PEM. `name` is for people who look at it. */
export function createCsr(keyPem: string, name: string): string {
  const subject = sequence(setOf(sequence(oid(oids.commonName), utf8(name))));
  const request = sequence(smallInteger(0), subject, fromDer(publicKeyOf(keyPem)), tagged(0));
  const signature = signBytes(toDer(request), keyPem);
  return pem('CERTIFICATE REQUEST', toDer(signedRequest(request, signature)));
}

/**
 * The public key (SubjectPublicKeyInfo, DER) that the request is for, once its own signature was verified.
 * @throws LeafwardError `invalid`.
 */
export function readCsr(csrPem: string): Buffer {
  if (csrPem.length > MAX_CSR_CHARS) throw malformed(`it has ${csrPem.length} characters`);
  const body = PEM.exec(csrPem)?.[1];
  if (body === undefined) throw malformed('it is not one block of PEM');
  const der = Buffer.from(body, 'base64');
  const [request, , signature] = parts(der);
  const spki = itemsOf(request)?.[2];
  const signed = bytesOf(signature)?.subarray(1); // after the count of unused bits
  if (request === undefined || spki === undefined || signed === undefined)
    throw malformed('it has not the parts of a request');
  // Written again it must be the same: one encoding, one algorithm, nothing besides.
  if (!toDer(signedRequest(request, signed)).equals(der))
    throw malformed('it is not a request signed by ECDSA with SHA-256');
  const key = toDer(spki);
  if (!isSignedBy(toDer(request), signed, readPublicKey(key)))
    throw malformed('its signature is not by the key that it names');
  return key;
}

const signedRequest = (request: Asn1, signature: Buffer): Asn1 =>
  sequence(request, sequence(oid(oids.ecdsaWithSha256)), bits(signature));

function parts(der: Buffer) {
  try {
    const children = itemsOf(fromDer(der));
    if (children?.length === 3) return children;
  } catch {
    // falls through: not DER
  }
  throw malformed('it is not DER');
}

function malformed(what: string): LeafwardError {
  return new LeafwardError('invalid', `the certificate request cannot be used: ${what}`);
}
