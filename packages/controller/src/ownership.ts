// Whether this controller still owns its store. A controller that was replaced and commits nothing would never learn
// of it and go on confirming terms (I11); so every permit asks here. One small read is shared by all reports of a
// moment, never one a report.
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';

/**
 * How long one look counts. Whoever takes the store over knows that nobody before it confirmed a term later than this
 * after the takeover; so it is part of the wait of every fence of a new controller, and short.
 */
export const OWNED_MS = 500;

export interface OwnershipOptions {
  readonly clock: Clock;
  readonly epoch: number;
  /** The epoch in the store now. */
  readonly read: () => Promise<number>;
  /** Called once: another one took over. */
  readonly onLost: (error: LeafwardError) => void;
}

export interface Ownership {
  /** Never rejects: a store that does not say is not known to be owned. */
  isOwned(): Promise<boolean>;
}

export function createOwnership({ clock, epoch, read, onLost }: OwnershipOptions): Ownership {
  let seenAt = -Infinity;
  let isLost = false;
  let looking: Promise<boolean> | undefined;
  const look = async (): Promise<boolean> => {
    // What is read was so at the beginning of the read, at least.
    const beganAt = clock.monotonic();
    try {
      const now = await read();
      if (now === epoch) {
        seenAt = beganAt;
        return true;
      }
      if (!isLost) onLost(replacedBy(now, epoch));
      isLost = true;
      return false;
    } catch {
      return false;
    } finally {
      looking = undefined;
    }
  };
  return {
    isOwned: async () => {
      if (isLost) return false;
      if (clock.monotonic() - seenAt < OWNED_MS) return true;
      const owned = await (looking ??= look());
      return owned && clock.monotonic() - seenAt < OWNED_MS;
    },
  };
}

export interface TenureOptions {
  readonly clock: Clock;
  readonly store: {
    epoch(): Promise<number>;
    takeOver(above: number): Promise<number>;
  };
  readonly onLost?: ((error: LeafwardError) => void) | undefined;
}

/** The epoch of the one in charge, and whether it still is. */
export interface Tenure extends Ownership {
  epoch(): number;
  /** A store that was lost has forgotten this epoch: from now on the one in charge has one above it. */
  raiseAbove(epoch: number): Promise<void>;
}

export function createTenure({ clock, store, onLost }: TenureOptions, epoch: number): Tenure {
  const begin = (taken: number) => ({
    epoch: taken,
    ownership: createOwnership({
      clock,
      epoch: taken,
      read: () => store.epoch(),
      // A look that began before it was raised has seen our own hand.
      onLost: (error) => {
        if (!isRaising && current.epoch === taken) onLost?.(error);
      },
    }),
  });
  let isRaising = false;
  let current = begin(epoch);
  return {
    epoch: () => current.epoch,
    isOwned: () => current.ownership.isOwned(),
    raiseAbove: async (known) => {
      if (known <= current.epoch) return;
      isRaising = true;
      try {
        current = begin(await store.takeOver(known));
      } finally {
        isRaising = false;
      }
    },
  };
}

function replacedBy(now: number, epoch: number): LeafwardError {
  return new LeafwardError(
    'stale',
    `confirm terms as controller epoch ${epoch}: epoch ${now} has taken over; this controller must end`,
  );
}
