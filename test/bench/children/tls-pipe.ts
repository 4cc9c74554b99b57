// The raw limit of what goes from one process to another over mutual TLS on loopback: one end pours, the other throws
// it away. Decodes nothing, writes nothing.
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { serveParent } from '../child.js';

interface Material {
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly caPem: string;
}

const CHUNK_BYTES = 256 * 1024;
let server: Server | undefined;

const optionsOf = ({ keyPem, certificatePem, caPem }: Material) => ({
  key: keyPem,
  cert: certificatePem,
  ca: caPem,
  minVersion: 'TLSv1.3' as const,
});

serveParent(
  {
    /** Says `done` when the other end has ended. */
    listen: async (input: Material & { readonly port: number }) => {
      const made = createServer(
        { ...optionsOf(input), requestCert: true, rejectUnauthorized: true },
        (socket) => {
          socket.resume();
          socket.on('error', () => socket.destroy());
          socket.on('end', () => socket.end('done'));
        },
      );
      server = made;
      await new Promise<void>((resolve) => made.listen(input.port, '127.0.0.1', resolve));
    },
    /** Milliseconds from the first byte until the other end has read the last. */
    pour: (input: Material & { readonly port: number; readonly bytes: number }) =>
      new Promise<number>((resolve, reject) => {
        const socket = connect(
          {
            ...optionsOf(input),
            port: input.port,
            host: '127.0.0.1',
            servername: 'localhost',
            checkServerIdentity: () => undefined,
          },
          () => {
            const began = performance.now();
            socket.on('data', () => resolve(performance.now() - began));
            pour(socket, input.bytes).catch(reject);
          },
        );
        socket.on('error', reject);
      }),
  },
  () => void server?.close(),
);

async function pour(socket: TLSSocket, bytes: number): Promise<void> {
  const chunk = Buffer.alloc(CHUNK_BYTES, 'x');
  for (let sent = 0; sent < bytes; sent += CHUNK_BYTES)
    if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve));
  socket.end();
}
