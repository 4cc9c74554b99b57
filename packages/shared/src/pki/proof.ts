// How the owner of an expired certificate proves that it still holds the key: a signature over the moment and
// the new request. The text is fixed by the protocol (RenewExpiredRequest).
import { X509Certificate } from 'node:crypto';
import { isSignedBy, signBytes } from './keys.js';

const proofText = (signedAt: number, csrPem: string): Buffer =>
  Buffer.from(`${signedAt}\n${csrPem}`);

export function signProof(keyPem: string, signedAt: number, csrPem: string): Uint8Array {
  return new Uint8Array(signBytes(proofText(signedAt, csrPem), keyPem));
}

export interface Proof {
  readonly certificatePem: string;
  readonly csrPem: string;
  readonly signedAt: number;
  readonly signature: Uint8Array;
}

/** True when the certificate's own key made the signature. */
export function isProof(proof: Proof): boolean {
  const key = new X509Certificate(proof.certificatePem).publicKey;
  return isSignedBy(proofText(proof.signedAt, proof.csrPem), Buffer.from(proof.signature), key);
}
