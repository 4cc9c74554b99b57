// Who may say here that a leader's term is current: the newest controller that this agent has heard of and no older
// one (I11). Counts what it refuses. Must never let an older word lengthen a lease.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { HostIntent, Permit } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import type { Permits } from './permits.js';

export interface EpochsOptions {
  readonly permits: Permits;
  readonly log: Logger;
  /** Of the newest order on disk. */
  readonly orderEpoch: () => number;
}

export interface Epochs {
  /** @throws LeafwardError `stale` for a controller that was deposed: the session must end. */
  welcomed(epoch: number): void;
  /** Leases begin when an order is known, not at the next look: an agent may hang before that. */
  accepted(order: HostIntent): void;
  renew(permits: readonly Permit[], sentAt: number): void;
  /** Welcomes and permits, since this agent started. */
  refused(): number;
}

export function createEpochs({ permits, log, orderEpoch }: EpochsOptions): Epochs {
  let refused = 0;
  // Refused permits come with every answer: one line a session is enough.
  let isTold = false;
  return {
    welcomed(epoch) {
      const known = Math.max(orderEpoch(), permits.epoch());
      if (epoch < known) {
        refused += 1;
        throw new LeafwardError(
          'stale',
          `this controller's epoch ${epoch} is older than ${known}, which was in charge here (I11)`,
        );
      }
      isTold = false;
      permits.sawEpoch(epoch);
    },
    accepted({ epoch, members }) {
      permits.sawEpoch(epoch);
      for (const { member, role, mirrored, run, term } of members)
        if (role === 'leader' && mirrored && run === 'running') permits.expect(member, term);
    },
    renew(given, sentAt) {
      const old = permits.renew(given, sentAt);
      refused += old;
      if (old > 0 && !isTold)
        log.warn(`refused permits of an epoch that is older than ${permits.epoch()} (I11)`);
      isTold ||= old > 0;
    },
    refused: () => refused,
  };
}
