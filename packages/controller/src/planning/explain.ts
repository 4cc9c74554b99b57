// The facts behind each wait, refusal and finding of a subject, with their ages and thresholds. Pure.
import type { Explanation } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';

/** Subject: a member, service, host or operation by its name. Empty: nothing of that name is known. */
export function explain(_snapshot: Snapshot, _subject: string): readonly Explanation[] {
  return [];
}
