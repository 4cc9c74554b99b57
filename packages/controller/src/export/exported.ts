// What every export has in common: whom it is about, and how secrets and scripts are named. Pure.
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  Manifest,
  MemberDeclaration,
  ServiceDeclaration,
} from '@leafward/shared/manifest/types.js';

export interface ExportedFile {
  /** Relative: alpha/docker-compose.yaml */
  readonly path: string;
  readonly text: string;
  readonly isExecutable?: boolean | undefined;
}

export interface Exported {
  readonly files: readonly ExportedFile[];
  /** What it cannot say, for people. */
  readonly notes: readonly string[];
}

export interface PlacedMember {
  readonly service: ServiceDeclaration;
  readonly member: MemberDeclaration;
}

/** In the order of the manifest. @throws LeafwardError `invalid` for a host that it does not have. */
export function placedOn(manifest: Manifest, host: string | undefined): readonly PlacedMember[] {
  const hosts = manifest.hosts.map(({ name }) => name);
  if (host !== undefined && !hosts.includes(host))
    throw new LeafwardError(
      'invalid',
      `export of host ${host}: the manifest has no such host; there are: ${hosts.join(', ')}`,
    );
  return manifest.services.flatMap((service) =>
    service.members
      .filter((member) => host === undefined || member.host === host)
      .map((member) => ({ service, member })),
  );
}

/** Those of the process runtime are no containers. */
export function containersOf(placed: readonly PlacedMember[]): {
  readonly containers: readonly PlacedMember[];
  readonly notes: readonly string[];
} {
  const [containers, processes] = [
    placed.filter(({ service }) => service.runtime === 'docker'),
    placed.filter(({ service }) => service.runtime !== 'docker'),
  ];
  const names = processes.map(({ member }) => member.name).join(', ');
  return {
    containers,
    notes: names === '' ? [] : [`left out, since they are processes and no containers: ${names}`],
  };
}

export const HOOKS = ['preboot', 'concurrent'] as const;

/** What a manifest says and no file of others can. */
export function lostNotes(placed: readonly PlacedMember[]): readonly string[] {
  const mirrored = placed.filter(({ member }) => member.upstream !== undefined);
  const names = mirrored.map(({ member }) => `${member.name} of ${member.upstream ?? ''}`);
  return [
    ...(names.length === 0
      ? []
      : [
          `who mirrors whom is in the cells’ own files: ${names.join(', ')}; whatever restarts an old leader after a failover makes a second one (I2)`,
        ]),
    'backups, drills, updates leafs first and failovers are nobody’s then',
  ];
}
