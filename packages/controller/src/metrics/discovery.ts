// Where the members' own metrics are, for Prometheus's HTTP service discovery: one group a process. Pure; says
// names and addresses only (I14).
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';

/** One entry of the list that Prometheus asks for (HTTP SD, version 1). */
export interface TargetGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

const EVERY_ADDRESS = new Set(['0.0.0.0', '::']);

/** Of each member that shall run and names a port `metrics`, sorted by service and member. */
export function targetGroups(snapshot: Snapshot): readonly TargetGroup[] {
  const { manifest, hosts } = snapshot;
  return Object.values(hosts)
    .flatMap((host) => (host.intent?.members ?? []).map((intent) => ({ host: host.name, intent })))
    .filter(({ intent }) => intent.run === 'running')
    .sort((a, b) => keyOf(a.intent).localeCompare(keyOf(b.intent)))
    .flatMap(({ host, intent }) => {
      const { metrics } = intent.spec.ports;
      if (metrics === undefined) return [];
      const declared = manifest?.hosts.find(({ name }) => name === host)?.address;
      const address = listenAddress(intent) ?? declared ?? host;
      return [{ targets: [withPort(address, metrics)], labels: labelsOf(host, intent) }];
    });
}

const keyOf = ({ service, member }: MemberIntent): string => `${service}/${member}`;

/** Where a container publishes its ports when that is one address only. */
function listenAddress({ spec }: MemberIntent): string | undefined {
  const address = spec.engineOptions['publishAddress'];
  return address === undefined || EVERY_ADDRESS.has(address) ? undefined : address;
}

const withPort = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

/** `worker`: the application of a process of a stack, as `homeserver`, `pusher`, `generic_worker`. */
function labelsOf(host: string, { service, member, spec }: MemberIntent): TargetGroup['labels'] {
  const application = spec.environment['SYNAPSE_WORKER'] ?? spec.engineOptions['application'];
  return {
    service,
    member,
    host,
    ...(application === undefined ? {} : { worker: application.replace(/^synapse\.app\./, '') }),
  };
}
