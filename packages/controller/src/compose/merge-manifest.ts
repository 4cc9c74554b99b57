// Writes imported members into a manifest's text, new or there already, and keeps every comment of it. Pure.
import { Document, isMap, isScalar, parseDocument, Scalar, type YAMLMap } from 'yaml';
import { LeafwardError } from '@leafward/shared/errors.js';
import { kindDefaults } from '@leafward/shared/manifest/kinds.js';
import { withoutUser } from '@leafward/shared/url-user.js';
import { serviceInUrl } from './find-cell.js';
import type { ImportedMember } from './imported.js';

export interface MergeOptions {
  readonly fleet: string;
  readonly host: string;
  /** Text of the manifest that they go into. Undefined: a new one. */
  readonly into?: string | undefined;
}

const HEAD = ` What runs today, as \`leafward import compose\` found it. Look at every line, then: leafward plan deploy FILE
 Containers are taken over as they are, without a restart; what is marked UNKNOWN is for you to find out.`;

/** @throws LeafwardError `invalid` for a text that is no manifest, or a member that another host has. */
export function mergeManifest(members: readonly ImportedMember[], options: MergeOptions): string {
  const document = documentOf(options);
  const hosts = mapAt(document, ['hosts']);
  if (!hosts.has(options.host))
    hosts.set(document.createNode(options.host), document.createNode({}));
  for (const member of members) addService(document, member);
  for (const member of members) addMember(document, member);
  for (const member of members) setUpstream(document, member, members);
  addOrder(document, members);
  return document.toString({ lineWidth: 110, flowCollectionPadding: true });
}

function documentOf({ fleet, into }: MergeOptions): Document {
  if (into === undefined) {
    const document = new Document({ fleet, hosts: {}, services: {} });
    document.commentBefore = HEAD;
    return document;
  }
  const document = parseDocument(into);
  if (document.errors.length > 0 || !isMap(document.contents))
    throw new LeafwardError(
      'invalid',
      `merge into the manifest: it is no YAML mapping: ${document.errors[0]?.message ?? 'it is empty'}`,
    );
  return document;
}

const keyOf = (key: unknown): string => String(isScalar(key) ? key.value : key);

/** Made where it is not there. */
function mapAt(document: Document, path: readonly string[]): YAMLMap {
  const found: unknown = document.getIn(path, true);
  if (isMap(found)) return found;
  document.setIn(path, document.createNode({}));
  return document.getIn(path, true) as YAMLMap;
}

/** What all its members share; what is there already stays. */
function addService(document: Document, { name: member, service }: ImportedMember): void {
  const at = ['services', service.name];
  const isThere = document.hasIn(at);
  const entry = mapAt(document, at);
  const set = (key: string, value: unknown): void => {
    if (value !== undefined && !entry.has(key))
      entry.set(document.createNode(key), document.createNode(value));
  };
  const before: unknown = entry.get('image');
  if (isThere && before !== undefined && before !== service.image)
    comment(
      entry,
      'image',
      ` UNKNOWN: ${member} has ${service.image}; members of one service have one image`,
    );
  set('kind', 'synapse');
  set('image', service.image);
  if (service.networkMode !== kindDefaults['synapse']?.networkMode)
    set('networkMode', service.networkMode);
  if (service.ahaNetwork !== undefined && service.name !== 'aha') {
    set('upstreamUrl', `aha://{member}.${service.ahaNetwork}`);
    set('engine', { leaderAlias: `aha://${service.name}.${service.ahaNetwork}` });
  }
  if (service.stopGraceMs !== undefined)
    set('stopGrace', `${service.stopGraceMs}ms`.replace(/000ms$/, 's'));
  const { openFiles, memoryBytes } = service;
  if (openFiles !== undefined || memoryBytes !== undefined)
    set('limits', {
      ...(memoryBytes === undefined ? {} : { memory: sizeText(memoryBytes) }),
      ...(openFiles === undefined ? {} : { openFiles }),
    });
  mapAt(document, [...at, 'members']);
}

const sizeText = (bytes: number): string =>
  bytes % 2 ** 20 === 0 ? `${bytes / 2 ** 20}MiB` : `${bytes}B`;

function addMember(document: Document, member: ImportedMember): void {
  const { name, service, host, storage, user, command, environment, mounts, ports } = member;
  const at = ['services', service.name, 'members', name];
  const there: unknown = document.getIn([...at, 'host']);
  if (typeof there === 'string' && there !== host)
    throw new LeafwardError(
      'invalid',
      `merge ${name} of ${host}: the manifest has it on ${there} already; rename one of them`,
    );
  const entry = document.createNode({
    host,
    ...(member.container === undefined ? {} : { container: member.container }),
    ...(storage === `/srv/syn/${name}/storage` ? {} : { storage }),
    ...(user === kindDefaults['synapse']?.user ? {} : { user }),
    ...(command.length === 0 ? {} : { command }),
    ...(Object.keys(environment).length === 0 ? {} : { environment }),
    ...(mounts.length === 0
      ? {}
      : {
          mounts: mounts.map(({ readOnly, ...rest }) => (readOnly ? { ...rest, readOnly } : rest)),
        }),
    ...(Object.keys(ports).length === 0 ? {} : { ports }),
    ...(member.containerPorts === undefined
      ? {}
      : { engine: { containerPorts: member.containerPorts } }),
  });
  const members = mapAt(document, at.slice(0, -1));
  members.delete(name);
  members.set(document.createNode(name), entry);
  comment(members, name, member.comments.map((line) => ` ${line}`).join('\n'));
}

function comment(map: YAMLMap, name: string, text: string): void {
  const pair = map.items.find(({ key }) => keyOf(key) === name);
  if (pair === undefined) return;
  if (!isScalar(pair.key)) pair.key = new Scalar(name);
  (pair.key as Scalar).commentBefore = text;
}

/** By the URL that its files say: a member's own, or the alias, which means the leader. */
function setUpstream(
  document: Document,
  { name, service, mirror }: ImportedMember,
  imported: readonly ImportedMember[],
): void {
  if (typeof mirror !== 'string') return;
  const at = ['services', service.name];
  const url = withoutUser(mirror);
  const members = mapAt(document, [...at, 'members']);
  const names = members.items.map(({ key }) => keyOf(key));
  const template: unknown = document.getIn([...at, 'upstreamUrl']);
  const named = names.find(
    (other) =>
      other !== name &&
      (url === urlOf(template, other) || new RegExp(`^aha://${escaped(other)}(?:\\.|$)`).test(url)),
  );
  const leader = names.find(
    (other) => other !== name && leads(document, [...at, 'members', other], imported),
  );
  const isAlias = serviceInUrl(url) === service.name && !/^aha:\/\/\d+\./.test(url);
  const upstream = named ?? leader ?? memberIn(url) ?? names.find((other) => other !== name);
  if (upstream === undefined) return;
  const entry = mapAt(document, [...at, 'members', name]);
  const host = entry.items.findIndex(({ key }) => keyOf(key) === 'host');
  entry.delete('upstream');
  entry.items.splice(host + 1, 0, document.createPair('upstream', upstream));
  if (isAlias) {
    const engine = mapAt(document, [...at, 'engine']);
    engine.set('leaderAlias', url);
  } else if (url !== urlOf(template, upstream) && names.includes(upstream))
    // What its mirrors have in their files is what must stay there.
    document.setIn([...at, 'members', upstream, 'upstreamUrl'], url);
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

const urlOf = (template: unknown, member: string): string | undefined =>
  typeof template === 'string' ? template.replaceAll('{member}', member) : undefined;

/** `00.cortex` of `aha://00.cortex.loop.vertex.link`, on a host that was not imported yet. */
const memberIn = (url: string): string | undefined => /^aha:\/\/(\d+\.[a-z0-9-]+)/.exec(url)?.[1];

function leads(
  document: Document,
  at: readonly string[],
  imported: readonly ImportedMember[],
): boolean {
  const own = imported.find(({ name }) => name === at.at(-1));
  return own === undefined ? !document.hasIn([...at, 'upstream']) : typeof own.mirror !== 'string';
}

/** AHA before all others, and what a service names in its URLs before it. */
function addOrder(document: Document, members: readonly ImportedMember[]): void {
  const uses = (name: string): readonly string[] =>
    members.filter(({ service }) => service.name === name).flatMap(({ service }) => service.uses);
  const services = mapAt(document, ['services']);
  const names = services.items.map(({ key }) => keyOf(key));
  for (const name of names) {
    const entry = mapAt(document, ['services', name]);
    if (entry.has('after') || name === 'aha') continue;
    const after = names.filter(
      (other) => other !== name && (other === 'aha' || uses(name).includes(other)),
    );
    if (after.length > 0) {
      const pair = document.createPair('after', document.createNode(after, { flow: true }));
      entry.items.splice(2, 0, pair);
    }
  }
}
