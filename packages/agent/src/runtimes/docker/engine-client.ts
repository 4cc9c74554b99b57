// One call to a Docker Engine: its own deadline, the caller's signal, an error of ours. The Engine may hang at
// any byte; nothing here waits for it longer than it says. Must never log or keep a request's body (I14).
import { Agent, IncomingMessage } from 'node:http';
import type Dockerode from 'dockerode';
import { LeafwardError } from '@leafward/shared/errors.js';
import { engineError } from './engine-error.js';

export interface EngineCall {
  /** What is tried on what, for the error. */
  readonly doing: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below the Engine's root, no query: /containers/json */
  readonly path: string;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: object;
  /** Instead of a body: an archive. */
  readonly file?: Buffer;
  readonly deadlineMs: number;
  /** Who is likely to blame for a silence, when it is not the Engine itself. */
  readonly waitsFor?: string;
  readonly signal: AbortSignal;
}

export interface EngineClient {
  readonly socketPath: string;
  /** The answer's JSON as `T`, whose shape is the Engine API's. @throws LeafwardError */
  ask<T>(call: EngineCall): Promise<T>;
  /**
   * The answer's body as a stream; the deadline is for its beginning only. Abort the signal to end it, and
   * listen to its `error`. @throws LeafwardError
   */
  open(call: EngineCall): Promise<IncomingMessage>;
}

/** 304: it already is as asked. */
const accepted = { 200: true, 201: true, 204: true, 304: true };

/** The environment's DOCKER_HOST is for people's shells: only the configured socket counts. */
export function connectEngine(socketPath: string): EngineClient {
  const options = {
    socketPath,
    host: undefined,
    protocol: 'http' as const,
    key: undefined,
    cert: undefined,
    ca: undefined,
    // A connection per call (0.1 ms): a kept one would turn an Engine's restart into a failed call.
    agent: new Agent({ keepAlive: false }),
  };
  // Loaded with the first call: a host without Docker keeps its memory.
  let docker: Promise<Dockerode> | undefined;
  const dial = async (
    call: EngineCall,
    isStream: boolean,
    signal: AbortSignal,
  ): Promise<unknown> => {
    const modem = (await (docker ??= load(options))).modem as Dialer;
    return new Promise((resolve, reject) => {
      modem.dial(
        {
          path: `${call.path}?`,
          method: call.method,
          options: { _query: call.query ?? {}, _body: call.body ?? {} },
          isStream,
          ...(call.file === undefined ? {} : { file: call.file }),
          statusCodes: accepted,
          abortSignal: signal,
        },
        (error, result) => {
          if (error === null || error === undefined) resolve(result);
          else reject(error);
        },
      );
    });
  };
  return {
    socketPath,
    ask: async <T>(call: EngineCall) =>
      (await withDeadline(call, socketPath, (signal) => dial(call, false, signal))) as T,
    open: async (call) =>
      (await withDeadline(call, socketPath, (signal) =>
        dial(call, true, signal),
      )) as IncomingMessage,
  };
}

async function load(options: Dockerode.DockerOptions): Promise<Dockerode> {
  return new (await import('dockerode')).default(options);
}

interface Dialer {
  dial(options: object, callback: (error: Error | null | undefined, result: unknown) => void): void;
}

/**
 * Settles by the deadline whatever the client library does: it never calls back when an answer breaks off in
 * its middle. A stream is ended by the caller's signal for as long as it is open.
 */
function withDeadline(
  call: EngineCall,
  socketPath: string,
  dial: (signal: AbortSignal) => Promise<unknown>,
): Promise<unknown> {
  const { doing, deadlineMs, signal } = call;
  return new Promise((resolve, reject) => {
    const connection = new AbortController();
    const giveUp = (code: 'aborted' | 'timeout', text: string): void => {
      clearTimeout(timer);
      forget();
      reject(new LeafwardError(code, text, { retry: 'later' }));
      connection.abort();
    };
    const onAbort = (): void => giveUp('aborted', `${doing}: aborted`);
    const forget = (): void => signal.removeEventListener('abort', onAbort);
    const timer = setTimeout(() => giveUp('timeout', timeoutText(call, socketPath)), deadlineMs);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    dial(connection.signal).then(
      (result) => {
        clearTimeout(timer);
        if (result instanceof IncomingMessage) result.once('close', forget);
        else forget();
        resolve(result);
      },
      (error: unknown) => {
        clearTimeout(timer);
        forget();
        reject(engineError(doing, socketPath, error));
      },
    );
  });
}

function timeoutText({ doing, deadlineMs, waitsFor }: EngineCall, socketPath: string): string {
  const whom = waitsFor === undefined ? '' : `, waiting for ${waitsFor}`;
  return `${doing}: the Docker Engine at ${socketPath} gave no answer in ${deadlineMs / 1000} s${whom}`;
}
