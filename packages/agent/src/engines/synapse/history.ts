// The digest of one log entry: the only sign that tells two histories of one length apart.
import { createHash } from 'node:crypto';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { HistoryProbe } from '@leafward/shared/gen/domain.js';
import { bytesAt } from './telepath/decode.js';
import type { Link } from './telepath/link.js';
import { listOf, numberOf } from './telepath/value.js';

/** One read of the log's end or middle; both are index lookups. */
const READ_DEADLINE_MS = 10_000;

/** Where the entry lies in `['t2:yield', {retn: [true, [offset, entry]]}]`. */
const ENTRY = [1, 'retn', 1, 1] as const;

/** Uses the link up. Throws `not-found` when the log does not reach the offset, or was trimmed beyond it. */
export async function probeHistory(
  link: Link,
  offset: number,
  signal: AbortSignal,
): Promise<HistoryProbe> {
  const call = { method: 'getNexusChanges', args: [offset], kwargs: { tellready: true } };
  for await (const item of link.generate(call, READ_DEADLINE_MS, signal)) {
    const returned = numberOf(listOf(item.value)[0]);
    const entry = bytesAt(item.message, ENTRY);
    if (returned === undefined || entry === undefined) break;
    // An offset below the trimmed log is answered with the first entry there is.
    if (returned !== offset) {
      const text = `log entry ${offset}: trimmed, the log begins at ${returned}; probe a later one`;
      throw new LeafwardError('not-found', text);
    }
    return { offset, sha256: createHash('sha256').update(entry).digest('hex') };
  }
  throw new LeafwardError('not-found', `log entry ${offset}: not written on this member yet`);
}
