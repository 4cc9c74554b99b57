// On which addresses a member's ports can be reached from elsewhere: by what it publishes, or by what its program
// listens on. Reads /proc only.
import { BlockList, isIPv6 } from 'node:net';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { publishedPorts } from '../runtimes/docker/published-ports.js';
import type { HostRoots } from './check.js';
import { findOwners, isProcessOf, readListening } from './listening-sockets.js';

export interface Exposed {
  readonly port: number;
  readonly address: string;
  /** Publishing is an order; what listens was seen. */
  readonly how: 'published' | 'listens';
}

export interface PortsWanted {
  /** Ports of the manifest, by name. */
  readonly isWanted: (name: string) => boolean;
  /** Numbers that these ports have where the manifest does not name them. */
  readonly usual: readonly number[];
}

export const EVERY_ADDRESS = '0.0.0.0';

/** Loopback addresses are in it too: whoever asks judges. */
export function exposedPorts(
  roots: HostRoots,
  member: MemberIntent,
  { isWanted, usual }: PortsWanted,
): readonly Exposed[] {
  const { spec } = member;
  const isOnHost = spec.runtime === 'process' || spec.networkMode === 'host';
  if (!isOnHost)
    return publishedPorts(spec)
      .filter(({ name, containerPort }) => isWanted(name) || usual.includes(containerPort))
      .map(({ hostPort, address }) => ({
        port: hostPort,
        address: address ?? EVERY_ADDRESS,
        how: 'published',
      }));
  const named = Object.entries(spec.ports).flatMap(([name, port]) => (isWanted(name) ? port : []));
  const sockets = readListening(roots).filter(
    ({ port }) => named.includes(port) || usual.includes(port),
  );
  // A number alone says nothing: 9092 may be another program's.
  const unnamed = sockets.filter(({ port }) => !named.includes(port));
  const owners = findOwners(roots, new Set(unnamed.map(({ inode }) => inode)));
  return sockets
    .filter(({ port, inode }) => {
      const pid = owners.get(inode)?.pid;
      return named.includes(port) || (pid !== undefined && isProcessOf(roots, pid, member));
    })
    .map(({ port, address }) => ({ port, address, how: 'listens' }));
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

/** Addresses that no router passes on to the world (RFC 1918, 3927, 4193, 4291, 6598). */
const inside = new BlockList();
for (const [net, bits] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
  ['100.64.0.0', 10],
] as const)
  inside.addSubnet(net, bits);
inside.addSubnet('fc00::', 7, 'ipv6');
inside.addSubnet('fe80::', 10, 'ipv6');

const family = (address: string): 'ipv4' | 'ipv6' => (isIPv6(address) ? 'ipv6' : 'ipv4');

export const isLoopback = (address: string): boolean =>
  address === 'localhost' || loopback.check(address, family(address));

/** Every address of the host is none of these. */
export const isPrivate = (address: string): boolean =>
  isLoopback(address) || inside.check(address, family(address));

export const renderExposed = ({ port, address, how }: Exposed): string => {
  const where = address === EVERY_ADDRESS || address === '::' ? 'every address' : address;
  return how === 'published'
    ? `port ${port} is published on ${where}`
    : `port ${port} listens on ${where}`;
};
