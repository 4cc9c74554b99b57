// A program that behaves like a Synapse cell towards whoever operates it: `node cell-2.113.0.cjs STORAGE`.
// For demos and tests only; it keeps test writes and nothing else.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openLink } from '@leafward/agent/engines/synapse/telepath/link.js';
import { listOf, mapOf, stringOf } from '@leafward/agent/engines/synapse/telepath/value.js';
import { messageOf } from '@leafward/shared/errors.js';
import { ahaOf } from './aha.js';
import { startRegistering, takePlace } from './aha-client.js';
import { isFirstBoot, newIden, readIden, readMirror, writeIden } from './cell-files.js';
import { Cell } from './cell.js';
import { addressOf, connectTo, startFollowing } from './follow.js';
import { LogStore } from './log-store.js';
import { migrateModel, migrateStorage } from './migrate.js';
import { optimizeAtBoot } from './optimize.js';
import { serve, type CellServer } from './server.js';
import { readIfThere, readSettings, say, type Settings } from './settings.js';

/** Put in by the bundler. */
declare const CELL_VERSION: string;

const BOOTSTRAP_RETRY_MS = 200;
const CALL_MS = 5_000;

async function main(): Promise<void> {
  const storage = process.argv[2];
  if (storage === undefined) throw new Error('usage: cell-VERSION.cjs STORAGE');
  const begun = readSettings(storage, CELL_VERSION, process.env);
  process.once('SIGTERM', () => process.exit(0));
  mkdirSync(storage, { recursive: true });
  await requireAlone(begun);
  await delay(begun.startMs);
  const settings = await takePlace(begun, process.env);
  const mirror = readMirror(settings);
  await optimizeAtBoot(settings);
  const cell = await openCell(settings, mirror);
  await migrateStorage(settings, mirror === null);
  cell.aha = ahaOf(process.env, settings);
  cell.mirror = mirror;
  cell.active = mirror === null;
  cell.ready = mirror === null;
  cell.follow = () => startFollowing(cell);
  if (mirror === null) await migrateModel(cell);
  else cell.follow();
  await listen(cell);
  say(`cell ${cell.iden} of ${settings.version} listens, ${mirror === null ? 'leads' : 'mirrors'}`);
}

async function listen(cell: Cell): Promise<void> {
  const { settings } = cell;
  const servers: CellServer[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()));
    await cell.log.close();
    process.exit(0);
  };
  const shutDown = (): void => void setTimeout(() => void stop(), 10);
  process.removeAllListeners('SIGTERM');
  process.once('SIGTERM', () => void stop());
  const path = join(settings.storage, 'sock');
  rmSync(path, { force: true });
  servers.push(await serve(cell, { path }, shutDown));
  if (settings.listen === undefined) return;
  const address = addressOf(settings.listen);
  if (address.kind !== 'tcp') throw new Error(`SYN_CELL_LISTEN must be tcp://host:port`);
  const server = await serve(cell, address, shutDown);
  servers.push(server);
  startRegistering(cell, server.port ?? address.port);
  const provision = cell.aha?.provisionUrl;
  if (provision === undefined || provision === settings.listen) return;
  const own = addressOf(provision);
  if (own.kind === 'tcp') servers.push(await serve(cell, own, shutDown));
}

/** The service locks cell.guid; here, whoever answers on the socket has the storage. */
async function requireAlone(settings: Settings): Promise<void> {
  const address = { kind: 'unix', path: join(settings.storage, 'sock') } as const;
  const never = new AbortController().signal;
  const other = await openLink({ address, deadlineMs: 500 }, never).catch(() => undefined);
  other?.close();
  if (other !== undefined) throw new Error('BadState: another process has this storage');
}

async function openCell(settings: Settings, mirror: string | null): Promise<Cell> {
  const { storage } = settings;
  const logDirectory = Cell.logDirectory(storage);
  if (isFirstBoot(storage)) {
    const upstream = mirror === null ? undefined : await bootstrap(mirror);
    if (upstream !== undefined) await delay(settings.bootstrapMs);
    LogStore.open(logDirectory, upstream?.first ?? 0);
    if (readIfThere(join(storage, 'cell.yaml')) === undefined)
      writeFileSync(join(storage, 'cell.yaml'), '{}\n');
    writeIden(storage, upstream?.iden ?? newIden());
  }
  return new Cell(settings, readIden(storage) ?? newIden(), LogStore.open(logDirectory));
}

/** Identity and first offset of the upstream; waits for it as long as it takes. */
async function bootstrap(mirror: string): Promise<{ iden: string; first: number }> {
  const signal = new AbortController().signal;
  for (;;) {
    try {
      const link = await connectTo(mirror, signal);
      try {
        const info = mapOf(await link.call({ method: 'getCellInfo' }, CALL_MS, signal));
        const iden = stringOf(mapOf(info['cell'])['iden']);
        if (iden === undefined) throw new Error('the upstream has no identity');
        const call = { method: 'getNexusChanges', args: [0], kwargs: { tellready: true } };
        for await (const item of link.generate(call, CALL_MS, signal)) {
          return { iden, first: Number(listOf(item.value)[0] ?? 0) };
        }
      } finally {
        link.close();
      }
    } catch (error) {
      say(`waiting for the upstream: ${messageOf(error)}`);
    }
    await delay(BOOTSTRAP_RETRY_MS);
  }
}

main().catch((error: unknown) => {
  say(messageOf(error));
  process.exit(1);
});
