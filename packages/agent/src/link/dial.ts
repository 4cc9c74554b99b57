// One connection to the controller with its one stream, closed together. Never tries twice.
import type { AgentService, SessionRequest, SessionResponse } from '@leafward/shared/gen/domain.js';
import { AgentService as agentService } from '@leafward/shared/gen/leafward/v1/agent_pb.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { IdentityKeeper } from '@leafward/shared/pki/identity-keeper.js';
import { FreshChannelCredentials } from '@leafward/shared/rpc/credentials.js';
import { channelOptions } from '@leafward/shared/rpc/options.js';
import { createClient } from '@leafward/shared/rpc/service.js';
import { errorFromStatus } from '@leafward/shared/rpc/status.js';
import type { ServiceError } from '@grpc/grpc-js';

export interface DialEvents {
  readonly onMessage: (message: SessionResponse) => void;
  /** Once, unless it was closed from here. */
  readonly onEnd: (error: Error) => void;
}
export interface Dialled {
  /** False: the other side is slower; write again after `onDrain`. */
  write(message: SessionRequest): boolean;
  onDrain(listener: () => void): void;
  close(): void;
}

/** One for each identity, so that the next dial can resume the TLS session of the last. */
const credentialsOf = new WeakMap<IdentityKeeper, FreshChannelCredentials>();

/** Errors come through `onEnd`, a message too large or malformed among them. */
export function dial(identity: IdentityKeeper, events: DialEvents): Dialled {
  const credentials = credentialsOf.get(identity) ?? new FreshChannelCredentials(identity.material);
  credentialsOf.set(identity, credentials);
  const { address } = identity.current();
  const client = createClient<AgentService>(agentService, address, credentials, channelOptions);
  const stream = client.session();
  let isOpen = true;
  const end = (error: Error): void => {
    if (!isOpen) return;
    isOpen = false;
    events.onEnd(error);
  };
  stream.on('data', (message: SessionResponse) => {
    if (isOpen) events.onMessage(message);
  });
  stream.on('error', (error: ServiceError) =>
    end(errorFromStatus(error, `the session with ${address}`)),
  );
  stream.on('end', () =>
    end(new LeafwardError('unavailable', `the controller at ${address} ended the session`)),
  );
  return {
    write: (message) => !isOpen || stream.write(message),
    onDrain: (listener) => void stream.on('drain', listener),
    close: () => {
      isOpen = false;
      stream.cancel();
      client.close();
    },
  };
}
