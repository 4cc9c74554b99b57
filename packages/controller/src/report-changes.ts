// What a report changes durably: outcomes of requests and the list of backups. Everything else in it is memory.
import type { Report } from '@leafward/shared/gen/domain.js';
import type { Change } from './changes.js';
import { rehearsalIn } from './rehearsals.js';
import type { Snapshot } from './snapshot.js';

/** The part of a snapshot that a report is compared with. */
export type Known = Pick<Snapshot, 'requests' | 'backups'>;

export function changesOfReport(snapshot: Known, host: string, report: Report): readonly Change[] {
  const changes: Change[] = [];
  for (const outcome of report.outcomes) {
    const state = snapshot.requests[outcome.requestId];
    // Another host's word on a request is not taken; an outcome that has ended never changes (I12).
    if (state?.host !== host) continue;
    if (state.outcome !== undefined && state.outcome.state !== 'running') continue;
    if (JSON.stringify(state.outcome) === JSON.stringify(outcome)) continue;
    changes.push({ kind: 'outcome', outcome });
    const own = snapshot.backups.filter((backup) => backup.host === host);
    const rehearsal = rehearsalIn(state.request, outcome, own);
    if (rehearsal !== undefined) changes.push({ kind: 'rehearsal', rehearsal });
  }
  if (report.backups !== undefined) {
    const own = report.backups.backups.filter((backup) => backup.host === host);
    const known = snapshot.backups.filter((backup) => backup.host === host);
    if (keys(own) !== keys(known)) changes.push({ kind: 'backups', host, backups: own });
  }
  return changes;
}

const keys = (
  backups: readonly {
    readonly member: string;
    readonly name: string;
    readonly manifestSha256: string;
    readonly verification?: { readonly at: number } | undefined;
    readonly drill?: { readonly at: number } | undefined;
    readonly copies?: object | undefined;
  }[],
) =>
  backups
    .map(
      ({ member, name, manifestSha256, verification, drill, copies }) =>
        `${member}/${name}/${manifestSha256}/${verification?.at ?? ''}/${drill?.at ?? ''}/` +
        JSON.stringify(copies ?? ''),
    )
    .sort()
    .join('\n');
