// Leadership of a stand-in: graceful and forced promotion, and the old leader's side of a hand-over.
import { writeMirror } from './cell-files.js';
import { refused, WireError, type Cell } from './cell.js';
import { connectTo } from './follow.js';
import { migrateModel } from './migrate.js';

/** How long a hand-over waits for the mirror to catch up, as the service does. */
const HANDOVER_MS = 30_000;

export async function promote(cell: Cell, graceful: boolean): Promise<void> {
  if (cell.mirror === null) {
    throw new WireError('BadConfValu', refused('promote', 'promote() called on non-mirror'));
  }
  if (!graceful) {
    await becomeLeader(cell);
    return;
  }
  const lasting = new AbortController().signal;
  const link = await connectTo(cell.mirror, lasting);
  try {
    const call = { method: 'handoff', args: [cell.settings.advertise] };
    await link.call(call, HANDOVER_MS * 2, lasting);
  } finally {
    link.close();
  }
}

/** Clears `mirror` and nothing else: nobody fences the old leader. */
async function becomeLeader(cell: Cell): Promise<void> {
  await cell.stopFollowing?.();
  writeMirror(cell.settings, null);
  cell.mirror = null;
  cell.active = true;
  cell.ready = true;
  cell.onActive();
  await migrateModel(cell);
}

/**
 * Hands leadership to the mirror at `url`. Before 2.185 a mirror does it as well, and then two lead, for the
 * true leader is never asked.
 */
export async function handoff(cell: Cell, url: string, timeoutSeconds: number): Promise<void> {
  if (!cell.active && cell.settings.minor >= 185) {
    throw new WireError('BadState', refused('handoff', 'this cell is not the current leader'));
  }
  await cell.withoutWrites(async () => {
    const lasting = new AbortController().signal;
    const link = await connectTo(url, lasting);
    try {
      const last = cell.log.next - 1;
      const wait = { method: 'waitNexsOffs', args: [last], kwargs: { timeout: timeoutSeconds } };
      const caughtUp = last < 0 || (await link.call(wait, HANDOVER_MS + 5_000, lasting)) === true;
      if (!caughtUp) {
        throw new WireError('TimeOut', refused('handoff', 'the mirror did not catch up in time'));
      }
      await cell.stopFollowing?.();
      cell.active = false;
      const order = { method: 'promote', kwargs: { graceful: false } };
      await link.call(order, HANDOVER_MS, lasting);
    } catch (error) {
      cell.active = cell.mirror === null;
      if (!cell.active && cell.stopFollowing === undefined) cell.follow();
      throw error;
    } finally {
      link.close();
    }
    writeMirror(cell.settings, url);
    cell.mirror = url;
    cell.ready = cell.settings.minor < 124;
    cell.follow();
  });
}
