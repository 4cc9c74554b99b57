// A manifest as compose files, one for each host, as the deployment guide writes them. Pure; secrets by name only (I14).
import { Document } from 'yaml';
import { HOOKS_TARGET } from '@leafward/shared/manifest/complete-hooks.js';
import type { Manifest } from '@leafward/shared/manifest/types.js';
import {
  containersOf,
  HOOKS,
  lostNotes,
  placedOn,
  type Exported,
  type ExportedFile,
  type PlacedMember,
} from './exported.js';

/** A reference that Compose refuses to leave empty. */
const reference = (secret: string): string => {
  const name = secret.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_');
  return `\${${/^\d/.test(name) ? `SECRET_${name}` : name}:?the secret ${secret}}`;
};

/** Compose reads `$` as a variable. */
const literal = (text: string): string => text.replaceAll('$', '$$$$');

export function exportCompose(manifest: Manifest, host?: string): Exported {
  const { containers, notes } = containersOf(placedOn(manifest, host));
  const hosts = manifest.hosts
    .map(({ name }) => name)
    .filter((name) => containers.some(({ member }) => member.host === name));
  return {
    files: hosts.flatMap((name) => {
      const here = containers.filter(({ member }) => member.host === name);
      return [
        { path: `${name}/docker-compose.yaml`, text: composeFile(name, here) },
        ...here.flatMap((placed) => hookFiles(name, placed)),
      ];
    }),
    notes: [...notes, ...lostNotes(containers)],
  };
}

function composeFile(host: string, placed: readonly PlacedMember[]): string {
  const services = Object.fromEntries(
    placed.map((one) => [one.member.name, serviceOf(one, placed)] as const),
  );
  const document = new Document({ services });
  document.commentBefore = ` Host ${host}. Values of secrets come from the shell or from .env beside this file.`;
  return document.toString({ lineWidth: 110 });
}

function serviceOf({ service, member }: PlacedMember, here: readonly PlacedMember[]): object {
  const { limits, networkMode, stopGraceMs } = service;
  const secrets = Object.entries(member.secretEnvironment ?? {});
  const environment = Object.fromEntries([
    ...Object.entries(member.environment).map(([key, value]) => [key, literal(value)] as const),
    ...secrets.map(([key, secret]) => [key, reference(secret)] as const),
  ]);
  const needed = here
    .filter((other) => service.after.includes(other.service.name))
    .map((other) => other.member.name);
  const seconds = Math.ceil(stopGraceMs / 1000);
  return {
    image: service.image,
    ...(member.user === undefined ? {} : { user: member.user }),
    ...(member.command.length === 0 ? {} : { command: member.command.map(literal) }),
    network_mode: networkMode,
    restart: 'unless-stopped',
    stop_grace_period: `${seconds}s`,
    ...(needed.length === 0 ? {} : { depends_on: needed }),
    volumes: volumesOf({ service, member }),
    ...(Object.keys(environment).length === 0 ? {} : { environment }),
    ...portsOf({ service, member }),
    ...(limits.openFiles === undefined ? {} : { ulimits: { nofile: limits.openFiles } }),
    ...(limits.memoryBytes === undefined ? {} : { mem_limit: `${limits.memoryBytes}b` }),
  };
}

const volumesOf = ({ service, member }: PlacedMember): readonly string[] => [
  `${member.storage}:${service.storageTarget}`,
  ...member.mounts.map(
    ({ source, target, readOnly }) => `${source}:${target}${readOnly ? ':ro' : ''}`,
  ),
  ...HOOKS.filter((name) => member.hooks?.[name] !== undefined).map(
    (name) => `./boothooks/${member.name}/${name}.sh:${HOOKS_TARGET}/${name}.sh:ro`,
  ),
];

/** On the host's own network every port is the host's already. */
function portsOf({ service, member }: PlacedMember): { readonly ports?: readonly string[] } {
  const ports = Object.entries(member.ports);
  if (ports.length === 0 || service.networkMode === 'host') return {};
  const inside = new Map(
    (member.engineOptions['containerPorts'] ?? '')
      .split(/\s+/)
      .map((pair) => pair.split('='))
      .map(([name = '', port = '']) => [name, port]),
  );
  const address = member.engineOptions['publishAddress'];
  const prefix = address === undefined ? '' : `${address}:`;
  return { ports: ports.map(([name, port]) => `${prefix}${port}:${inside.get(name) ?? port}`) };
}

function hookFiles(host: string, { member }: PlacedMember): readonly ExportedFile[] {
  return HOOKS.flatMap((name) => {
    const text = member.hooks?.[name];
    if (text === undefined) return [];
    const path = `${host}/boothooks/${member.name}/${name}.sh`;
    return [{ path, text: text.endsWith('\n') ? text : `${text}\n`, isExecutable: true }];
  });
}
