// The stand-in cell against the recorded exchanges: the same calls, the same shapes, the same error names.
// Left out are the services that it does not stand for (AHA's registry, axon, jsonstor).
import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from '@leafward/agent/engines/synapse/telepath/decode.js';
import { createMessageReader } from '@leafward/agent/engines/synapse/telepath/message-reader.js';
import { listOf, mapOf, type Value } from '@leafward/agent/engines/synapse/telepath/value.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { startCell, untilAnswers, type CellProcess } from '../standin/cell-process.js';
import { connectCell } from '../standin/client.js';
import { pack, type Packable } from '../standin/pack.js';
import { eventually } from '../conformance/runtime.js';
import { openRawLink } from './raw-link.js';
import { RECORDED_VERSIONS, readRecorded, type Exchange } from './recorded.js';
import { differences } from './shape.js';

/** Member of the recorded tree, and the one it mirrors. */
const TREE = [
  ['00.cortex', undefined],
  ['01.cortex', '00.cortex'],
  ['02.cortex', '01.cortex'],
] as const;
const ENTRIES = 8;

for (const version of RECORDED_VERSIONS) {
  describe(`stand-in cell against recorded ${version}`, () => {
    const cells = new Map<string, CellProcess>();
    let root: string;
    const storageOf = (name: string): string => join(root, name);

    before(async () => {
      root = await mkdtemp(join(tmpdir(), 'lw-contract-'));
      const image = await buildCellImage({ version, outDir: join(root, 'images') });
      const ports = new Map<string, number>();
      for (const [name, upstream] of TREE) {
        ports.set(name, await freePort());
        const cell = startCell({
          image,
          storage: storageOf(name),
          environment: {
            SYN_CELL_NAME: `${name}.loop.test`,
            SYN_CELL_MIRROR_URLS: 'aha://01.cortex.loop.test,aha://02.cortex.loop.test',
            SYN_CELL_LISTEN: `tcp://127.0.0.1:${ports.get(name)}`,
            ...(upstream === undefined
              ? {}
              : { SYN_CELL_MIRROR: `tcp://127.0.0.1:${ports.get(upstream)}` }),
          },
        });
        cells.set(name, cell);
        await untilAnswers(cell);
      }
      const writer = await connectCell({ url: storageOf('00.cortex') });
      for (let index = 0; index < ENTRIES; index++) await writer.write(`value ${index}`);
      await writer.call({ method: 'addUser', args: ['visi'] });
      const position = await writer.getPosition();
      writer.close();
      for (const name of ['01.cortex', '02.cortex']) await untilPosition(storageOf(name), position);
    });

    after(async () => {
      await Promise.all([...cells.values()].map((cell) => cell.stop()));
      await rm(root, { recursive: true, force: true });
    });

    it('answers every recorded call of the cortex and its mirrors in the recorded shape', async () => {
      const links = new Map<string, Awaited<ReturnType<typeof openRawLink>>>();
      const seen = new Map<string, Value>();
      const exchanges = readRecorded(version).filter(({ service }) => service.endsWith('.cortex'));
      const wrong: string[] = [];
      for (const exchange of exchanges) {
        const { service, label } = exchange;
        const wanted = messagesOf(exchange.received);
        // A link of ours for each recorded session: a generator has one to itself.
        const session = sessionOf(exchange, wanted);
        const link = links.get(session) ?? (await openRawLink(join(storageOf(service), 'sock')));
        links.set(session, link);
        if (label === 'getBackupInfo:poll') await untilBackupIsOver(storageOf(service));
        const bytes = await ourBytes(exchange, seen);
        const got = await link.exchange(bytes, wanted.length).catch((error: unknown) => {
          throw new Error(`${service} ${label} unanswered`, { cause: error });
        });
        remember(exchange, { session, got }, seen);
        wanted.forEach((message, index) => {
          const found = differences(message, got[index] ?? null);
          wrong.push(...found.map((line) => `${service} ${label} ${line}`));
          expect(errnameOf(got[index] ?? null), label).to.equal(errnameOf(message));
        });
      }
      for (const link of links.values()) link.close();
      expect(wrong).to.deep.equal([]);
      expect(exchanges.length).to.be.greaterThan(60);
    });

    it('refuses getMirrorUrls without a registry by the recorded name', async () => {
      const exchange = readRecorded(version).find(
        ({ service, label }) => service === 'aha' && label === 'getMirrorUrls',
      );
      const image = await buildCellImage({ version, outDir: join(root, 'images') });
      const cell = startCell({ image, storage: join(root, 'alone') });
      cells.set('alone', cell);
      await untilAnswers(cell);
      const client = await connectCell({ url: cell.storage });
      const error = await client
        .call({ method: 'getMirrorUrls' })
        .catch((failure: unknown) => failure);
      client.close();
      const recorded = errnameOf(messagesOf(exchange?.received ?? new Uint8Array())[0] ?? null);
      expect(error).to.have.property('errname', recorded);
    });

    /** The recorded call with our session, our offsets, our user and our mirror in place of theirs. */
    async function ourBytes(
      { call, service, label }: Exchange,
      known: Map<string, Value>,
    ): Promise<Uint8Array> {
      if (call[0] === 'tele:syn') return pack(call as unknown as Packable);
      const [method, args, kwargs] = call[1].todo;
      const client = await connectCell({ url: storageOf(service) });
      const position = await client.getPosition();
      client.close();
      const user = known.get('user') as string;
      const ours: Record<string, [Packable[], Record<string, Packable>]> = {
        'waitNexsOffs:reached': [[position - 1], kwargs],
        'waitNexsOffs:timeout': [[position + 1_000], kwargs],
        'getNexusChanges:3-then-caught-up': [[position - 3], kwargs],
        setUserAdmin: [[user, true], {}],
        delUser: [[user], {}],
        'trimNexsLog:with-consumers': [
          [],
          {
            ...kwargs,
            consumers: [
              `unix://${storageOf('01.cortex')}/sock`,
              `unix://${storageOf('02.cortex')}/sock`,
            ],
          },
        ],
      };
      const [ourArgs, ourKwargs] = ours[label] ?? [args, kwargs];
      const sess = known.get(call[1].sess) as string;
      return pack(['t2:init', { todo: [method, ourArgs, ourKwargs], name: null, sess }]);
    }
  });
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The recorded session; a hello that was refused has its label. */
function sessionOf({ call, label }: Exchange, received: readonly Value[]): string {
  if (call[0] === 't2:init') return call[1].sess;
  const told = mapOf(listOf(received[0])[1])['sess'];
  return typeof told === 'string' ? told : label;
}

function remember(
  { label }: Exchange,
  { session, got }: { readonly session: string; readonly got: readonly Value[] },
  seen: Map<string, Value>,
): void {
  const body = mapOf(listOf(got[0])[1]);
  if (label.startsWith('handshake')) seen.set(session, body['sess'] ?? null);
  if (label === 'addUser') seen.set('user', mapOf(listOf(body['retn'])[1])['iden'] ?? null);
}

function errnameOf(message: Value): Value | undefined {
  const [ok, error] = listOf(mapOf(listOf(message)[1])['retn']);
  return ok === false ? listOf(error)[0] : undefined;
}

function messagesOf(bytes: Uint8Array): Value[] {
  return createMessageReader(1 << 20)
    .push(bytes)
    .map(decode);
}

async function untilPosition(storage: string, position: number): Promise<void> {
  const client = await connectCell({ url: storage });
  await eventually(
    () => client.getPosition(),
    (at) => at >= position,
    `${storage} catches up`,
  );
  await eventually(
    async () => mapOf(mapOf(await client.call({ method: 'getCellInfo' }))['cell'])['ready'] ?? null,
    (ready) => ready === true,
    `${storage} is ready`,
  );
  client.close();
}

async function untilBackupIsOver(storage: string): Promise<void> {
  const client = await connectCell({ url: storage });
  await eventually(
    async () => mapOf(await client.call({ method: 'getBackupInfo' }))['currduration'] ?? null,
    (duration) => duration === null,
    'the backup is over',
  );
  client.close();
}
