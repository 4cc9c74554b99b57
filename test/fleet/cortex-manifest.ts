// The demo's service: a leader, two mirrors, and a mirror of a mirror, on three hosts of this machine.
import { join } from 'node:path';

export interface CortexMember {
  readonly name: string;
  readonly host: string;
  readonly upstream?: string;
  readonly port: number;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface CortexManifestOptions {
  readonly dir: string;
  readonly image: string;
  readonly members: readonly CortexMember[];
  readonly environment?: Readonly<Record<string, string>>;
  /** The service's policy, as YAML. */
  readonly failover?: string;
  /** The same of its backups. */
  readonly backup?: string;
}

export const storageOf = (dir: string, member: CortexMember): string =>
  join(dir, 'hosts', member.host, member.name);

export function cortexManifest(options: CortexManifestOptions): string {
  const { dir, image, members, environment = {} } = options;
  const hosts = [...new Set(members.map((member) => member.host))];
  const lines = (entries: readonly string[], indent: number): string =>
    entries.map((entry) => `${' '.repeat(indent)}${entry}\n`).join('');
  return `fleet: demo
hosts:
${lines(
  hosts.map((host) => `${host}: { address: 127.0.0.1 }`),
  2,
)}services:
  cortex:
    kind: synapse
    runtime: process
    image: ${image}
    command: ['${process.execPath}', '{image}', '{storage}']
    upstreamUrl: tcp://{address}:{port.telepath}
    environment:
      SYN_CELL_LISTEN: tcp://{address}:{port.telepath}
      SYN_CELL_ADVERTISE: tcp://{address}:{port.telepath}
${lines(
  Object.entries(environment).map(([key, value]) => `${key}: '${value}'`),
  6,
)}    failover: ${options.failover ?? '{ onIsolation: keep, lease: 5s }'}
${options.backup === undefined ? '' : `    backup: ${options.backup}\n`}    members:
${lines(
  members.map(
    (m) =>
      `${m.name}: { host: ${m.host}, storage: '${storageOf(dir, m)}', ports: { telepath: ${m.port} }${m.upstream === undefined ? '' : `, upstream: ${m.upstream}`}${m.environment === undefined ? '' : `, environment: ${JSON.stringify(m.environment)}`} }`,
  ),
  6,
)}`;
}
