// Secrets as operators order them: a value comes in, is sealed, and is never shown again. Names and versions are all
// that an answer, an audit row or an error holds (I14).
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { OperatorService, SecretView } from '@leafward/shared/gen/domain.js';
import type { ServiceHandlers } from '@leafward/shared/rpc/service.js';
import { assertSecretName, assertSecretValue } from '@leafward/shared/secrets.js';
import type { Change } from '../changes.js';
import type { Fleet } from '../fleet.js';
import type { StoredSecret } from '../secrets/seal.js';
import { newestByName, usersOf, usesInIntents } from '../secrets/uses.js';
import type { Vault } from '../secrets/vault.js';
import type { Snapshot } from '../snapshot.js';
import type { Operator } from './access.js';

export interface SecretDeskOptions {
  readonly fleet: Fleet;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly audit: (row: { who: string; what: string; subject: string; result: string }) => void;
}

/** More is a mistake: a fleet of 100 services has some hundreds. */
const MAX_SECRETS = 1000;

type SecretCalls = Pick<
  ServiceHandlers<OperatorService, Operator>,
  'setSecret' | 'listSecrets' | 'removeSecret'
>;

export function secretCalls(options: SecretDeskOptions): SecretCalls {
  const { fleet, audit } = options;
  /** A name that cannot be one may be a value that slipped: it is not written down. */
  const audited = async <T>(
    who: Operator,
    what: string,
    name: string,
    act: () => Promise<T>,
  ): Promise<T> => {
    assertSecretName(name);
    try {
      const value = await act();
      audit({ who: who.name, what, subject: name, result: 'done' });
      return value;
    } catch (error) {
      audit({ who: who.name, what, subject: name, result: messageOf(error) });
      throw error;
    }
  };
  return {
    setSecret: ({ name, plaintext }, { caller }) =>
      audited(caller, 'set secret', name, () => setSecret(options, name, plaintext, caller)),
    listSecrets: async () => ({ secrets: viewsOf(options, fleet.snapshot()) }),
    removeSecret: ({ name }, { caller }) =>
      audited(caller, 'remove secret', name, () => removeSecret(fleet, name)),
  };
}

async function setSecret(
  { fleet, vault, clock }: SecretDeskOptions,
  name: string,
  plaintext: string,
  by: Operator,
) {
  assertSecretValue(name, plaintext);
  await vault.ready();
  return fleet.transact((snapshot) => {
    const newest = newestByName(fleet.secrets());
    const before = newest.get(name);
    // The same value again restarts nobody.
    if (before !== undefined && vault.unseal(before) === plaintext)
      return { changes: [], value: { secret: viewOf(vault, snapshot, before) } };
    if (before === undefined && newest.size >= MAX_SECRETS)
      throw new LeafwardError('exhausted', `set secret ${name}: there are ${newest.size} already`);
    const version = (before?.version ?? 0) + 1;
    const made = { name, version, madeAt: clock.now(), madeBy: by.name };
    const secret = vault.seal(made, plaintext);
    return {
      changes: [{ kind: 'secret', secret }],
      value: { secret: viewOf(vault, snapshot, secret) },
    };
  });
}

function removeSecret(fleet: Fleet, name: string): Promise<Record<never, never>> {
  return fleet.transact((snapshot) => {
    const newest = newestByName(fleet.secrets()).get(name);
    if (newest?.sealed === undefined) throw noSuchSecret(name, snapshot);
    const users = usersOf(snapshot, name);
    if (users.length > 0)
      throw new LeafwardError(
        'refused',
        `remove secret ${name}: it is used by ${users.join(', ')}; take it out of the manifest and deploy that first`,
      );
    const older = fleet
      .secrets()
      .filter((secret) => secret.name === name && secret.version !== newest.version);
    return {
      changes: [
        ...older.map(({ version }): Change => ({ kind: 'forget-secret', name, version })),
        { kind: 'secret', secret: { ...newest, sealed: undefined } },
      ],
      value: {},
    };
  });
}

function viewsOf({ fleet, vault }: SecretDeskOptions, snapshot: Snapshot): readonly SecretView[] {
  return [...newestByName(fleet.secrets()).values()]
    .filter(({ sealed }) => sealed !== undefined)
    .sort((a, b) => a.name.localeCompare(b.name))
    .map((secret) => viewOf(vault, snapshot, secret));
}

function viewOf(vault: Vault, snapshot: Snapshot, secret: StoredSecret): SecretView {
  const { name, version, madeAt, madeBy } = secret;
  return {
    name,
    version,
    madeAt,
    madeBy,
    usedBy: usesInIntents(snapshot)
      .filter((use) => use.name === name)
      .map((use) => ({ member: use.member, version: use.version })),
    readable: vault.unseal(secret) !== undefined,
  };
}

function noSuchSecret(name: string, { secrets = {} }: Snapshot): LeafwardError {
  const known = Object.keys(secrets).sort();
  const others = known.length === 0 ? 'there are none yet' : `there are: ${known.join(', ')}`;
  return new LeafwardError(
    'not-found',
    `remove secret ${name}: there is no such secret; ${others}`,
  );
}
