// Parts of the memory image as they are after a change; fleet.ts decides when.
import type { Backup, HostIntent, Operation, Waiver } from '@leafward/shared/gen/domain.js';
import type { LiveHost } from './live-hosts.js';
import { leasesAfter } from './planning/lease.js';
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

export const newestFirst = (
  byHost: Readonly<Record<string, readonly Backup[]>>,
): readonly Backup[] =>
  Object.values(byHost)
    .flat()
    .sort((a, b) => b.finishedAt - a.finishedAt);

export function orderLeases(live: Map<string, LiveHost>, order: HostIntent): void {
  const host = live.get(order.host);
  if (host?.leases !== undefined)
    live.set(host.name, { ...host, leases: leasesAfter(host.leases, order) });
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
