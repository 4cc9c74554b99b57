// A backup sent from its host to another one: two requests of one transfer. What comes of it is the receiver's word, or
// the sender's when that one failed.
import { randomUUID } from 'node:crypto';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Backup, Outcome } from '@leafward/shared/gen/domain.js';
import type { Fleet } from '../fleet.js';
import { beginAsking, outcomeWithin } from '../images.js';
import type { Snapshot } from '../snapshot.js';
import { order, placeOf } from './backup-acts.js';

export interface Sending {
  readonly backup: Backup;
  readonly host: string;
  readonly bytesPerSecond?: number | undefined;
}

/** Begins it; returns the id of the receiver's request. @throws LeafwardError */
export async function beginSending(fleet: Fleet, sending: Sending): Promise<string> {
  const { backup, host, bytesPerSecond } = sending;
  const snapshot = fleet.snapshot();
  if (host === backup.host)
    throw new LeafwardError('invalid', `send ${backup.name}: it lies on ${host} already`);
  const from = placeOf(snapshot, backup);
  const to = placeOf(snapshot, { ...backup, host });
  for (const place of [from, to])
    if (fleet.host(place.host).session === undefined)
      throw new LeafwardError(
        'unavailable',
        `send ${backup.name} from ${from.host} to ${to.host}: the agent of ${place.host} is not connected; look at it with: leafward why ${place.host}`,
        { retry: 'later' },
      );
  const transfer = `transfer-${randomUUID()}`;
  const id = await beginAsking(fleet, {
    ...order(to, backup, {
      kind: 'receive-backup',
      backup: backup.name,
      transfer,
      fromHost: from.host,
      bytesPerSecond,
    }),
    timeoutMs: BEGIN_MS,
  });
  await beginAsking(fleet, {
    ...order(from, backup, { kind: 'send-backup', path: backup.path, transfer, bytesPerSecond }),
    timeoutMs: BEGIN_MS,
  });
  return id;
}
const BEGIN_MS = 60_000;

/** The receiver's outcome as far as it is known, or the sender's when that one has failed. @throws LeafwardError `not-found` */
export async function outcomeOfSending(
  fleet: Fleet,
  clock: Clock,
  { id, timeoutMs }: { readonly id: string; readonly timeoutMs: number },
): Promise<Outcome> {
  const known = fleet.snapshot().requests[id];
  if (known?.request.kind !== 'receive-backup')
    throw new LeafwardError('not-found', `send a backup: ${id} is not under way`);
  const { transfer } = known.request;
  const outcome = await outcomeWithin(fleet, clock, { id, timeoutMs });
  if (outcome !== undefined && outcome.state !== 'running') return outcome;
  const sender = senderOf(fleet.snapshot(), transfer);
  const isLost = sender?.state === 'failed' || sender?.state === 'refused';
  if (sender !== undefined && isLost) return sender;
  return outcome ?? { requestId: id, state: 'running', startedAt: known.createdAt, changes: [] };
}

function senderOf({ requests }: Snapshot, transfer: string): Outcome | undefined {
  const found = Object.values(requests).find(
    ({ request }) => request.kind === 'send-backup' && request.transfer === transfer,
  );
  return found?.outcome;
}
