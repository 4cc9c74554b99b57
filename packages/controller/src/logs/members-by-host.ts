// Whose lines an operator means: members by their names, or all of a service. Pure.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Snapshot } from '../snapshot.js';

const MOST_MEMBERS = 64;

/** @throws LeafwardError `not-found` with what there is, `invalid` for too many or none. */
export function membersByHost(
  snapshot: Snapshot,
  subjects: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const all = Object.values(snapshot.hosts).flatMap(({ name, intent }) =>
    (intent?.members ?? []).map(({ member, service }) => ({ host: name, member, service })),
  );
  const unknown = subjects.filter(
    (subject) => !all.some(({ member, service }) => member === subject || service === subject),
  );
  if (unknown.length > 0) {
    const known = [...new Set(all.map(({ member }) => member))].sort();
    throw new LeafwardError(
      'not-found',
      `logs: there is no member or service ${unknown.join(', ')}; ${known.length === 0 ? 'nothing is deployed yet' : `there are: ${known.join(', ')}`}`,
    );
  }
  const wanted = all.filter(
    ({ member, service }) => subjects.includes(member) || subjects.includes(service),
  );
  if (wanted.length === 0 || wanted.length > MOST_MEMBERS)
    throw new LeafwardError(
      'invalid',
      `logs: of one to ${MOST_MEMBERS} members at once, not of ${wanted.length}`,
    );
  const hosts = new Map<string, string[]>();
  for (const { host, member } of wanted) hosts.set(host, [...(hosts.get(host) ?? []), member]);
  return hosts;
}
