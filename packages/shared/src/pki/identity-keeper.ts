// The identity that a program runs with: the newest one in memory, the same on disk, and who wants to know when it
// changes. The disk comes first, so that a crash never loses the only key of a certificate.
import type { ClientMaterial } from '../rpc/credentials.js';
import { loadIdentity, saveIdentity, type StoredIdentity } from './identity-directory.js';
import { parseIdentity, type Identity } from './identity.js';

export interface IdentityKeeper {
  current(): StoredIdentity;
  /** What its certificate says. */
  certificate(): Identity;
  /** For FreshChannelCredentials. */
  readonly material: () => ClientMaterial;
  /** Durable when it returns. */
  replace(next: StoredIdentity): Promise<void>;
  /** @returns what ends the subscription. */
  onChange(listener: () => void): () => void;
}

/** @throws LeafwardError as loadIdentity does. */
export async function openIdentity(directory: string): Promise<IdentityKeeper> {
  let current = await loadIdentity(directory);
  let certificate = parseIdentity(current.certificatePem);
  const listeners = new Set<() => void>();
  return {
    current: () => current,
    certificate: () => certificate,
    material: () => current,
    replace: async (next) => {
      await saveIdentity(directory, next);
      current = next;
      certificate = parseIdentity(next.certificatePem);
      for (const listener of listeners) listener();
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
