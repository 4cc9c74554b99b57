// The fleet's certificate authority on disk and the controller's own server certificate, which renews itself.
// The CA's key leaves this file for node:crypto only.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { Logger } from '@leafward/shared/log.js';
import {
  createCertificateAuthority,
  fingerprintOf,
  signCertificate,
} from '@leafward/shared/pki/certificate.js';
import { isIssuedBy, parseIdentity, type Identity } from '@leafward/shared/pki/identity.js';
import { createKey, publicKeyOf } from '@leafward/shared/pki/keys.js';
import type { IdentityKind } from '@leafward/shared/pki/names.js';
import { renewAt } from '@leafward/shared/pki/renewal.js';
import { ReloadableServerCredentials, type TlsMaterial } from '@leafward/shared/rpc/credentials.js';

export interface IssueRequest {
  readonly kind: IdentityKind;
  readonly name: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  readonly now: number;
  readonly lifetimeMs: number;
  /** DNS names and addresses; a controller's only. */
  readonly hosts?: readonly string[];
}
export interface Issued {
  readonly certificatePem: string;
  readonly identity: Identity;
}

export interface Authority {
  readonly fleet: string;
  readonly caPem: string;
  /** SHA-256 of the CA certificate's DER, hex: what enrolment URLs pin. */
  readonly caSha256: string;
  /** Encrypts TLS session tickets; kept, so that clients resume over a restart. */
  readonly ticketKeys: Buffer;
  issue(request: IssueRequest): Issued;
  /** True when this CA has signed it, whatever its dates are. */
  isOurs(certificatePem: string): boolean;
}

const CA_FILE = 'ca.pem';
const KEY_FILE = 'ca.key.pem';
const TICKETS_FILE = 'tickets.key';
const TICKET_BYTES = 48; // what node:tls wants
const PRIVATE = 0o600;
const PUBLIC = 0o644;
const OTHERS = 0o077;

/** Makes a CA. @throws LeafwardError `already-exists` when there is one: replacing it would cut off the fleet. */
export async function createAuthority(
  directory: string,
  fleet: string,
  now: number,
): Promise<Authority> {
  const ca = await createCertificateAuthority(fleet, now);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeNew(join(directory, KEY_FILE), ca.keyPem, PRIVATE);
  await writeNew(join(directory, CA_FILE), ca.certificatePem, PUBLIC);
  await writeNew(join(directory, TICKETS_FILE), randomBytes(TICKET_BYTES), PRIVATE);
  const folder = await open(directory, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
  return openAuthority(directory, fleet);
}

/** @throws LeafwardError `failed` or `invalid` when the files are missing, damaged or open to others. */
export async function openAuthority(directory: string, fleet: string): Promise<Authority> {
  const caPem = (await read(join(directory, CA_FILE))).toString('utf8');
  const keyPem = (await readPrivate(join(directory, KEY_FILE))).toString('utf8');
  const ticketKeys = await readPrivate(join(directory, TICKETS_FILE));
  if (ticketKeys.length !== TICKET_BYTES)
    throw new LeafwardError('invalid', `${join(directory, TICKETS_FILE)} is damaged`);
  const ca = { fleet, certificatePem: caPem, keyPem };
  const issue = (request: IssueRequest): Issued => {
    const { kind, name, hosts } = request;
    const certificatePem = signCertificate(ca, {
      identity: { fleet, kind, name },
      publicKey: request.publicKey,
      now: request.now,
      lifetimeMs: request.lifetimeMs,
      ...(hosts === undefined ? {} : { hosts }),
    });
    return { certificatePem, identity: parseIdentity(certificatePem) };
  };
  return {
    fleet,
    caPem,
    caSha256: fingerprintOf(caPem),
    ticketKeys,
    issue,
    isOurs: (certificatePem) => isIssuedBy(certificatePem, caPem),
  };
}

async function writeNew(path: string, bytes: string | Buffer, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode).catch((error: NodeJS.ErrnoException) => {
    const exists = error.code === 'EEXIST';
    throw new LeafwardError(
      exists ? 'already-exists' : 'failed',
      exists
        ? `make a CA: ${path} is there already; a new CA would cut off every host and user of the old one`
        : `write ${path}: ${messageOf(error)}`,
      { cause: error },
    );
  });
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function read(path: string): Promise<Buffer> {
  return readFile(path).catch((error: unknown) => {
    throw new LeafwardError(
      'failed',
      `read ${path}: ${messageOf(error)}; run leafward-controller init first, as the user that runs it`,
      { cause: error },
    );
  });
}

async function readPrivate(path: string): Promise<Buffer> {
  const bytes = await read(path);
  const file = await open(path, 'r');
  try {
    const { mode } = await file.stat();
    if ((mode & OTHERS) === 0) return bytes;
  } finally {
    await file.close();
  }
  throw new LeafwardError('invalid', `${path} can be read by others; chmod 600 it`);
}

export interface ServerIdentityOptions {
  readonly authority: Authority;
  readonly name: string;
  readonly hosts: readonly string[];
  readonly lifetimeMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface ServerIdentity {
  /** Of the mTLS listener: only this CA's clients get in. */
  readonly mutual: ReloadableServerCredentials;
  /** Of the enrolment listener: clients are not known yet. */
  readonly enrollment: ReloadableServerCredentials;
  certificate(): Identity;
  /** A new key and certificate for every new connection; the old connections live on. */
  renew(): Promise<void>;
  stop(): Promise<void>;
}

const CHECK_EVERY_MS = 600_000; // a clock that jumped is noticed within this

/** A server certificate that is made at the start and again at a third of its life left. */
export async function startServerIdentity(options: ServerIdentityOptions): Promise<ServerIdentity> {
  const { authority, clock } = options;
  const make = async (): Promise<TlsMaterial & { readonly identity: Identity }> => {
    const keyPem = await createKey();
    const issued = authority.issue({
      kind: 'controller',
      name: options.name,
      publicKey: publicKeyOf(keyPem),
      now: clock.now(),
      lifetimeMs: options.lifetimeMs,
      hosts: options.hosts,
    });
    return { ...issued, keyPem, caPem: authority.caPem };
  };
  let current = await make();
  const { ticketKeys } = authority;
  const mutual = new ReloadableServerCredentials(current, { clients: 'required', ticketKeys });
  const enrollment = new ReloadableServerCredentials(current, { clients: 'unknown' });
  const renew = async (): Promise<void> => {
    current = await make();
    mutual.update(current);
    enrollment.update(current);
    options.log.info(
      `server certificate renewed, valid until ${new Date(current.identity.expiresAt).toISOString()}`,
    );
  };
  const stopped = new AbortController();
  const done = renewForever(() => current.identity, renew, clock, stopped.signal);
  return {
    mutual,
    enrollment,
    certificate: () => current.identity,
    renew,
    stop: async () => {
      stopped.abort();
      await done;
    },
  };
}

async function renewForever(
  certificate: () => Identity,
  renew: () => Promise<void>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const waitMs = renewAt(certificate()) - clock.now();
    if (waitMs <= 0) await renew();
    else await clock.sleep(Math.min(waitMs, CHECK_EVERY_MS), signal).catch(() => undefined);
  }
}
