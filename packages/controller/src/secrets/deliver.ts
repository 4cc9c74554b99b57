// Hands out what an order names, to the session of the host that the order is for, and to nobody else.
import type { HostIntent, SecretValue } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { secretKey, secretsOfIntent } from '@leafward/shared/secrets.js';
import type { StoredSecret } from './seal.js';
import type { Vault } from './vault.js';

export interface DeliveryOptions {
  readonly vault: Vault;
  readonly secrets: () => readonly StoredSecret[];
  readonly log: Logger;
}

/** What cannot be read is left out and told in the log: its members wait for it, and say so. */
export function secretsFor(options: DeliveryOptions, intent: HostIntent): readonly SecretValue[] {
  const { vault, log } = options;
  const known = new Map(options.secrets().map((secret) => [secretKey(secret), secret]));
  return secretsOfIntent(intent).flatMap((reference) => {
    const secret = known.get(secretKey(reference));
    const plaintext = secret && vault.unseal(secret);
    if (plaintext !== undefined) return [{ ...reference, plaintext }];
    log.error(
      { host: intent.host, secret: secretKey(reference) },
      `the secret ${secretKey(reference)} cannot be given to ${intent.host}: ${secret === undefined ? 'the store does not have it' : 'it was sealed with another key than the one in secrets.key'}; set it anew and deploy`,
    );
    return [];
  });
}
