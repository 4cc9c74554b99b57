// Rehearsals as they are kept: what came of booting a copy of a backup with another image than its own. Pure.
import type { Backup, Outcome, Request } from '@leafward/shared/gen/domain.js';
import type { Rehearsal } from './snapshot.js';

/** Of a service: enough for every image that anybody still thinks of. */
const KEPT_EACH = 10;
const KEPT = 200;

/** Newest first; the oldest go. */
export function withRehearsal(
  rehearsals: readonly Rehearsal[],
  next: Rehearsal,
): readonly Rehearsal[] {
  const own = rehearsals.filter(({ service }) => service === next.service);
  const others = rehearsals.filter(({ service }) => service !== next.service);
  return [...[next, ...own].slice(0, KEPT_EACH), ...others]
    .sort((a, b) => b.drill.at - a.drill.at)
    .slice(0, KEPT);
}

/** Undefined: the outcome is of something else, or of a backup that is not known any more. */
export function rehearsalIn(
  request: Request,
  outcome: Outcome,
  backups: readonly Backup[],
): Rehearsal | undefined {
  if (request.kind !== 'drill-backup' || outcome.rehearsal === undefined) return undefined;
  if (outcome.state === 'running') return undefined;
  const backup = backups.find(({ path }) => path === request.path);
  if (backup === undefined) return undefined;
  const { service, member, host, name } = backup;
  return { service, member, host, backup: name, drill: outcome.rehearsal };
}
