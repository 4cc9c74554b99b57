// The plain listener for /metrics, /healthz and /sd. Reads only; must never hold the loop up nor queue scrapes without
// end.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { TargetGroup } from './discovery.js';

export interface Health {
  readonly healthy: boolean;
  /** A sentence each; what is wrong, or what was looked at. */
  readonly lines: readonly string[];
}

export interface MetricsServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** The text in pieces: `() => metrics.collectSnapshot(snapshot())`. */
  readonly collect: () => AsyncIterable<string>;
  readonly health: () => Health;
  /** Where the members' own metrics are, as Prometheus's HTTP service discovery wants it. */
  readonly discover: () => readonly TargetGroup[];
  readonly onError?: (error: unknown) => void;
}

export interface MetricsServer {
  readonly port: number;
  /** Ends open scrapes too. */
  close(): Promise<void>;
}

const MOST_SCRAPES = 4; // at once; two Prometheus servers and a person
const REQUEST_TIMEOUT_MS = 10_000; // Prometheus gives up after the same time by default
const MOST_CONNECTIONS = 64;
const TEXT = 'text/plain; version=0.0.4; charset=utf-8';

/** @throws LeafwardError `unavailable` when the address cannot be bound. */
export async function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  let scrapes = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? '/').split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return end(response, 405, 'only GET\n');
    if (path === '/healthz') return endHealth(response, options.health());
    if (path === '/sd') return endJson(response, options.discover());
    if (path !== '/metrics') return end(response, 404, '/metrics, /healthz and /sd are here\n');
    if (scrapes >= MOST_SCRAPES) return end(response, 503, 'too many scrapes at once\n');
    scrapes += 1;
    try {
      await stream(response, options.collect());
    } finally {
      scrapes -= 1;
    }
  };
  const server = createServer((request, response) => {
    response.setTimeout(REQUEST_TIMEOUT_MS, () => response.destroy());
    answer(request, response).catch((error: unknown) => {
      options.onError?.(error);
      if (response.headersSent)
        response.destroy(); // a cut text is better than half of one
      else end(response, 500, 'the metrics could not be written; the log says why\n');
    });
  });
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  server.maxConnections = MOST_CONNECTIONS;
  await listen(server, options);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    close: () => close(server),
  };
}

async function stream(response: ServerResponse, pieces: AsyncIterable<string>): Promise<void> {
  response.writeHead(200, { 'content-type': TEXT });
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  for await (const piece of pieces) {
    if (gone.signal.aborted) return;
    if (piece === '' || response.write(piece)) continue;
    await once(response, 'drain', { signal: gone.signal }).catch(() => undefined);
  }
  response.end();
}

function endHealth(response: ServerResponse, { healthy, lines }: Health): void {
  end(response, healthy ? 200 : 503, [healthy ? 'ok' : 'not healthy', ...lines, ''].join('\n'));
}

function endJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(text);
}

async function listen(server: Server, { host, port }: MetricsServerOptions): Promise<void> {
  server.listen({ host, port });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new LeafwardError(
      'unavailable',
      `serve /metrics on ${host}:${port}: ${messageOf(error)}; is another program there? Choose another port in the configuration`,
      { cause: error },
    );
  }
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
