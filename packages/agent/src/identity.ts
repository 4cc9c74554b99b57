// The agent's identity: enrols once, is kept in the state directory, renews itself while the agent runs.
import type { Clock } from '@leafward/shared/clock.js';
import type { AgentService } from '@leafward/shared/gen/domain.js';
import { AgentService as agentService } from '@leafward/shared/gen/leafward/v1/agent_pb.js';
import type { Logger } from '@leafward/shared/log.js';
import { enrollClient } from '@leafward/shared/pki/enroll-client.js';
import { saveIdentity, type StoredIdentity } from '@leafward/shared/pki/identity-directory.js';
import { openIdentity, type IdentityKeeper } from '@leafward/shared/pki/identity-keeper.js';
import { startRenewal, type Renewal, type RenewOnline } from '@leafward/shared/pki/renewal.js';
import { FreshChannelCredentials } from '@leafward/shared/rpc/credentials.js';
import { channelOptions } from '@leafward/shared/rpc/options.js';
import { createClient } from '@leafward/shared/rpc/service.js';

export type { IdentityKeeper } from '@leafward/shared/pki/identity-keeper.js';

const CALL_TIMEOUT_MS = 20_000; // a signature and a commit, on a slow disk

/**
 * Spends a one-time URL; the identity is on disk when it returns. What was there before is replaced.
 * @throws LeafwardError with the reason; then nothing was written.
 */
export async function enrollAgent(
  stateDir: string,
  url: string,
  options: { readonly name?: string | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<StoredIdentity> {
  const identity = await enrollClient(url, { kind: 'agent', ...options });
  await saveIdentity(stateDir, identity);
  return identity;
}

/** @throws LeafwardError `unauthenticated` when this host was never enrolled. */
export function openAgentIdentity(stateDir: string): Promise<IdentityKeeper> {
  return openIdentity(stateDir);
}

/** Renews at a third of the life left, and at once when it has expired. */
export function startAgentRenewal(
  keeper: IdentityKeeper,
  options: { readonly clock: Clock; readonly log: Logger; readonly random?: () => number },
): Renewal {
  return startRenewal({ keeper, renewOnline: renewOnline(keeper), ...options });
}

/** On a connection of its own: the session's may still show the certificate before last. */
function renewOnline(keeper: IdentityKeeper): RenewOnline {
  return async (csrPem, signal) => {
    const client = createClient<AgentService>(
      agentService,
      keeper.current().address,
      new FreshChannelCredentials(keeper.material),
      channelOptions,
    );
    try {
      return await client.renewCertificate({ csrPem }, { signal, deadlineMs: CALL_TIMEOUT_MS });
    } finally {
      client.close();
    }
  };
}
