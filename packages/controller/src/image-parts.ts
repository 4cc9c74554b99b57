// Parts of the memory image as they are after a change. Pure; fleet.ts decides when.
import type { Operation, Waiver } from '@leafward/shared/gen/domain.js';
import type { StoredSecret } from './secrets/seal.js';
import type { AutomaticState, ServiceState } from './snapshot.js';

type Services = Readonly<Record<string, ServiceState>>;

export function withAutomatic(
  services: Services,
  name: string,
  automatic: AutomaticState,
): Services {
  const service = services[name];
  return service === undefined ? services : { ...services, [name]: { ...service, automatic } };
}

export function withOperation(
  operations: readonly Operation[],
  next: Operation,
): readonly Operation[] {
  const others = operations.filter((operation) => operation.id !== next.id);
  const isOpen = next.state === 'running' || next.state === 'paused';
  if (!isOpen) return others;
  return [...others, next].sort((a, b) => a.createdAt - b.createdAt || a.id.localeCompare(b.id));
}

export const otherSecrets = (
  image: { readonly secrets: readonly StoredSecret[] },
  key: { readonly name: string; readonly version: number },
): readonly StoredSecret[] =>
  image.secrets.filter(({ name, version }) => name !== key.name || version !== key.version);

export function otherWaivers(
  image: { readonly waivers: readonly Waiver[] },
  key: { readonly host: string; readonly check: string },
): readonly Waiver[] {
  return image.waivers.filter((waiver) => waiver.host !== key.host || waiver.check !== key.check);
}
