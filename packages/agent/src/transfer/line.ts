// One end of a transfer: a stream to the controller of its own, so that no report waits behind a backup. What cannot be
// written yet is waited for, so that never more than some pieces are in memory.
import type {
  TransferRequest,
  TransferResponse,
  TransferService,
} from '@leafward/shared/gen/domain.js';
import { TransferService as transferService } from '@leafward/shared/gen/leafward/v1/transfer_pb.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { IdentityKeeper } from '@leafward/shared/pki/identity-keeper.js';
import { FreshChannelCredentials } from '@leafward/shared/rpc/credentials.js';
import { channelOptions } from '@leafward/shared/rpc/options.js';
import { createClient, type ServiceClient } from '@leafward/shared/rpc/service.js';
import { errorFromStatus } from '@leafward/shared/rpc/status.js';
import type { ChannelOptions, ServiceError } from '@grpc/grpc-js';

export interface TransferLine {
  /** Resolves when it is on its way, and its bytes are free again. @throws LeafwardError when the stream has ended. */
  send(message: TransferRequest): Promise<void>;
  /** The next word of the other end. @throws LeafwardError when the stream has ended. */
  next(): Promise<TransferResponse>;
  /** What the other end has said and nobody has asked for yet. */
  pending(): TransferResponse | undefined;
  /** After the last word: waits until the controller has it. Never throws. */
  finish(): Promise<void>;
  close(): void;
}

export type OpenTransferLine = (signal: AbortSignal) => TransferLine;

/** What may be on its way to this end and not read yet: a line with a long way must not stand still for each piece. */
const transferOptions: ChannelOptions = {
  ...channelOptions,
  'grpc-node.flow_control_window': 1024 * 1024,
};
/** Words that wait to be asked for; then the other end is held back. */
const MOST_WAITING = 4;
const FINISH_MS = 10_000;

export function transferLines(identity: IdentityKeeper): OpenTransferLine {
  const credentials = new FreshChannelCredentials(identity.material);
  return (signal) => {
    const { address } = identity.current();
    const client = createClient<TransferService>(
      transferService,
      address,
      credentials,
      transferOptions,
    );
    return new StreamLine(client, `the transfer through ${address}`, signal);
  };
}

class StreamLine implements TransferLine {
  readonly #stream: ReturnType<ServiceClient<TransferService>['transfer']>;
  readonly #waiting: TransferResponse[] = [];
  readonly #wakes = new Set<() => void>();
  #ended: LeafwardError | undefined;

  constructor(
    readonly client: ServiceClient<TransferService>,
    readonly what: string,
    readonly signal: AbortSignal,
  ) {
    this.#stream = client.transfer();
    this.#stream.on('data', (message: TransferResponse) => {
      this.#waiting.push(message);
      if (this.#waiting.length >= MOST_WAITING) this.#stream.pause();
      this.#wake();
    });
    this.#stream.on('error', (error: ServiceError) =>
      this.#end(brokenOr(errorFromStatus(error, what))),
    );
    this.#stream.on('end', () => this.#end(new LeafwardError('unavailable', `${what} has ended`)));
    signal.addEventListener('abort', this.#onAbort, { once: true });
    if (signal.aborted) this.#onAbort();
  }

  async send(message: TransferRequest): Promise<void> {
    this.#requireOpen();
    let isSent = false;
    this.#stream.write(message, () => {
      isSent = true;
      this.#wake();
    });
    while (!isSent) {
      this.#requireOpen();
      await this.#untilWoken();
    }
  }

  async next(): Promise<TransferResponse> {
    while (this.#waiting.length === 0 && this.#ended === undefined) await this.#untilWoken();
    const message = this.#waiting.shift();
    if (this.#waiting.length < MOST_WAITING) this.#stream.resume();
    if (message !== undefined) return message;
    throw this.#ended ?? new LeafwardError('unavailable', `${this.what} has ended`);
  }

  pending(): TransferResponse | undefined {
    return this.#waiting[0];
  }

  async finish(): Promise<void> {
    this.#stream.end();
    const late = setTimeout(
      () => this.#end(new LeafwardError('timeout', `${this.what}: no end of it`)),
      FINISH_MS,
    );
    while (this.#ended === undefined) {
      this.#waiting.length = 0;
      this.#stream.resume();
      await this.#untilWoken();
    }
    clearTimeout(late);
  }

  close(): void {
    this.signal.removeEventListener('abort', this.#onAbort);
    this.#end(new LeafwardError('aborted', `${this.what}: closed`));
    this.#stream.cancel();
    this.client.close();
  }

  readonly #onAbort = (): void => {
    this.#end(new LeafwardError('aborted', `${this.what}: stopped by the caller`));
    this.#stream.cancel();
  };

  #requireOpen(): void {
    if (this.#ended !== undefined) throw this.#ended;
  }

  /** The first word about it counts. */
  #end(error: LeafwardError): void {
    this.#ended ??= error;
    this.#wake();
  }

  #wake(): void {
    for (const one of [...this.#wakes]) one();
  }

  #untilWoken(): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        this.#wakes.delete(go);
        resolve();
      };
      this.#wakes.add(go);
    });
  }
}

/** However a line breaks, a killed controller has many words for it; what the controller refuses stays refused. */
function brokenOr(error: LeafwardError): LeafwardError {
  if (error.code === 'denied' || error.code === 'invalid') return error;
  return new LeafwardError('unavailable', error.text, { retry: 'later', cause: error });
}
