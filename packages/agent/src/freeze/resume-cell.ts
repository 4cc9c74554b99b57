// Resumes a frozen cell over its own socket, without anything else of an agent. Idempotent.
import { LeafwardError } from '@leafward/shared/errors.js';
import { resume } from '../engines/synapse/care/freeze.js';
import { socketOf } from '../engines/synapse/telepath/address.js';
import { openLink } from '../engines/synapse/telepath/link.js';

const CONNECT_MS = 5_000;
const WHOLE_MS = 20_000;

/** False: nobody listens there, so there is nobody who could be frozen. @throws LeafwardError when it did not answer. */
export async function resumeCell(storage: string): Promise<boolean> {
  const signal = AbortSignal.timeout(WHOLE_MS);
  const link = await openLink({ address: socketOf(storage), deadlineMs: CONNECT_MS }, signal).catch(
    (error: unknown) => {
      if (isGone(error)) return undefined;
      throw error;
    },
  );
  if (link === undefined) return false;
  try {
    await resume(link, signal);
    return true;
  } finally {
    link.close();
  }
}

/** Its socket is not there, or nobody accepts at it. */
function isGone(error: unknown): boolean {
  const cause = error instanceof LeafwardError ? error.cause : error;
  const { code } = (cause ?? {}) as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}
