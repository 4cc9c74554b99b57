// What a start from a member's storage would do, in the words of its kind. An empty storage is not asked.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { StoredRole, WantedRole } from '../engine.js';
import { isEmptyStorage } from '../../storage-content.js';
import { urlOf } from './answer.js';
import { ask } from './ask.js';
import { act, has, type Talk } from './run-command.js';

/** @throws LeafwardError of the command. */
export async function readStoredRole(talk: Talk, signal: AbortSignal): Promise<StoredRole> {
  if (!has(talk, 'storedUpstream') || (await isEmptyStorage(talk.member.spec)))
    return { upstreamUrl: undefined };
  const upstreamUrl = await ask(talk, 'storedUpstream', urlOf, {}, signal);
  return { upstreamUrl: upstreamUrl ?? null };
}

/** @throws LeafwardError `invalid` when its kind has no command for it. */
export async function writeRole(
  talk: Talk,
  { role, upstreamUrl }: WantedRole,
  signal: AbortSignal,
): Promise<void> {
  if (role === 'mirror') {
    if (upstreamUrl === undefined)
      throw new LeafwardError('invalid', `a mirror ${talk.member.member} needs an upstream`);
    await act(talk, 'setUpstream', { fill: { upstreamUrl } }, signal);
    return;
  }
  // A kind without mirrors has nothing that could be written.
  if (has(talk, 'clearUpstream') || has(talk, 'storedUpstream'))
    await act(talk, 'clearUpstream', {}, signal);
}
