// The stream to the controller that one wish for lines is answered on: its own, so that no report waits behind it.
import type { LogsRequest, LogsService } from '@leafward/shared/gen/domain.js';
import { LogsService as logsService } from '@leafward/shared/gen/leafward/v1/logs_pb.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { IdentityKeeper } from '@leafward/shared/pki/identity-keeper.js';
import { FreshChannelCredentials } from '@leafward/shared/rpc/credentials.js';
import { channelOptions } from '@leafward/shared/rpc/options.js';
import { createClient } from '@leafward/shared/rpc/service.js';
import { errorFromStatus } from '@leafward/shared/rpc/status.js';
import type { ServiceError } from '@grpc/grpc-js';

export interface LogsStream {
  /** Fires when the stream is over, from whichever end. */
  readonly ended: AbortSignal;
  /** Resolves when the controller takes more. @throws LeafwardError when the stream is over. */
  send(message: LogsRequest): Promise<void>;
  /** After the last word. */
  finish(): void;
  close(): void;
}

export type OpenLogsStream = () => LogsStream;

export function logsStreams(identity: IdentityKeeper): OpenLogsStream {
  const credentials = new FreshChannelCredentials(identity.material);
  return () => {
    const { address } = identity.current();
    const client = createClient<LogsService>(logsService, address, credentials, channelOptions);
    const stream = client.logs();
    const over = new AbortController();
    const end = (error: LeafwardError): void => {
      if (!over.signal.aborted) over.abort(error);
      client.close();
    };
    stream.on('data', () => undefined); // nothing is ever said, but an end must be seen
    stream.on('end', () =>
      end(new LeafwardError('unavailable', 'nobody wants the lines any more')),
    );
    stream.on('error', (error: ServiceError) =>
      end(errorFromStatus(error, `lines of logs to ${address}`)),
    );
    return {
      ended: over.signal,
      send: (message) =>
        new Promise((resolve, reject) => {
          const fail = (): void => reject(over.signal.reason as LeafwardError);
          if (over.signal.aborted) return fail();
          over.signal.addEventListener('abort', fail, { once: true });
          stream.write(message, () => {
            over.signal.removeEventListener('abort', fail);
            resolve();
          });
        }),
      finish: () => stream.end(),
      close: () => {
        stream.cancel();
        end(new LeafwardError('aborted', 'closed'));
      },
    };
  };
}
