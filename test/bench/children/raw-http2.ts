// The raw limit: Node's http2 over mutual TLS, with as much of gRPC's framing as its clients need. Reads where a
// message ends and answers with bytes made before; decodes nothing, keeps nothing.
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from 'node:http2';
import { serveParent } from '../child.js';
import { createMeter } from './meter.js';

interface RawOptions {
  readonly port: number;
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly caPem: string;
  /** What the first message of a stream and every later one is answered with. */
  readonly welcome: Uint8Array;
  readonly answer: Uint8Array;
}

const PREFIX_BYTES = 5; // gRPC: a flag and a length of four bytes
const meter = createMeter();
let server: Http2SecureServer | undefined;

function framed(body: Uint8Array): Buffer {
  const frame = Buffer.alloc(PREFIX_BYTES + body.length);
  frame.writeUInt32BE(body.length, 1);
  frame.set(body, PREFIX_BYTES);
  return frame;
}

function serve(stream: ServerHttp2Stream, welcome: Buffer, answer: Buffer): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
  let pending: Buffer = Buffer.alloc(0);
  let isFirst = true;
  stream.on('error', () => stream.destroy());
  stream.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    while (pending.length >= PREFIX_BYTES) {
      const end = PREFIX_BYTES + pending.readUInt32BE(1);
      if (pending.length < end) return;
      pending = pending.subarray(end);
      stream.write(isFirst ? welcome : answer);
      isFirst = false;
    }
  });
}

serveParent(
  {
    start: async (options: RawOptions) => {
      const made = createSecureServer({
        key: options.keyPem,
        cert: options.certificatePem,
        ca: options.caPem,
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: 'TLSv1.3',
      });
      server = made;
      const [welcome, answer] = [framed(options.welcome), framed(options.answer)];
      made.on('stream', (stream) => serve(stream, welcome, answer));
      made.on('sessionError', () => undefined);
      await new Promise<void>((resolve) => made.listen(options.port, '127.0.0.1', resolve));
    },
    figures: (messages: number) => meter.figures(messages),
    takeLoopDelay: () => meter.takeLoopDelay(),
  },
  () => void server?.close(),
);
