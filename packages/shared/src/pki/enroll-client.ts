// The client's side of enrolment: pins the CA before anything is sent, makes the key here, and takes only an
// answer that fits. Must never let a token reach a server whose CA is not the one in the URL.
import { once } from 'node:events';
import type { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import { LeafwardError, messageOf } from '../errors.js';
import type { EnrollmentService } from '../gen/domain.js';
import { EnrollmentService as enrollmentService } from '../gen/leafward/v1/enrollment_pb.js';
import { FreshChannelCredentials, type ClientMaterial } from '../rpc/credentials.js';
import { channelOptions } from '../rpc/options.js';
import { createClient, type ServiceClient } from '../rpc/service.js';
import { parseEnrollmentUrl, type EnrollmentUrl } from './enrollment-url.js';
import type { StoredIdentity } from './identity-directory.js';
import { fingerprintOf, isIssuedBy, parseIdentity, publicKeyOfCertificate } from './identity.js';
import { createKey, publicKeyOf } from './keys.js';
import { signProof } from './proof.js';

const CONNECT_TIMEOUT_MS = 10_000;
const CALL_TIMEOUT_MS = 20_000; // a signature and a commit, on a slow disk
const MAX_CHAIN = 5;

export interface EnrollOptions {
  readonly kind: 'agent' | 'user';
  /** Who the caller believes to be; the token must then be for that name. */
  readonly name?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Spends the URL's token on a certificate for a key made here. Writes nothing: save what it returns.
 * @throws LeafwardError; `unauthenticated` for a wrong CA or token.
 */
export async function enrollClient(url: string, options: EnrollOptions): Promise<StoredIdentity> {
  const parts = parseEnrollmentUrl(url);
  const caPem = await fetchPinnedCa(parts, options.signal);
  const { createCsr } = await import('./csr.js');
  const keyPem = await createKey();
  const name = options.name ?? parts.name ?? '';
  const request = { token: parts.token, csrPem: createCsr(keyPem, options.kind), name };
  const answer = await withEnrollmentService(parts.address, { caPem }, (client) =>
    client.enroll(request, { signal: options.signal, deadlineMs: CALL_TIMEOUT_MS }),
  );
  const identity: StoredIdentity = {
    format: 1,
    fleet: answer.fleet,
    kind: options.kind,
    name: answer.name,
    role: answer.role,
    address: answer.address,
    enrollmentAddress: parts.address,
    keyPem,
    certificatePem: answer.certificatePem,
    caPem,
  };
  return fitting(identity, answer, identity);
}

/**
 * A new certificate for an identity whose old one has expired.
 * @throws LeafwardError; `unauthenticated` or `denied` when it was revoked.
 */
export async function renewExpiredClient(
  identity: StoredIdentity,
  now: number,
  signal?: AbortSignal,
): Promise<StoredIdentity> {
  const { createCsr } = await import('./csr.js');
  const keyPem = await createKey();
  const csrPem = createCsr(keyPem, identity.name);
  const { certificatePem, caPem, fleet } = identity;
  const signature = signProof(identity.keyPem, now, csrPem);
  const answer = await withEnrollmentService(
    identity.enrollmentAddress,
    { caPem, fleet },
    (client) =>
      client.renewExpired(
        { certificatePem, csrPem, signedAt: now, signature },
        { signal, deadlineMs: CALL_TIMEOUT_MS },
      ),
  );
  return renewedIdentity(identity, keyPem, answer);
}

/**
 * The identity with its new key and certificate.
 * @throws LeafwardError `failed` when the answer is for somebody else, another key or of another CA.
 */
export function renewedIdentity(
  old: StoredIdentity,
  keyPem: string,
  answer: { readonly certificatePem: string; readonly caPem: string },
): StoredIdentity {
  return fitting({ ...old, keyPem, certificatePem: answer.certificatePem }, answer, old);
}

function fitting(
  next: StoredIdentity,
  answer: { readonly caPem: string },
  wanted: { readonly kind: string; readonly name: string; readonly fleet: string },
): StoredIdentity {
  const { kind, name, fleet } = parseIdentity(next.certificatePem);
  const fits =
    kind === wanted.kind &&
    name === wanted.name &&
    fleet === wanted.fleet &&
    fingerprintOf(answer.caPem) === fingerprintOf(next.caPem) &&
    isIssuedBy(next.certificatePem, next.caPem) &&
    publicKeyOfCertificate(next.certificatePem).equals(publicKeyOf(next.keyPem));
  if (fits) return next;
  throw new LeafwardError(
    'failed',
    `the controller sent a certificate for the ${kind} ${name} of ${fleet}; it does not fit the ${wanted.kind} ${wanted.name} of ${wanted.fleet}, its key or its CA: nothing was saved`,
  );
}

async function withEnrollmentService<T>(
  address: string,
  material: ClientMaterial,
  call: (client: ServiceClient<EnrollmentService>) => Promise<T>,
): Promise<T> {
  const credentials = new FreshChannelCredentials(() => material);
  const client = createClient<EnrollmentService>(
    enrollmentService,
    address,
    credentials,
    channelOptions,
  );
  try {
    return await call(client);
  } finally {
    client.close();
  }
}

/** The CA that the server shows, once its SHA-256 is the pinned one. Sends nothing but a TLS handshake. */
async function fetchPinnedCa(
  { address, caSha256 }: EnrollmentUrl,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { hostname, port } = new URL(`tls://${address}`);
  const socket = connect({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port),
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['h2'],
    // Nobody is believed yet. The next connection is, and it believes only the CA found here.
    rejectUnauthorized: false,
  });
  try {
    const deadline = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
    await once(socket, 'secureConnect', {
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
    });
    const chain = chainOf(socket.getPeerX509Certificate());
    const ca = chain.find((certificate) => fingerprintOf(certificate.raw) === caSha256);
    if (ca?.ca === true) return ca.toString();
    const shown = chain.at(-1);
    throw new LeafwardError(
      'unauthenticated',
      `enrol at ${address}: the server shows a CA with SHA-256 ${shown === undefined ? 'none' : fingerprintOf(shown.raw)}, the URL was made for ${caSha256}; the token was not sent. Another server answers there, or the URL is of another fleet`,
    );
  } catch (error) {
    if (error instanceof LeafwardError) throw error;
    if (signal?.aborted === true)
      throw new LeafwardError('aborted', `enrol at ${address}: stopped`);
    throw new LeafwardError(
      'unavailable',
      `enrol at ${address}: ${messageOf(error)}; is the controller running, and is its enrolment port reachable from here?`,
      { retry: 'later', cause: error },
    );
  } finally {
    socket.destroy();
  }
}

function chainOf(leaf: X509Certificate | undefined): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = leaf;
  while (next !== undefined && chain.length < MAX_CHAIN) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}
