// What is measured of failovers that the controller begins by itself: whether something has failed, and what forbids one.
import { assess } from '../planning/automatic.js';
import { gatherService } from '../planning/gather.js';
import type { Snapshot } from '../snapshot.js';
import { gauge, labelText, truth, type Family, type Row, type Sample } from './family.js';

export interface AutomaticSubject {
  readonly isSuspected: boolean;
  /** Codes of a closed set, each once. */
  readonly forbidden: readonly string[];
  readonly isRecoveryOpen: boolean;
}

export const AUTOMATIC_FAMILIES: readonly Family<AutomaticSubject>[] = [
  gauge(
    'leafward_automatic_failover_suspected',
    "Whether the leader's agent says that it died, or its host is silent; of services with failover.mode automatic.",
    ({ isSuspected }) => truth(isSuspected),
  ),
  {
    name: 'leafward_automatic_failover_forbidden',
    help: 'What forbids a failover by itself while the leader is suspected, by its code.',
    kind: 'gauge',
    samples: ({ forbidden }) => forbidden.map((code): Sample => [`,${labelText({ code })}`, 1]),
  },
  gauge(
    'leafward_automatic_recovery_open',
    'Whether a failover was begun by itself that nobody has acknowledged.',
    ({ isRecoveryOpen }) => truth(isRecoveryOpen),
  ),
];

/** Services that are failed over by themselves. */
export function automaticRows(snapshot: Snapshot): readonly Row<AutomaticSubject>[] {
  return Object.entries(snapshot.services).flatMap(([name, { declaration, automatic }]) => {
    const service = gatherService(snapshot, name);
    if (service === undefined || declaration.failover.mode !== 'automatic') return [];
    const assessed = assess(snapshot, service);
    return [
      {
        labels: labelText({ service: name }),
        subject: {
          isSuspected: assessed !== undefined,
          forbidden: [...new Set(assessed?.objections.map(({ code }) => code))].sort(),
          isRecoveryOpen: automatic?.recovery !== undefined,
        },
      },
    ];
  });
}
