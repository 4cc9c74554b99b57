// Users and roles of a Synapse cell, over the socket in its storage. Passwords and one-time URLs pass through here and
// stay nowhere (I14).
import { assertCellAct } from '@leafward/shared/cell-people.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { engineNameOf } from '../../engines/registry.js';
import { actOnPeople } from '../../engines/synapse/people/act.js';
import { cellCalls } from '../../engines/synapse/people/cell-calls.js';
import { socketOf } from '../../engines/synapse/telepath/address.js';
import { openLink } from '../../engines/synapse/telepath/link.js';
import type { Result } from '../../requests.js';
import { refuseUnfit, type Kind, type Turn } from './parts.js';

const CONNECT_MS = 5_000;

/** @throws LeafwardError `refused`, `unavailable`, and what the cell says in plain words. */
export async function actOnCell(
  request: Kind<'act-on-cell'>,
  { parts, signal }: Turn,
): Promise<Result> {
  const { act, secret } = request;
  const intent = await refuseUnfit(request, { run: 'running' }, parts);
  requireCell(intent, 'it has no users that Leafward could speak of');
  assertCellAct(act);
  if (secret !== undefined) parts.hide?.(secret);
  const what = 'name' in act && act.name !== undefined ? `${act.kind} ${act.name}` : act.kind;
  const address = socketOf(intent.spec.storage);
  const link = await openLink({ address, deadlineMs: CONNECT_MS }, signal);
  try {
    const calls = cellCalls(link, `${what} at ${intent.member}`, signal);
    const outcome = await actOnPeople(calls, act, secret);
    // AHA writes a part of the URL into its own log.
    for (const word of outcome.secret?.match(/[0-9a-f]{32,}/g) ?? []) parts.hide?.(word);
    return outcome;
  } finally {
    link.close();
  }
}

/** @throws LeafwardError `refused` for a member of another kind. */
export function requireCell(intent: MemberIntent, why: string): void {
  if (engineNameOf(intent) === 'synapse') return;
  throw new LeafwardError(
    'refused',
    `${intent.member} is a member of kind ${intent.spec.kind}, not of synapse: ${why}`,
  );
}
