// The operator's identity: a directory of the operator's own, renewed when a command runs and it is due.
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { ChannelCredentials } from '@grpc/grpc-js';
import type { Clock } from '@leafward/shared/clock.js';
import { messageOf } from '@leafward/shared/errors.js';
import type { OperatorService } from '@leafward/shared/gen/domain.js';
import { OperatorService as operatorService } from '@leafward/shared/gen/leafward/v1/operator_pb.js';
import { enrollClient } from '@leafward/shared/pki/enroll-client.js';
import { saveIdentity, type StoredIdentity } from '@leafward/shared/pki/identity-directory.js';
import { openIdentity, type IdentityKeeper } from '@leafward/shared/pki/identity-keeper.js';
import { renewAt, renewNow } from '@leafward/shared/pki/renewal.js';
import { FreshChannelCredentials } from '@leafward/shared/rpc/credentials.js';
import { channelOptions } from '@leafward/shared/rpc/options.js';
import { createClient, type ServiceClient } from '@leafward/shared/rpc/service.js';

const RENEWAL_TIMEOUT_MS = 5000; // someone waits for another command

type Environment = Readonly<Record<string, string | undefined>>;

/** $LEAFWARD_HOME, else ~/.config/leafward (or below $XDG_CONFIG_HOME). */
export function operatorDirectory(environment: Environment): string {
  const home = environment['LEAFWARD_HOME'];
  if (home !== undefined && home !== '') return resolve(home);
  const config = environment['XDG_CONFIG_HOME'];
  // The specification has relative paths ignored.
  const base = config !== undefined && isAbsolute(config) ? config : join(homedir(), '.config');
  return join(base, 'leafward');
}

/** Spends a one-time URL; the identity is on disk when it returns. */
export async function enrollOperator(
  directory: string,
  url: string,
  signal?: AbortSignal,
): Promise<StoredIdentity> {
  const identity = await enrollClient(url, { kind: 'user', signal });
  await saveIdentity(directory, identity);
  return identity;
}

/** For createClient: the newest certificate at each connect. */
export function operatorCredentials(keeper: IdentityKeeper): ChannelCredentials {
  return new FreshChannelCredentials(keeper.material);
}

/** A client of the controller that this operator is enrolled with; close it. */
export function connectOperator(keeper: IdentityKeeper): ServiceClient<OperatorService> {
  const credentials = operatorCredentials(keeper);
  const { address } = keeper.current();
  return createClient<OperatorService>(operatorService, address, credentials, channelOptions);
}

/**
 * The operator's identity, renewed first when that is due. A renewal that fails while the certificate still lives
 * is told to `warn` and does not stop the command.
 * @throws LeafwardError `unauthenticated` when nobody is enrolled there; the renewal's own when it has expired.
 */
export async function openOperatorIdentity(
  directory: string,
  options: {
    readonly clock: Clock;
    readonly warn: (line: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<IdentityKeeper> {
  const { clock, signal } = options;
  const keeper = await openIdentity(directory);
  if (clock.now() < renewAt(keeper.certificate())) return keeper;
  const hasExpired = keeper.certificate().expiresAt <= clock.now();
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(RENEWAL_TIMEOUT_MS)]);
    await renewNow(
      keeper,
      (csrPem, until) => renewOnline(keeper, csrPem, until),
      clock.now(),
      limit,
    );
  } catch (error) {
    if (hasExpired || signal.aborted) throw error;
    options.warn(`your certificate was not renewed: ${messageOf(error)}`);
  }
  return keeper;
}

async function renewOnline(keeper: IdentityKeeper, csrPem: string, signal: AbortSignal) {
  const client = connectOperator(keeper);
  try {
    return await client.renewCertificate({ csrPem }, { signal });
  } finally {
    client.close();
  }
}
