// Where a member is, for what is asked of its agent. Decides nothing.
import type { Snapshot } from '../snapshot.js';

export interface MemberPlace {
  readonly host: string;
  readonly member: string;
  readonly term: number;
}

/** Of all members that a host has an order for. */
export function memberPlaces(snapshot: Snapshot): readonly MemberPlace[] {
  return Object.values(snapshot.hosts).flatMap(({ name: host, intent }) =>
    (intent?.members ?? []).map(({ member, service, term }) => ({
      host,
      member,
      term: snapshot.services[service]?.topology.term ?? term,
    })),
  );
}
