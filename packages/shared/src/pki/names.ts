// The names of identities: spiffe://<fleet>/<kind>/<name>, the only thing that a certificate says of its owner.
import { LeafwardError } from '../errors.js';

export type IdentityKind = 'agent' | 'user' | 'controller';

export interface IdentityName {
  readonly kind: IdentityKind;
  readonly name: string;
  readonly fleet: string;
}

// One label of a host or user name: what DNS and SPIFFE both allow, so that nothing is ever to be escaped.
const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/;
const SPIFFE = /^spiffe:\/\/([^/]+)\/(agent|user|controller)\/([^/]+)$/;

export const isName = (text: string): boolean => NAME.test(text);

/** @throws LeafwardError `invalid`. `what` says whose name it is. */
export function checkName(text: string, what: string): string {
  if (isName(text)) return text;
  throw new LeafwardError(
    'invalid',
    `${what} ${JSON.stringify(text.slice(0, 80))}: 1 to 63 of a-z, 0-9, dot, dash and underscore, with a letter or digit at both ends`,
  );
}

export function spiffeOf(identity: IdentityName): string {
  checkName(identity.fleet, 'the fleet');
  checkName(identity.name, `the ${identity.kind}`);
  return `spiffe://${identity.fleet}/${identity.kind}/${identity.name}`;
}

/** Undefined when the text is not exactly what spiffeOf writes. */
export function parseSpiffe(text: string): IdentityName | undefined {
  const [, fleet, kind, name] = SPIFFE.exec(text) ?? [];
  if (fleet === undefined || name === undefined || !isName(fleet) || !isName(name))
    return undefined;
  return { fleet, kind: kind as IdentityKind, name };
}
