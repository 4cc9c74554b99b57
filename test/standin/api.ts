// The calls of a stand-in cell, one line each, with the release that brought them.
import { ahaMethods } from './aha.js';
import { backupInfo, deleteBackup, listBackups, runBackup } from './backups.js';
import { refused, WireError, type Cell } from './cell.js';
import { cellInfo, healthCheck, systemInfo } from './cell-info.js';
import { connectTo } from './follow.js';
import type { Packable } from './pack.js';
import { peopleMethods } from './people-api.js';
import { handoff, promote } from './promotion.js';

export interface CallContext {
  readonly cell: Cell;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** Fires when the caller's link is gone. */
  readonly signal: AbortSignal;
  /** Ends the process after the answer was sent. */
  readonly shutDown: () => void;
}

export interface Method {
  /** Minor release from which it is there. */
  readonly since: number;
  /** Names of the parameters, in order; `?` at the end marks an optional one. */
  readonly parameters: readonly string[];
  readonly answer?: (
    context: CallContext,
    parameter: (name: string) => unknown,
  ) => Packable | Promise<Packable>;
  /** A generator of values that are there already. */
  readonly entries?: (context: CallContext) => readonly Packable[];
  /** A generator of raw items: the bytes of each value. */
  readonly items?: (
    context: CallContext,
    parameter: (name: string) => unknown,
  ) => AsyncIterable<Buffer | null>;
}

const now = (answer: (cell: Cell) => Packable | Promise<Packable>, since = 0): Method => ({
  since,
  parameters: [],
  answer: ({ cell }) => answer(cell),
});

export const methods: Readonly<Record<string, Method>> = {
  ...peopleMethods,
  ...ahaMethods,
  getCellInfo: now(cellInfo, 34),
  getCellType: now((cell) => cell.settings.type),
  getCellIden: now((cell) => cell.iden),
  getCellRunId: now((cell) => cell.runId, 93),
  isCellActive: now((cell) => cell.active),
  getNexsIndx: now((cell) => cell.log.next, 5),
  getHealthCheck: now(healthCheck),
  getSystemInfo: now(systemInfo, 46),
  getBackups: now((cell) => listBackups(cell), 7),
  getBackupInfo: now(backupInfo, 46),
  getMirrorUrls: now(mirrorUrls, 102),
  getDmonSessions: now(sessions),
  waitNexsOffs: {
    since: 62,
    parameters: ['offs', 'timeout?'],
    answer: ({ cell, signal }, get) => {
      const seconds = get('timeout') as number | undefined;
      return cell.log.waitFor(Number(get('offs')), millisecondsOf(seconds), signal);
    },
  },
  getNexusChanges: {
    since: 0,
    parameters: ['offs', 'tellready?'],
    items: ({ cell, signal }, get) =>
      changes(cell, { offset: Number(get('offs')), tellReady: get('tellready') === true }, signal),
  },
  runBackup: {
    since: 7,
    parameters: ['name?', 'wait?'],
    answer: ({ cell, signal }, get) => {
      const name = (get('name') ?? null) as string | null;
      return runBackup(cell, { name, wait: get('wait') !== false }, signal);
    },
  },
  delBackup: act(['name'], 7, ({ cell }, get) => deleteBackup(cell, String(get('name')))),
  promote: act(['graceful?'], 5, ({ cell }, get) => promote(cell, get('graceful') === true)),
  handoff: act(['turl', 'timeout?'], 5, ({ cell }, get) =>
    handoff(cell, String(get('turl')), Number(get('timeout') ?? 30)),
  ),
  shutdown: {
    since: 214,
    parameters: ['timeout?'],
    answer: ({ shutDown }) => {
      shutDown();
      return true;
    },
  },
  freeze: act(['timeout?'], 186, ({ cell }) => cell.freeze()),
  resume: act([], 186, ({ cell }) => cell.resume()),
  rotateNexsLog: now(rotate, 62),
  cullNexsLog: {
    since: 62,
    parameters: ['offs'],
    answer: async ({ cell }, get) => {
      await cull(cell, Number(get('offs')), 'nexslog:cull');
      return true;
    },
  },
  trimNexsLog: {
    since: 62,
    parameters: ['consumers?', 'timeout?'],
    answer: ({ cell, signal }, get) =>
      trim(cell, get('consumers') as string[] | undefined, Number(get('timeout') ?? 60), signal),
  },
  // Not the service's: what writers of tests and demos use. The offset is of the durable entry.
  addTestWrite: {
    since: 0,
    parameters: ['value'],
    answer: ({ cell }, get) => cell.issue('test:write', [get('value') as Packable]),
  },
  issue: {
    since: 0,
    parameters: ['event', 'args', 'hops'],
    answer: ({ cell }, get) =>
      cell.issue(String(get('event')), get('args') as Packable[], Number(get('hops'))),
  },
};

/** A call whose value is nil. */
function act(
  parameters: readonly string[],
  since: number,
  does: (context: CallContext, get: (name: string) => unknown) => unknown,
): Method {
  return {
    since,
    parameters,
    answer: async (context, get) => {
      await does(context, get);
      return null;
    },
  };
}

/** Undefined or null waits as long as a timer can. */
function millisecondsOf(seconds: number | null | undefined): number {
  return Math.min((seconds ?? Infinity) * 1_000, 2_000_000_000);
}

async function* changes(
  cell: Cell,
  from: { readonly offset: number; readonly tellReady: boolean },
  signal: AbortSignal,
): AsyncGenerator<Buffer | null> {
  let told = !from.tellReady;
  let offset = Math.max(from.offset, cell.log.first);
  while (!signal.aborted) {
    const entry = cell.log.read(offset);
    if (entry !== undefined) {
      yield entry;
      offset++;
    } else {
      if (!told) yield null;
      told = true;
      await cell.log.waitFor(offset, millisecondsOf(undefined), signal);
      offset = Math.max(offset, cell.log.first);
    }
  }
}

function mirrorUrls(cell: Cell): Packable {
  const urls = cell.settings.mirrorUrls;
  if (urls !== undefined) return [...urls];
  const mesg = 'Enumerating mirror URLs is only supported when AHA is configured';
  throw new WireError('BadConfValu', refused('getMirrorUrls', mesg));
}

/** The unnamed share of each session has nil as its key. */
function sessions(cell: Cell): Packable {
  const root = cell.users.byName('root');
  return [...cell.sessions.values()].map(({ unix }) => ({
    items: new Map([[null, 'synapse.cortex.CoreApi']]),
    conninfo: unix
      ? { family: 'unix', addr: `${cell.settings.storage}/sock` }
      : { family: 'tcp', addr: ['127.0.0.1', 0], ipver: 'ipv4' },
    user: { iden: root?.iden ?? '', name: 'root' },
  }));
}

async function rotate(cell: Cell): Promise<number> {
  if (cell.backup.running) {
    const mesg = 'Cannot rotate Nexus log while a backup is running';
    throw new WireError('SlabInUse', refused('rotateNexsLog', mesg));
  }
  return cell.issue('nexslog:rotate', []);
}

async function cull(cell: Cell, offset: number, event: string): Promise<void> {
  await cell.issue(event, [offset]);
  await cell.log.trimBefore(offset);
}

/** Without consumers the mirrors of 2.113 die of it. */
async function trim(
  cell: Cell,
  consumers: readonly string[] | undefined,
  timeoutSeconds: number,
  signal: AbortSignal,
): Promise<number> {
  const offset = cell.log.next;
  for (const url of consumers ?? []) await requireCaughtUp(cell, url, timeoutSeconds, signal);
  await rotate(cell);
  await cull(cell, offset, consumers === undefined ? 'nexslog:cull:alone' : 'nexslog:cull');
  return offset;
}

async function requireCaughtUp(
  cell: Cell,
  url: string,
  timeoutSeconds: number,
  signal: AbortSignal,
): Promise<void> {
  const link = await connectTo(url, signal).catch(() => undefined);
  if (link === undefined) {
    const mesg = `aha lookup failed: ${url.replace(/^[a-z]+:\/\//, '')}`;
    throw new WireError('NoSuchName', refused('_getAhaSvc', mesg));
  }
  try {
    const last = cell.log.next - 1;
    const call = { method: 'waitNexsOffs', args: [last], kwargs: { timeout: timeoutSeconds } };
    const reached = await link.call(call, timeoutSeconds * 1_000 + 5_000, signal);
    if (reached !== true) throw new WireError('SynErr', refused('trimNexsLog', `${url} is behind`));
  } finally {
    link.close();
  }
}
