// Which secrets a plan hands to a member: the newest version of each. Pure; knows names and versions, never a value.
import type { SecretReference, SecretVariables } from '@leafward/shared/gen/domain.js';
import type { MemberDeclaration, ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { Snapshot } from '../snapshot.js';
import type { GateCheck } from './draft.js';
import { offsiteSecretsOf } from './duty.js';
import type { Objection } from './words.js';

/** What `specOf` gets: undefined when the member has no secrets. A name that is not known has version 0. */
export function secretVariables(
  snapshot: Snapshot,
  member: MemberDeclaration,
): SecretVariables | undefined {
  return variablesOf(snapshot, member.secretEnvironment);
}

/** What `intentOf` gets, for the copies of a service's backups. */
export const offsiteVariables = (
  snapshot: Snapshot,
  declaration: ServiceDeclaration,
): SecretVariables | undefined => variablesOf(snapshot, offsiteSecretsOf(declaration));

function variablesOf(
  snapshot: Snapshot,
  names: Readonly<Record<string, string>> = {},
): SecretVariables | undefined {
  const declared = Object.entries(names);
  if (declared.length === 0) return undefined;
  return {
    variables: Object.fromEntries(
      declared.map(([variable, name]): [string, SecretReference] => [
        variable,
        { name, version: versionOf(snapshot, name) ?? 0 },
      ]),
    ),
  };
}

/** Empty for a service without secrets, so that its plans say nothing of them. */
export function secretsGate(
  snapshot: Snapshot,
  declaration: ServiceDeclaration,
): readonly GateCheck[] {
  const users = new Map<string, string[]>();
  const add = (names: Readonly<Record<string, string>>, who: string): void => {
    for (const [variable, name] of Object.entries(names))
      users.set(name, [...(users.get(name) ?? []), `${variable} of ${who}`]);
  };
  for (const member of declaration.members) add(member.secretEnvironment ?? {}, member.name);
  add(offsiteSecretsOf(declaration), 'its copies');
  if (users.size === 0) return [];
  const names = [...users.keys()].sort();
  const objections = names
    .filter((name) => versionOf(snapshot, name) === undefined)
    .map((name) => unknownSecret(name, users.get(name) ?? []));
  return [{ name: 'secrets', passed: `its secrets are known: ${names.join(', ')}`, objections }];
}

function unknownSecret(name: string, places: readonly string[]): Objection {
  return {
    code: 'secret-unknown',
    subject: name,
    message: `there is no secret ${name}, which ${places.join(', ')} would get`,
    unblock: `set it: leafward secret set ${name} --from-file FILE`,
    evidence: [],
  };
}

function versionOf({ secrets = {} }: Snapshot, name: string): number | undefined {
  return Object.hasOwn(secrets, name) ? secrets[name] : undefined;
}
