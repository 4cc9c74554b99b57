// What cells become in a manifest: members with the place that each thing came from, secrets by name, and what could not
// be known. Pure.
import { basename, dirname } from 'node:path';
import { kindDefaults } from '@leafward/shared/manifest/kinds.js';
import { NAME_PATTERN } from '@leafward/shared/manifest/name-pattern.js';
import { withoutUser } from '@leafward/shared/url-user.js';
import type { Place } from './compose-file.js';
import { serviceInUrl, serviceOfMember, STORAGE_TARGET, type Cell } from './find-cell.js';
import { isProvisionUrl, isSecret, isSecretWord, secretName } from './secret-names.js';

export interface ImportedSecret extends Place {
  readonly name: string;
  readonly variable: string;
  readonly member: string;
}

/** What a manifest says of a service, for all its members. */
export interface ImportedService {
  readonly name: string;
  readonly image: string;
  readonly networkMode: string;
  readonly stopGraceMs?: number | undefined;
  readonly openFiles?: number | undefined;
  readonly memoryBytes?: number | undefined;
  readonly ahaNetwork?: string | undefined;
  readonly uses: readonly string[];
}

export interface ImportedMember {
  readonly name: string;
  readonly service: ImportedService;
  readonly host: string;
  readonly container?: string | undefined;
  readonly storage: string;
  readonly user: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string | { readonly secret: string }>>;
  readonly mounts: readonly {
    readonly source: string;
    readonly target: string;
    readonly readOnly: boolean;
  }[];
  readonly ports: Readonly<Record<string, number>>;
  readonly containerPorts?: string | undefined;
  /** As its own files say it; null: it leads; undefined: nothing says it. */
  readonly mirror: string | null | undefined;
  readonly comments: readonly string[];
  readonly secrets: readonly ImportedSecret[];
}

/** The container that has a storage mounted, as the Engine says. */
export type ContainerAt =
  | { readonly kind: 'found'; readonly name: string; readonly isRunning: boolean }
  | { readonly kind: 'none' }
  /** The Engine did not answer. */
  | { readonly kind: 'unknown' };

export function importCell(cell: Cell, host: string, container: ContainerAt): ImportedMember {
  const { service, storage, stored } = cell;
  const name = memberName(cell);
  const { environment, secrets, left } = environmentOf(cell, name);
  const { ports, containerPorts } = portsOf(cell);
  const command = commandOf(service.command);
  return {
    name,
    service: {
      name: serviceOfMember(name),
      image: service.image,
      networkMode: service.networkMode,
      stopGraceMs: service.stopGraceMs,
      openFiles: service.openFiles,
      memoryBytes: service.memoryBytes,
      ahaNetwork: stored.ahaNetwork,
      uses: [...new Set([...usedIn(cell), ...service.dependsOn.map(serviceOfMember)])],
    },
    host,
    container: containerName(cell, container),
    storage: storage.source,
    user: service.user ?? '0',
    command: command.words,
    environment,
    mounts: service.volumes
      .filter(({ target }) => target !== STORAGE_TARGET)
      .map(({ source, target, readOnly }) => ({ source, target, readOnly })),
    ports,
    containerPorts,
    mirror: stored.mirror,
    comments: [...commentsOf(cell, name, container), ...left, ...command.comments],
    secrets,
  };
}

/** A manifest has no place for a secret in a command. */
function commandOf(words: readonly string[]): {
  readonly words: readonly string[];
  readonly comments: readonly string[];
} {
  const shown = words.map((word, index) => (isSecretWord(words, index) ? 'SECRET' : word));
  const isWhole = shown.every((word, index) => word === words[index]);
  return {
    words: shown,
    comments: isWhole
      ? []
      : [
          'UNKNOWN: its command holds a secret, written here as SECRET: give it by a variable of the environment instead',
        ],
  };
}

/** AHA's own name of it, where its files say it; else as Compose calls it. */
function memberName({ service, stored }: Cell): string {
  const plain = (text: string): string =>
    text
      .toLowerCase()
      .replaceAll(/[^a-z0-9.-]+/g, '-')
      .replaceAll(/^[^a-z0-9]+|[^a-z0-9]+$/g, '');
  const said = stored.ahaName ?? service.name;
  const name = plain(said);
  return NAME_PATTERN.test(name) ? name : `cell-${name}`.slice(0, 60);
}

function environmentOf(
  { service, stored }: Cell,
  member: string,
): Pick<ImportedMember, 'environment' | 'secrets'> & { readonly left: readonly string[] } {
  const environment: Record<string, string | { readonly secret: string }> = {};
  const secrets: ImportedSecret[] = [];
  const left: string[] = [];
  for (const [variable, { value, from }] of Object.entries(service.environment)) {
    if (isProvisionUrl(variable) && stored.isProvisioned) {
      left.push(`${variable} is left out: its one-time URL was used (prov.done)`);
    } else if (isSecret(variable, value)) {
      const name = secretName(member, variable);
      environment[variable] = { secret: name };
      secrets.push({ name, variable, member, ...from });
    } else environment[variable] = value;
  }
  return { environment, secrets, left };
}

/** On the host's network nothing is published, and the cell's own files say where it listens. */
function portsOf({ service, stored }: Cell): Pick<ImportedMember, 'ports' | 'containerPorts'> {
  if (service.networkMode === 'host') {
    const { listenPort, httpsPort, provisionPort } = stored;
    return {
      ports: {
        ...(listenPort === undefined ? {} : { telepath: listenPort }),
        ...(httpsPort === undefined ? {} : { https: httpsPort }),
        ...(provisionPort === undefined ? {} : { provision: provisionPort }),
      },
    };
  }
  const known: Readonly<Record<number, string>> = {
    27492: 'telepath',
    27272: 'provision',
    4443: 'https',
  };
  const named = service.ports.map(
    (port) => [known[port.container] ?? `p${port.container}`, port] as const,
  );
  const moved = named.filter(([, { host, container }]) => host !== container);
  return {
    ports: Object.fromEntries(named.map(([name, { host }]) => [name, host])),
    ...(moved.length === 0
      ? {}
      : { containerPorts: moved.map(([name, { container }]) => `${name}=${container}`).join(' ') }),
  };
}

function usedIn({ service, stored }: Cell): readonly string[] {
  const named = Object.values(service.environment).flatMap(
    ({ value }) => serviceInUrl(value) ?? [],
  );
  return [...named, ...stored.uses];
}

function containerName({ service }: Cell, container: ContainerAt): string | undefined {
  if (container.kind === 'found') return container.name;
  if (container.kind === 'none') return undefined;
  return service.containerName ?? `${service.project}-${service.name}-1`;
}

function commentsOf(
  { service, storage, stored }: Cell,
  name: string,
  at: ContainerAt,
): readonly string[] {
  const line = service.line === undefined ? '' : `, line ${service.line}`;
  const shortFile = `${basename(dirname(service.file))}/${basename(service.file)}`;
  const { user } = kindDefaults['synapse'] ?? {};
  return [
    `from ${service.file === '-' ? 'standard input' : service.file}${line}, service ${service.name}`,
    ...(stored.ahaName !== undefined && name !== service.name
      ? [`called ${name} by its cell.yaml`]
      : []),
    roleComment(stored),
    ...containerComments(service.containerName, at),
    ...(storage.volume === undefined
      ? []
      : [`its storage is the Engine’s volume ${storage.volume}: look whether it lies there`]),
    ...(service.user === undefined
      ? [`${shortFile} says no user, so that it runs as root; the project’s own is ${user ?? ''}`]
      : []),
    ...(service.restart === undefined
      ? []
      : [`restart: ${service.restart} becomes no: its agent starts it (I2)`]),
    ...service.leftOut.map((key) => `${key} of ${shortFile} has no place here`),
  ];
}

function roleComment({ mirror, from, isReadable }: Cell['stored']): string {
  if (!isReadable)
    return 'UNKNOWN: its storage could not be read, so whether it leads is a guess: look at cell.mods.yaml';
  if (mirror === undefined)
    return 'UNKNOWN: nothing in its storage says whether it leads; it was never started';
  return mirror === null
    ? `leads, by ${from ?? ''}`
    : `mirrors ${withoutUser(mirror)}, by ${from ?? ''}`;
}

function containerComments(said: string | undefined, at: ContainerAt): readonly string[] {
  if (at.kind === 'found')
    return at.isRunning
      ? []
      : ['UNKNOWN: its container does not run; start it before it is deployed'];
  if (at.kind === 'none') return ['no container has its storage mounted: it is made anew'];
  return said === undefined
    ? [
        'UNKNOWN: the Engine did not answer; the container’s name is what Compose calls it by default',
      ]
    : ['the Engine did not answer; the container’s name is the file’s'];
}
