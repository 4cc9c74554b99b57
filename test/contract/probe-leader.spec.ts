// A witness's question to a leader: what counts as an answer, what as silence, and what as neither, since it could not
// be put. Against a stand-in cell that lives, hangs, dies, and against all that may listen in its place.
import { expect } from 'chai';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createSecureServer, type TlsOptions } from 'node:tls';
import { probeCell } from '@leafward/agent/engines/synapse/probe-leader.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { LeaderProbe } from '@leafward/shared/gen/domain.js';
import { createKey, publicKeyOf } from '@leafward/shared/pki/keys.js';
import { createCertificateAuthority, signCertificate } from '@leafward/shared/pki/certificate.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { startCell, untilAnswers, type CellProcess } from '../standin/cell-process.js';
import { readRecorded, RECORDED_VERSIONS } from './recorded.js';

/** Of a question that is answered, or refused, at once; a hundred times what that takes. */
const PATIENCE_MS = 10_000;
/** Of one that is not: as short as a busy machine allows. */
const SHORT_MS = 300;

const ask = (url: string, timeoutMs = PATIENCE_MS, signal?: AbortSignal): Promise<LeaderProbe> =>
  probeCell({ url, timeoutMs }, signal ?? new AbortController().signal);

async function errorOf(attempt: Promise<unknown>): Promise<LeafwardError> {
  const error: unknown = await attempt.then(
    () => new Error('it was answered'),
    (failure: unknown) => failure,
  );
  if (error instanceof LeafwardError) return error;
  throw error;
}

describe('a witness’s question to a cell', function () {
  this.timeout(60_000);
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers.splice(0)) server.close();
  });

  /** Something that listens on this machine; its port. */
  const listen = async (server: Server): Promise<number> => {
    servers.push(server);
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  /** A port where nobody listens any more. */
  const closedPort = async (): Promise<number> => {
    const server = createServer();
    const port = await listen(server);
    server.close();
    await once(server, 'close');
    return port;
  };

  describe('against a stand-in cell', () => {
    let root: string;
    let cell: CellProcess;
    let url: string;
    beforeEach(async () => {
      root = await mkdtemp(join(tmpdir(), 'lw-probe-'));
      const image = await buildCellImage({ version: '2.113.0', outDir: join(root, 'images') });
      const port = await closedPort();
      url = `tcp://127.0.0.1:${port}`;
      const storage = join(root, 'leader');
      cell = startCell({ image, storage, environment: { SYN_CELL_LISTEN: url } });
      await untilAnswers(cell);
    });
    afterEach(async () => {
      await cell.kill();
      await rm(root, { recursive: true, force: true });
    });

    it('is answered over TCP and over its socket', async () => {
      for (const one of [url, `${url}/*`, `unix://${cell.storage}/sock`]) {
        const { answered, said, tookMs } = await ask(one);
        expect(answered, said).to.equal(true);
        expect(said).to.match(/^Telepath: /);
        expect(tookMs).to.be.within(0, PATIENCE_MS);
        expect(Number.isInteger(tookMs)).to.equal(true);
      }
    });

    it('is not answered by one that is stopped, although its host accepts the connection', async () => {
      await cell.kill('SIGSTOP');
      for (const one of [url, `unix://${cell.storage}/sock`]) {
        const { answered, said } = await ask(one, SHORT_MS);
        expect(answered).to.equal(false);
        expect(said).to.include('said nothing in');
      }
      await cell.kill('SIGCONT');
      expect((await ask(url)).answered).to.equal(true);
    });

    it('is not answered by one that is dead, nor by one that ended in order', async () => {
      await cell.kill();
      expect((await ask(url)).said).to.include('ECONNREFUSED');
      expect((await ask(`unix://${cell.storage}/sock`)).answered).to.equal(false);
      await rm(join(cell.storage, 'sock'), { force: true });
      expect((await ask(`unix://${cell.storage}/sock`)).answered).to.equal(false);
    });
  });

  describe('against whatever may listen in its place', () => {
    it('takes a refusal for an answer: every hello that a real cell was recorded with', async () => {
      for (const version of RECORDED_VERSIONS)
        for (const { call, label, received } of readRecorded(version)) {
          if (call[0] !== 'tele:syn') continue;
          const port = await listen(
            createServer((socket) => socket.once('data', () => socket.write(received))),
          );
          const { answered, said } = await ask(`tcp://127.0.0.1:${port}`);
          expect(answered, `${version} ${label}: ${said}`).to.equal(true);
        }
    });

    it('takes half a word for an answer, and none for none', async () => {
      const half = await listen(
        createServer((socket) => socket.write(Buffer.from([0x92, 0xa8, 0x74]))),
      );
      expect((await ask(`tcp://127.0.0.1:${half}`, SHORT_MS)).answered).to.equal(true);
      const closes = await listen(createServer((socket) => socket.destroy()));
      expect((await ask(`tcp://127.0.0.1:${closes}`)).answered).to.equal(false);
    });

    it('knows nothing where something else listens', async () => {
      const port = await listen(createServer((socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n')));
      for (const scheme of ['tcp', 'ssl']) {
        const { code, text } = await errorOf(ask(`${scheme}://127.0.0.1:${port}`));
        expect(code).to.equal('unavailable');
        expect(text).to.include('does not speak').and.to.include('says nothing of whether');
      }
    });

    it('finds the one of a name’s addresses that answers', async () => {
      const [first] = readRecorded('2.113.0').filter(({ call }) => call[0] === 'tele:syn');
      const port = await listen(
        createServer((socket) => socket.write(first?.received ?? new Uint8Array())),
      );
      expect((await ask(`tcp://localhost:${port}`)).answered).to.equal(true);
    });
  });

  describe('over TLS', () => {
    let options: TlsOptions;
    before(async () => {
      const now = Date.now();
      const ca = await createCertificateAuthority('probe', now);
      const key = await createKey();
      const identity = { kind: 'controller', name: 'leader', fleet: 'probe' } as const;
      const publicKey = publicKeyOf(key);
      const cert = signCertificate(ca, { identity, publicKey, now, lifetimeMs: 3_600_000 });
      options = { key, cert, ca: ca.certificatePem };
    });
    const listenSecurely = (more: TlsOptions = {}): Promise<number> =>
      listen(createSecureServer({ ...options, ...more }).on('tlsClientError', () => undefined));

    it('is answered by a handshake, whoever signed the certificate', async () => {
      const port = await listenSecurely();
      for (const host of ['127.0.0.1', 'localhost']) {
        const { answered, said } = await ask(`ssl://${host}:${port}?ca=loop`);
        expect(answered, said).to.equal(true);
      }
    });

    it('is answered by one that lets nobody in without a certificate, or without its version', async () => {
      const wantsOne = { requestCert: true, rejectUnauthorized: true };
      const strict = await listenSecurely({ ...wantsOne, maxVersion: 'TLSv1.2' });
      expect((await ask(`ssl://127.0.0.1:${strict}`)).answered).to.equal(true);
      const noCipher = await listenSecurely({ ciphers: 'PSK', maxVersion: 'TLSv1.2' });
      expect((await ask(`ssl://127.0.0.1:${noCipher}`)).answered).to.equal(true);
    });

    it('is not answered by a port that only accepts, as that of a stopped program does', async () => {
      const port = await listen(createServer());
      const { answered, said } = await ask(`ssl://127.0.0.1:${port}`, SHORT_MS);
      expect(answered).to.equal(false);
      expect(said).to.include(`ssl://127.0.0.1:${port} said nothing`);
      expect((await ask(`ssl://127.0.0.1:${await closedPort()}`)).answered).to.equal(false);
    });
  });

  describe('that cannot be put', () => {
    it('names the schemes that can be asked', async () => {
      for (const url of ['aha://cortex...', 'https://10.0.0.1/', 'cortex', '']) {
        const { code, text } = await errorOf(ask(url));
        expect(code, url).to.equal('invalid');
        expect(text).to.include('ssl://HOST:PORT');
      }
    });

    it('is no silence where the name is not known, or its storage is on another machine', async () => {
      for (const url of [
        'tcp://leader.invalid:27492',
        `unix://${join(tmpdir(), 'lw-no-such-storage', 'sock')}`,
      ]) {
        const { code, text } = await errorOf(ask(url));
        expect(code, url).to.equal('unavailable');
        expect(text).to.include('says nothing of whether it answers');
      }
    });

    it('is broken off by its caller, and shows no password', async () => {
      const port = await listen(createServer());
      const caller = new AbortController();
      const asked = errorOf(ask(`tcp://root:hunter2@127.0.0.1:${port}`, 60_000, caller.signal));
      caller.abort();
      const { code, text } = await asked;
      expect(code).to.equal('aborted');
      expect(text).not.to.include('hunter2');
    });
  });
});
