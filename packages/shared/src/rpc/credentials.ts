// TLS for gRPC: 1.3 and newer, certificates that are replaced while connections live, peers known by their
// SPIFFE identity and not by an address. Must never let a peer in that the fleet's CA did not sign.
import type { Socket } from 'node:net';
import { connect, type PeerCertificate, type SecureContextOptions, type TLSSocket } from 'node:tls';
import { CallCredentials, ChannelCredentials, ServerCredentials } from '@grpc/grpc-js';
import type { experimental } from '@grpc/grpc-js';
import { LeafwardError } from '../errors.js';
import { parseIdentity, publicKeyOfCertificate, type Identity } from '../pki/identity.js';
import { publicKeyOf } from '../pki/keys.js';
import type { IdentityKind } from '../pki/names.js';
import type { IncomingCall } from './service.js';

type SecureConnector = experimental.SecureConnector;
type ConnectorArguments = Parameters<ChannelCredentials['_createSecureConnector']>;

const MIN_VERSION = 'TLSv1.3';
const HANDSHAKE_TIMEOUT_MS = 10_000; // 100 times a handshake between continents

const NOT_TAKEN =
  'the controller ended the connection after the handshake; has this certificate expired, or is it of another CA?';

/** What one end shows and whom it believes. */
export interface TlsMaterial {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly caPem: string;
}

/** What a client shows (nothing, before it is enrolled) and which fleet's controller it talks to. */
export interface ClientMaterial {
  readonly caPem: string;
  readonly fleet?: string | undefined;
  readonly certificatePem?: string | undefined;
  readonly keyPem?: string | undefined;
}

export interface ServerTlsOptions {
  /** `required`: only holders of a certificate of this CA get through the handshake. */
  readonly clients: 'required' | 'unknown';
  /** 48 secret bytes that let clients resume their sessions over a restart. */
  readonly ticketKeys?: Buffer | undefined;
}

/** Credentials of a listener. After `update` new connections get the new certificate, the old ones live on. */
export class ReloadableServerCredentials extends ServerCredentials {
  constructor(material: TlsMaterial, options: ServerTlsOptions) {
    const isRequired = options.clients === 'required';
    super(
      {
        minVersion: MIN_VERSION,
        requestCert: isRequired,
        rejectUnauthorized: isRequired,
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        ...(options.ticketKeys === undefined ? {} : { ticketKeys: options.ticketKeys }),
      },
      serverContext(material, options),
    );
    this.#options = options;
  }
  readonly #options: ServerTlsOptions;

  /** @throws LeafwardError `invalid` when key and certificate do not belong together; the old ones stay. */
  update(material: TlsMaterial): void {
    if (!publicKeyOfCertificate(material.certificatePem).equals(publicKeyOf(material.keyPem)))
      throw new LeafwardError('invalid', 'reload a certificate: the key beside it is not its own');
    this.updateSecureContextOptions(serverContext(material, this.#options));
  }
  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function serverContext(material: TlsMaterial, options: ServerTlsOptions): SecureContextOptions {
  return {
    minVersion: MIN_VERSION, // a reload forgets what the constructor said
    // With its CA, which a first contact compares with its pin.
    cert: `${material.certificatePem}${material.caPem}`,
    key: material.keyPem,
    ca: material.caPem,
    // A session without a certificate must never be resumed where one is required.
    sessionIdContext: `leafward ${options.clients}`,
    ...(options.ticketKeys === undefined ? {} : { ticketKeys: options.ticketKeys }),
  };
}

/** Credentials of a channel that ask for the newest material at each connect and resume its sessions. */
export class FreshChannelCredentials extends ChannelCredentials {
  readonly #material: () => ClientMaterial;
  #session: { readonly of: string | undefined; readonly ticket: Buffer } | undefined;

  constructor(material: () => ClientMaterial) {
    super();
    this.#material = material;
  }
  override _isSecure(): boolean {
    return true;
  }
  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }
  override _createSecureConnector(
    _target: ConnectorArguments[0],
    _options: ConnectorArguments[1],
    callCredentials?: CallCredentials,
  ): SecureConnector {
    return {
      connect: async (socket) => ({ socket: await this.#connect(socket), secure: true }),
      waitForReady: async () => undefined,
      getCallCredentials: () => callCredentials ?? CallCredentials.createEmpty(),
      destroy: () => undefined,
    };
  }

  async #connect(socket: Socket): Promise<TLSSocket> {
    const material = this.#material();
    const { certificatePem } = material;
    // A session belongs to the certificate that it was made with.
    const ticket = this.#session?.of === certificatePem ? this.#session?.ticket : undefined;
    return secure(socket, material, ticket, (next) => {
      this.#session = { of: certificatePem, ticket: next };
    });
  }
}

function secure(
  socket: Socket,
  material: ClientMaterial,
  session: Buffer | undefined,
  onSession: (session: Buffer) => void,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secured = connect({
      socket,
      minVersion: MIN_VERSION,
      ca: material.caPem,
      ...(material.certificatePem === undefined ? {} : { cert: material.certificatePem }),
      ...(material.keyPem === undefined ? {} : { key: material.keyPem }),
      ...(session === undefined ? {} : { session }),
      ALPNProtocols: ['h2'],
      rejectUnauthorized: true,
      checkServerIdentity: (_host, certificate) => checkController(certificate, material.fleet),
    });
    const timer = setTimeout(
      () => secured.destroy(new Error(`no TLS handshake in ${HANDSHAKE_TIMEOUT_MS} ms`)),
      HANDSHAKE_TIMEOUT_MS,
    );
    // The first thing from a server that has taken this certificate; may come with the end of the handshake.
    let isTaken = false;
    secured.on('session', (next: Buffer) => {
      isTaken = true;
      onSession(next);
    });
    // Node's server says nothing to a client whose certificate it does not take.
    secured.once('end', () => {
      if (!isTaken) secured.destroy(new Error(NOT_TAKEN));
    });
    secured.on('error', reject); // stays, so that a late error has a listener
    secured.once('close', () => {
      clearTimeout(timer);
      reject(new Error('the connection was closed within the TLS handshake'));
    });
    secured.once('secureConnect', () => {
      clearTimeout(timer);
      resolve(secured);
    });
  });
}

/** An error when the certificate is not a controller's, of that fleet where one is named. */
export function checkController(
  certificate: PeerCertificate,
  fleet: string | undefined,
): Error | undefined {
  try {
    const server = parseIdentity(certificate.raw);
    if (server.kind !== 'controller')
      return new Error(`the server is the ${server.kind} ${server.name}`);
    if (fleet !== undefined && server.fleet !== fleet)
      return new Error(`the server is of the fleet ${server.fleet}, wanted is ${fleet}`);
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

export interface CallerRule {
  readonly fleet: string;
  readonly kinds: readonly IdentityKind[];
  readonly now: number;
}

/**
 * Who calls, from the certificate of its connection. A connection outlives its handshake, so the dates are looked
 * at again. Costs about 0.3 ms: once a stream or call. Revocation is the store's to say.
 * @throws LeafwardError `unauthenticated`, or `denied` for an identity of another kind.
 */
export function identifyCaller(call: IncomingCall, rule: CallerRule): Identity {
  const raw = call.getAuthContext().sslPeerCertificate?.raw;
  if (raw === undefined)
    throw new LeafwardError('unauthenticated', `a call from ${call.getPeer()} without certificate`);
  const caller = parseIdentity(raw);
  if (caller.fleet !== rule.fleet)
    throw new LeafwardError(
      'unauthenticated',
      `the certificate is of the fleet ${caller.fleet}, this controller looks after ${rule.fleet}`,
    );
  if (caller.expiresAt <= rule.now)
    throw new LeafwardError(
      'unauthenticated',
      `the certificate of the ${caller.kind} ${caller.name} has expired; connect again with a renewed one`,
      { retry: 'now' },
    );
  if (!rule.kinds.includes(caller.kind))
    throw new LeafwardError(
      'denied',
      `the ${caller.kind} ${caller.name} calls what is for ${rule.kinds.join(' or ')} only`,
    );
  return caller;
}
