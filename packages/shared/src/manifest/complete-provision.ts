// How a service's members get their places in a network, from what is written. Pure.
import type { ServiceText } from './schema.js';
import type { ServiceProvision } from './types.js';

/** Undefined: nobody provisions them. */
export function completeProvision({
  provision,
  members,
}: ServiceText): ServiceProvision | undefined {
  if (provision === undefined) return undefined;
  const [first = ''] = Object.keys(members);
  return {
    service: provision.aha,
    network: provision.network,
    alias: first.slice(first.lastIndexOf('.') + 1),
  };
}

/** What it needs comes first; who provisions it is needed by all of it. */
export const afterOf = ({ after = [], provision }: ServiceText): readonly string[] =>
  provision === undefined || after.includes(provision.aha) ? after : [provision.aha, ...after];

/** Where a member's mirrors find it, unless the manifest says otherwise. */
export const provisionedUrl = ({ provision }: ServiceText): string | undefined =>
  provision === undefined ? undefined : `aha://{member}.${provision.network}`;

/** A URL that always means the leader, unless the manifest says another one. */
export function provisionedOptions(text: ServiceText): Readonly<Record<string, string>> {
  const provision = completeProvision(text);
  return provision === undefined
    ? {}
    : { leaderAlias: `aha://${provision.alias}.${provision.network}` };
}
