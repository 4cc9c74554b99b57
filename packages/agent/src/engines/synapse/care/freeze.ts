// Freezes a cell for a snapshot and resumes it. A freeze is tied to no link: whoever freezes must see to its end before.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { EngineMember } from '../../engine.js';
import { CellError } from '../telepath/cell-error.js';
import type { Link } from '../telepath/link.js';

/** Measured: 8 ms. */
const RESUME_MS = 10_000;
/** It writes its pages to the disk after it has its lock. */
const SYNC_MS = 30_000;

export async function freeze(
  link: Link,
  { member }: EngineMember,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const timeout = Math.max(1, Math.floor(timeoutMs / 1000));
  try {
    await link.call({ method: 'freeze', kwargs: { timeout } }, timeoutMs + SYNC_MS, signal);
  } catch (error) {
    if (!(error instanceof CellError) || error.errname !== 'BadState') throw error;
    throw new LeafwardError(
      'already-exists',
      `freeze ${member}: it is frozen already, by somebody else; let them end`,
      { cause: error },
    );
  }
}

/** One that is not frozen is as good. */
export async function resume(link: Link, signal: AbortSignal): Promise<void> {
  try {
    await link.call({ method: 'resume' }, RESUME_MS, signal);
  } catch (error) {
    if (!(error instanceof CellError) || error.errname !== 'BadState') throw error;
  }
}
