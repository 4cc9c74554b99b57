// A digest of what a member's log is at a position: two members of one history agree on it.
import { createHash } from 'node:crypto';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { HistoryProbe } from '@leafward/shared/gen/domain.js';
import { renderPosition } from './answer.js';
import { ask, askPosition } from './ask.js';
import type { Talk } from './run-command.js';

/** @throws LeafwardError `not-found` when its log does not reach the offset. */
export async function probeHistory(
  talk: Talk,
  offset: number,
  signal: AbortSignal,
): Promise<HistoryProbe> {
  const position = renderPosition(offset, talk.exec.positions);
  const reached = await askPosition(talk, 'position', {}, signal);
  if (reached !== undefined && offset > reached)
    throw notThere(
      talk,
      position,
      `its log ends at ${renderPosition(reached, talk.exec.positions)}`,
    );
  const options = { fill: { position } };
  const text = await ask(talk, 'history', (value) => value, options, signal);
  if (text === '') throw notThere(talk, position, 'its command history says nothing of it');
  return { offset, sha256: createHash('sha256').update(text).digest('hex') };
}

function notThere({ member }: Talk, position: string, why: string): LeafwardError {
  return new LeafwardError('not-found', `history of ${member.member} at ${position}: ${why}`);
}
