// Makes the new store of `leafward-controller rebuild`, beside whatever is there: an old file is set aside, never
// written over. Its epoch is above every one that was ever counted, so that agents take its word.
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import SqliteDatabase from 'better-sqlite3';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import type { Manifest } from '@leafward/shared/manifest/types.js';
import type { Change } from '../changes.js';
import { splitAddress, type ControllerConfig } from '../config.js';
import { storePath } from '../controller.js';
import type { RebuildState } from '../snapshot.js';
import { openDatabase } from '../store/database.js';
import { createFleetStore } from '../store/fleet-store.js';
import { openIdentityStore, type IdentityTables } from '../store/identities.js';
import type { FleetTables } from '../store/tables.js';

export interface RebuildOrder {
  readonly stateDir: string;
  readonly config: ControllerConfig;
  readonly clock: Clock;
  readonly manifestPath?: string | undefined;
  /** Hosts that must be heard beside those of the manifest. */
  readonly hosts: readonly string[];
  /** Hosts that are not waited for. */
  readonly gone: readonly string[];
  readonly reason: string;
  /** Hosts whose certificates do not count. */
  readonly revoke: readonly string[];
  /** A store that can be read is set aside too. */
  readonly setAside: boolean;
}

export interface Prepared {
  /** Where the file went that was there before. */
  readonly aside?: string | undefined;
  /** An earlier call had begun. */
  readonly goesOn: boolean;
}

/** @throws LeafwardError `invalid` with everything that is wrong; nothing was changed then. */
export async function prepareRebuild(order: RebuildOrder): Promise<Prepared> {
  const { stateDir, config, clock } = order;
  const text =
    order.manifestPath === undefined ? undefined : await readManifest(order.manifestPath);
  const manifest = text === undefined ? undefined : manifestFrom(text, order);
  checkWords(order);
  await assertNobodyListens(config.listen.mtls);
  const path = storePath(stateDir);
  const found = await lookAt(path);
  if (found === 'whole' && !order.setAside)
    throw new LeafwardError(
      'invalid',
      `rebuild ${stateDir}: ${path} can be read; it knows more than agents do. Run the controller with it; or, if it must not count, say --set-aside: it is renamed, not deleted`,
    );
  const goesOn = found === 'begun' && !order.setAside;
  const aside = found === 'none' || goesOn ? undefined : await setAside(path, clock.now());
  const target = goesOn ? path : `${path}.new`;
  if (!goesOn) for (const end of ['', '-wal', '-shm']) await rm(`${target}${end}`, { force: true });
  await write(target, order, { text, manifest });
  if (!goesOn) await rename(target, path);
  return { aside, goesOn };
}

async function readManifest(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw new LeafwardError('invalid', `read the manifest ${path}: ${messageOf(error)}`);
  });
}

function manifestFrom(text: string, { manifestPath, config }: RebuildOrder): Manifest {
  const parsed = parseManifest(text);
  if (!parsed.ok)
    throw new LeafwardError('invalid', `the manifest ${manifestPath ?? ''} cannot be used`, {
      detail: parsed.problems.map((problem) => `${problem.path}: ${problem.message}`),
    });
  if (parsed.manifest.fleet !== config.fleet)
    throw new LeafwardError(
      'invalid',
      `the manifest is of fleet ${parsed.manifest.fleet}, this controller is of ${config.fleet}`,
    );
  return parsed.manifest;
}

function checkWords({ gone, reason }: RebuildOrder): void {
  if (gone.length > 0 && reason.trim() === '')
    throw new LeafwardError(
      'invalid',
      `give up ${gone.join(', ')}: say why with --reason; its members never lead again from there`,
    );
}

/** A controller that runs has its store open, whatever it is called by then. */
async function assertNobodyListens(address: string): Promise<void> {
  const { host, port } = splitAddress(address);
  if (port === 0) return;
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new LeafwardError(
          'invalid',
          `rebuild needs ${address} for the agents: ${error.message}; stop the controller first`,
        ),
      ),
    );
    server.listen(port, host, () => server.close(() => resolve()));
  });
}

/** `begun`: a rebuild of it is not over. `damaged`: nobody can run on it. */
async function lookAt(path: string): Promise<'none' | 'whole' | 'begun' | 'damaged'> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (!isThere) return 'none';
  try {
    // For writing: what a controller that was killed has left beside it is read in.
    const sqlite = new SqliteDatabase(path, { fileMustExist: true });
    try {
      if (sqlite.pragma('quick_check', { simple: true }) !== 'ok') return 'damaged';
      const row = sqlite.prepare("select value from meta where key = 'rebuild'").get();
      const { value } = (row ?? {}) as { readonly value?: string };
      if (value === undefined) return 'whole';
      return (JSON.parse(value) as RebuildState).endedAt === undefined ? 'begun' : 'whole';
    } finally {
      sqlite.close();
    }
  } catch {
    return 'damaged';
  }
}

async function setAside(path: string, now: number): Promise<string> {
  const stamp = new Date(now).toISOString().replaceAll(/[-:]/g, '').replace(/\.\d+/, '');
  const aside = `${path}.aside-${stamp}`;
  for (const end of ['-wal', '-shm', ''])
    await rename(`${path}${end}`, `${aside}${end}`).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return;
      throw new LeafwardError('failed', `set ${path}${end} aside: ${error.message}`);
    });
  return aside;
}

async function write(
  path: string,
  order: RebuildOrder,
  {
    text,
    manifest,
  }: { readonly text: string | undefined; readonly manifest: Manifest | undefined },
): Promise<void> {
  const { clock } = order;
  const database = await openDatabase<FleetTables & IdentityTables>(path);
  try {
    const store = createFleetStore(database.db);
    // An epoch counts starts of a controller, of which there are fewer than seconds since 1970.
    const epoch = await store.takeOver(Math.floor(clock.now() / 1000));
    const before = (await store.load()).rebuild;
    const changes: Change[] = [{ kind: 'rebuild', rebuild: stateFrom(before, order, manifest) }];
    if (text !== undefined)
      changes.push({ kind: 'manifest', text, by: 'rebuild', at: clock.now() });
    await store.commit(changes, epoch);
    const identities = await openIdentityStore(database.db);
    for (const name of order.revoke) {
      const audit = {
        at: clock.now(),
        who: 'rebuild',
        what: 'revoke',
        subject: `agent/${name}`,
        result: 'revoked before the store was lost',
      };
      if (!(await identities.revoke('agent', name, audit))) await identities.adopt({ name }, audit);
    }
  } finally {
    await database.close();
  }
}

function stateFrom(
  before: RebuildState | undefined,
  { clock, hosts, gone, reason }: RebuildOrder,
  manifest: Manifest | undefined,
): RebuildState {
  const named = [
    ...(before?.hosts ?? []),
    ...(manifest?.hosts.map(({ name }) => name) ?? []),
    ...hosts,
  ];
  const given = (before?.gone ?? []).filter(({ host }) => !gone.includes(host));
  return {
    startedAt: before?.startedAt ?? clock.now(),
    hosts: [...new Set(named)].sort(),
    heard: before?.heard ?? [],
    gone: [...given, ...gone.map((host) => ({ host, reason: reason.trim() }))],
    open: before?.open ?? {},
    notes: before?.notes ?? [],
  };
}
