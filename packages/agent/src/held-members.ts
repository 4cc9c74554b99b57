// Which members and storages this agent's newest order and memory name. Pure; for the parts that look after them.
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Journal } from './journal.js';

interface Holder {
  readonly journal: Pick<Journal, 'state'>;
}

export function intentsOf({ journal }: Holder): readonly MemberIntent[] {
  return journal.state.intent?.members ?? [];
}

/** On which a program that is no member of the process runtime must be seen: an order's, and the retired ones. */
export function runOnHere(parts: Holder): readonly string[] {
  const { retirements } = parts.journal.state;
  const members = intentsOf(parts).filter(({ spec }) => spec.runtime === 'process');
  return [...members.map(({ spec }) => spec.storage), ...Object.keys(retirements)];
}

export function storagesOf(parts: Holder): readonly string[] {
  return intentsOf(parts).map(({ spec }) => spec.storage);
}
