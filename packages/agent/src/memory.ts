// What this agent remembers of its orders, as it says hello with it and tells it to a controller that has lost its
// store. Pure; tells what the journal has, concludes nothing.
import type { Clock } from '@leafward/shared/clock.js';
import type { Hello, Memory, StorageMemory } from '@leafward/shared/gen/domain.js';
import type { Journal, JournalState } from './journal.js';
import type { Permits } from './permits.js';

export interface HelloParts {
  readonly host: string;
  readonly version: string;
  readonly bootId: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly journal: Pick<Journal, 'state'>;
  readonly permits: Pick<Permits, 'epoch'>;
}

export function helloOf({ host, version, bootId, clock, journal, permits }: HelloParts): Hello {
  const { generation = 0, epoch = 0 } = journal.state.intent ?? {};
  return {
    host,
    agentVersion: version,
    bootId,
    generation,
    epoch,
    clockMs: clock.now(),
    newestEpoch: Math.max(epoch, permits.epoch()),
  };
}

/** More than a host ever has; the newest ones count, so that a report stays a message. */
const MAX_STORAGES = 1000;

const told = new WeakMap<JournalState, readonly [Memory]>();

/** The same array for the same state: only what is new must be told again. */
export function memoryOf(state: JournalState): readonly [Memory] {
  const known = told.get(state);
  if (known !== undefined) return known;
  const made: readonly [Memory] = [
    {
      order: state.intent,
      terms: state.terms,
      promotions: state.promotions,
      storages: storagesOf(state).slice(-MAX_STORAGES),
      openRequests: Object.entries(state.requests)
        .filter(([, { outcome }]) => outcome === undefined)
        .map(([id]) => id),
    },
  ];
  told.set(state, made);
  return made;
}

function storagesOf({ retirements, fillings = {} }: JournalState): readonly StorageMemory[] {
  const paths = [...new Set([...Object.keys(fillings), ...Object.keys(retirements)])];
  return paths.flatMap((storage): readonly StorageMemory[] => {
    const retired = retirements[storage];
    const filling = fillings[storage]?.state === 'filled' ? undefined : fillings[storage];
    const member = retired?.member ?? filling?.member;
    if (member === undefined) return [];
    const retirement = retired && {
      service: retired.service,
      term: retired.term,
      at: retired.at,
      reason: retired.reason,
    };
    return [{ storage, member, retirement, filling: filling?.id }];
  });
}
