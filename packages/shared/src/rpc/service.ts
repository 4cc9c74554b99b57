// Puts a protobuf-es service onto grpc-js: domain data in, domain data out, bytes on the wire. Owns no policy:
// deadlines, identity and authorization are the caller's.
import type { DescMessage, DescMethod, DescService } from '@bufbuild/protobuf';
import {
  Client,
  status,
  type ChannelCredentials,
  type ChannelOptions,
  type ClientDuplexStream,
  type MethodDefinition,
  type ServerDuplexStream,
  type ServiceDefinition,
  type ServiceError,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { assert } from '../assert.js';
import { LeafwardError } from '../errors.js';
import { errorFromStatus, statusFromError } from './status.js';
import { wireDecoderOf } from './wire-decoder.js';
import { wireEncoderOf } from './wire-encoder.js';

interface MethodShape {
  readonly kind: string;
  readonly request: unknown;
  readonly response: unknown;
}
/** What a generated service interface of gen/domain.ts looks like. */
export type ServiceShape<S> = { readonly [M in keyof S]: MethodShape };

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now; every unary call has one. */
  readonly deadlineMs?: number;
}

/** A typed client: unary calls are promises, server streams are async iterables, bidi calls are streams. */
export type ServiceClient<S extends ServiceShape<S>> = {
  readonly [M in keyof S]: S[M]['kind'] extends 'unary'
    ? (request: S[M]['request'], options?: CallOptions) => Promise<S[M]['response']>
    : S[M]['kind'] extends 'server-stream'
      ? (request: S[M]['request'], options?: CallOptions) => AsyncIterable<S[M]['response']>
      : () => ClientDuplexStream<S[M]['request'], S[M]['response']>;
} & { readonly close: () => void };

/** Handlers of a server; what `caller` is, is decided by the `identify` given to implementService. */
export type ServiceHandlers<S extends ServiceShape<S>, Caller> = {
  readonly [M in keyof S]: S[M]['kind'] extends 'unary'
    ? (request: S[M]['request'], call: HandlerCall<Caller>) => Promise<S[M]['response']>
    : S[M]['kind'] extends 'server-stream'
      ? (request: S[M]['request'], call: HandlerCall<Caller>) => AsyncIterable<S[M]['response']>
      : (
          stream: ServerDuplexStream<S[M]['request'], S[M]['response']>,
          call: HandlerCall<Caller>,
        ) => void;
};

export interface HandlerCall<Caller> {
  readonly caller: Caller;
  readonly peer: string;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
}

/** Something that grpc-js hands to every handler; enough to learn who calls. */
export interface IncomingCall {
  getPeer(): string;
  getAuthContext(): { readonly sslPeerCertificate?: { readonly raw: Buffer } };
}
/** @throws LeafwardError `unauthenticated` or `denied`. */
export type Identify<Caller> = (call: IncomingCall, method: string) => Caller;

const DEFAULT_DEADLINE_MS = 30_000; // longer than any unary handler waits for an agent (15 s)

export function serviceDefinition(service: DescService): ServiceDefinition {
  return Object.fromEntries(
    service.methods.map((m) => [m.localName, methodDefinition(service, m)]),
  );
}

function methodDefinition(
  service: DescService,
  method: DescMethod,
): MethodDefinition<object, object> {
  return {
    path: `/${service.typeName}/${method.name}`,
    requestStream:
      method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream:
      method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: wireEncoderOf(method.input),
    requestDeserialize: deserializer(method.input),
    responseSerialize: wireEncoderOf(method.output),
    responseDeserialize: deserializer(method.output),
    originalName: method.localName,
  };
}

/** Of a thousand hosts' reports a controller keeps equal texts once; no secret is ever in one. */
const SAYS_THE_SAME = 'leafward.v1.SessionRequest';

function deserializer(desc: DescMessage): (bytes: Buffer) => object {
  return wireDecoderOf(desc, desc.typeName === SAYS_THE_SAME);
}

export function createClient<S extends ServiceShape<S>>(
  service: DescService,
  address: string,
  credentials: ChannelCredentials,
  options: ChannelOptions = {},
): ServiceClient<S> {
  const client = new Client(address, credentials, options);
  const methods = service.methods.map((method) => {
    const definition = methodDefinition(service, method);
    const what = `${method.name} at ${address}`;
    switch (method.methodKind) {
      case 'unary':
        return [method.localName, unaryCall(client, definition, what)] as const;
      case 'server_streaming':
        return [method.localName, streamingCall(client, definition, what)] as const;
      default:
        assert(method.methodKind === 'bidi_streaming', `${method.name}: no client streams here`);
        return [
          method.localName,
          () =>
            client.makeBidiStreamRequest(
              definition.path,
              definition.requestSerialize,
              definition.responseDeserialize,
            ),
        ] as const;
    }
  });
  return Object.fromEntries([...methods, ['close', () => client.close()]]) as ServiceClient<S>;
}

function unaryCall(client: Client, definition: MethodDefinition<object, object>, what: string) {
  return (request: object, options: CallOptions = {}): Promise<object> =>
    new Promise((resolve, reject) => {
      options.signal?.throwIfAborted();
      const call = client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        request,
        { deadline: Date.now() + (options.deadlineMs ?? DEFAULT_DEADLINE_MS) },
        (error: ServiceError | null, response?: object) => {
          options.signal?.removeEventListener('abort', onAbort);
          if (error === null && response !== undefined) resolve(response);
          else reject(errorFromStatus(error ?? undefined, what));
        },
      );
      const onAbort = (): void => call.cancel();
      options.signal?.addEventListener('abort', onAbort, { once: true });
    });
}

function streamingCall(client: Client, definition: MethodDefinition<object, object>, what: string) {
  return async function* (request: object, options: CallOptions = {}): AsyncIterable<object> {
    const call = client.makeServerStreamRequest(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize,
      request,
    );
    const onAbort = (): void => call.cancel();
    options.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      for await (const response of call) yield response as object;
    } catch (error) {
      if (options.signal?.aborted === true) return;
      throw errorFromStatus(error as ServiceError, what);
    } finally {
      options.signal?.removeEventListener('abort', onAbort);
      call.cancel();
    }
  };
}

/** What grpc-js wants from typed handlers; every error leaves as a status (see status.ts). */
export function implementService<S extends ServiceShape<S>, Caller>(
  service: DescService,
  identify: Identify<Caller>,
  handlers: ServiceHandlers<S, Caller>,
  onBug: (error: unknown, method: string) => void,
): UntypedServiceImplementation {
  const implementation: UntypedServiceImplementation = {};
  for (const method of service.methods) {
    const handler = handlers[method.localName as keyof S] as unknown as (
      input: unknown,
      call: HandlerCall<Caller>,
    ) => unknown;
    const report = (error: unknown): ServiceError => {
      if (!(error instanceof LeafwardError)) onBug(error, method.name);
      return statusFromError(error);
    };
    implementation[method.localName] =
      method.methodKind === 'unary'
        ? serveUnary(handler, identify, method.name, report)
        : serveStream(handler, identify, method, report);
  }
  return implementation;
}

/** A slow reader is waited for as long as it is there; nothing of the wait stays with a call that lives long. */
function untilDrained(call: AnyCall): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      call.off('drain', go);
      call.off('cancelled', go);
      resolve();
    };
    call.on('drain', go);
    call.on('cancelled', go);
  });
}

type AnyCall = IncomingCall & {
  readonly request: unknown;
  readonly cancelled: boolean;
  on(event: string, listener: () => void): unknown;
  write(data: unknown): boolean;
  off(event: string, listener: () => void): unknown;
  end(): void;
  destroy(error: Error): void;
  emit(event: string, error: unknown): boolean;
};
type AnyHandler<Caller> = (input: unknown, call: HandlerCall<Caller>) => unknown;

function handlerCall<Caller>(
  call: AnyCall,
  identify: Identify<Caller>,
  method: string,
): HandlerCall<Caller> {
  const abort = new AbortController();
  call.on('cancelled', () => abort.abort());
  return { caller: identify(call, method), peer: call.getPeer(), signal: abort.signal };
}

function serveUnary<Caller>(
  handler: AnyHandler<Caller>,
  identify: Identify<Caller>,
  method: string,
  report: (error: unknown) => ServiceError,
): UntypedServiceImplementation[string] {
  return ((call: AnyCall, callback: (error: ServiceError | null, value?: unknown) => void) => {
    void (async () => {
      try {
        callback(null, await handler(call.request, handlerCall(call, identify, method)));
      } catch (error) {
        callback(report(error));
      }
    })();
  }) as never;
}

function serveStream<Caller>(
  handler: AnyHandler<Caller>,
  identify: Identify<Caller>,
  method: DescMethod,
  report: (error: unknown) => ServiceError,
): UntypedServiceImplementation[string] {
  return ((call: AnyCall) => {
    void (async () => {
      try {
        const context = handlerCall(call, identify, method.name);
        if (method.methodKind === 'bidi_streaming') {
          handler(call, context);
          return;
        }
        for await (const item of handler(call.request, context) as AsyncIterable<unknown>) {
          if (call.cancelled) return;
          if (!call.write(item)) await untilDrained(call);
        }
        call.end();
      } catch (error) {
        if (!call.cancelled) call.emit('error', report(error));
      }
    })();
  }) as never;
}

export { status as grpcStatus };
