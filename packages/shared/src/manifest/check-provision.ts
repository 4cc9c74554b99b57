// Services whose members get their places in a network by one-time URLs: what must fit together before any of them is
// started, since the registry checks nothing. Pure. By the project's deployment guide and the services' own rules.
import type { Place } from './check-backups.js';
import type { Tell } from './complete.js';
import { environmentPrefixOf } from './environment-prefix.js';
import type { MemberDeclaration, ServiceDeclaration } from './types.js';

/** What a provisioned member finds in its storage; its environment would win over it. */
const PROVISIONED = [
  'AHA_PROVISION',
  'AHA_NAME',
  'AHA_NETWORK',
  'AHA_LEADER',
  'AHA_REGISTRY',
  'AHA_USER',
  'DMON_LISTEN',
  'MIRROR',
];
/** Where a member makes one of its own when it is not told of the fleet's. */
const SHARED = ['AXON', 'JSONSTOR'];
/** A certificate's name holds no more. */
const MOST_NAME_LENGTH = 64;
/** What a cell takes when nobody says another one. */
const USUAL_HTTPS = 4443;
/** From here on a network and a name are enough of AHA's configuration. */
const NEW_STYLE_MINOR = 178;

export function checkProvision(
  service: ServiceDeclaration,
  services: readonly ServiceDeclaration[],
  tell: Tell,
): void {
  const { provision } = service;
  if (provision === undefined) return;
  const at = ['services', service.name, 'provision'];
  if (service.kind !== 'synapse')
    tell(at, `only services of kind synapse are provisioned; ${service.name} is ${service.kind}`);
  const registry = services.find(({ name }) => name === provision.service);
  if (provision.service === service.name)
    tell([...at, 'aha'], 'a registry is not provisioned by itself');
  else if (registry === undefined)
    tell([...at, 'aha'], `there is no service ${provision.service} that could provision it`);
  else checkRegistry(registry, provision.network, at, tell);
  checkNames(service, tell);
  for (const member of service.members) checkEnvironment(service, member, tell);
  checkShared(service, tell);
}

const pathOf = (service: ServiceDeclaration, member: MemberDeclaration): string[] => [
  'services',
  service.name,
  'members',
  member.name,
];

/** Old and new style by the version that its image's tag says; a tag that says none is taken for new. */
function checkRegistry(
  registry: ServiceDeclaration,
  network: string,
  at: readonly string[],
  tell: Tell,
): void {
  if (registry.kind !== 'synapse')
    return tell(
      [...at, 'aha'],
      `${registry.name} is ${registry.kind}; AHA is a service of kind synapse`,
    );
  const [minor] = /[:-]v?2\.(\d+)\.\d+/.exec(registry.image)?.slice(1).map(Number) ?? [];
  const isOld = minor !== undefined && minor < NEW_STYLE_MINOR;
  for (const { environment, secretEnvironment = {} } of registry.members) {
    const has = (key: string): boolean =>
      `SYN_AHA_${key}` in { ...environment, ...secretEnvironment };
    const lacks = (isOld ? ['AHA_NAME', 'DMON_LISTEN', 'PROVISION_LISTEN'] : []).filter(
      (key) => !has(key),
    );
    if (!isOld && !has('DNS_NAME') && !has('PROVISION_LISTEN')) lacks.push('DNS_NAME');
    for (const key of lacks)
      tell(
        ['services', registry.name, 'environment'],
        `AHA ${isOld ? `of 2.${minor}` : 'of 2.178 and later'} provisions nobody without SYN_AHA_${key}`,
      );
    const own = environment['SYN_AHA_AHA_NETWORK'];
    if (own !== undefined && own !== network)
      tell(
        [...at, 'network'],
        `the network of ${registry.name} is ${own} (SYN_AHA_AHA_NETWORK), not ${network}`,
      );
    else if (own === undefined && !has('AHA_NETWORK'))
      tell(
        ['services', registry.name, 'environment'],
        'AHA provisions nobody without SYN_AHA_AHA_NETWORK',
      );
  }
}

function checkNames(service: ServiceDeclaration, tell: Tell): void {
  const { network = '', alias = '' } = service.provision ?? {};
  for (const member of service.members) {
    const path = pathOf(service, member);
    const labels = member.name.split('.');
    if (labels.length !== 2 || labels.at(-1) !== alias)
      tell(
        path,
        `a provisioned member is called NN.${alias}, so that the registry knows its leader as ${alias}: for example 00.${alias}`,
      );
    if (`${member.name}.${network}`.length > MOST_NAME_LENGTH)
      tell(
        path,
        `${member.name}.${network} has more than ${MOST_NAME_LENGTH} characters, which no certificate can hold`,
      );
  }
}

function checkEnvironment(
  service: ServiceDeclaration,
  member: MemberDeclaration,
  tell: Tell,
): void {
  const prefix = environmentPrefixOf(service.image, member.engineOptions);
  // What a manifest says is no pattern.
  const isOf = (name: string, key: string): boolean =>
    prefix === undefined
      ? new RegExp(`^SYN_[A-Z0-9]+_${key}$`).test(name)
      : name === `${prefix}${key}`;
  const names = Object.keys({ ...member.environment, ...member.secretEnvironment });
  for (const name of names) {
    const key = PROVISIONED.find((one) => isOf(name, one));
    if (key !== undefined)
      tell(
        [...pathOf(service, member), 'environment', name],
        `${name} would win over what ${member.name} is provisioned with; leave it out`,
      );
  }
}

/** A mirror without them makes local ones of its own and uses them once it is promoted. */
function checkShared(service: ServiceDeclaration, tell: Tell): void {
  const isShared = (name: string): boolean =>
    SHARED.some((key) => new RegExp(`^SYN_[A-Z0-9]+_${key}$`).test(name));
  const all = new Set(
    service.members.flatMap(({ environment, secretEnvironment }) =>
      Object.keys({ ...environment, ...secretEnvironment }).filter(isShared),
    ),
  );
  for (const name of all) {
    const valueOf = (member: MemberDeclaration): string | undefined =>
      member.environment[name] ?? member.secretEnvironment?.[name];
    const [first] = service.members;
    const other = service.members.find(
      (member) => first !== undefined && valueOf(member) !== valueOf(first),
    );
    if (other !== undefined)
      tell(
        pathOf(service, other),
        `${name} is not the same for all members: one that is promoted would use another; write it into the environment of ${service.name}`,
      );
  }
}

/** Cells of one host that nobody gave a port for HTTPS all take the same one. */
export function checkHttpsPorts(places: readonly Place[], tell: Tell): void {
  const owners = new Map<number, string>();
  for (const { service, member } of places) {
    const isOnHost = service.networkMode === 'host' || service.runtime === 'process';
    if (service.provision === undefined || !isOnHost) continue;
    const port = httpsPortOf(member);
    const owner = port === undefined ? undefined : owners.get(port);
    if (owner !== undefined)
      tell(
        [...pathOf(service, member), 'ports', 'https'],
        `${owner} and ${member.name} on ${member.host} would both listen for HTTPS at ${port ?? ''}: give each a port of its own, ports: { https: … }`,
      );
    else if (port !== undefined) owners.set(port, member.name);
  }
}

/** Undefined: none of a fixed number; those that are written are compared with all other ports anyway. */
function httpsPortOf({ ports, environment }: MemberDeclaration): number | undefined {
  if (ports['https'] !== undefined) return undefined;
  const said = Object.entries(environment).find(([name]) => /^SYN_[A-Z0-9]+_HTTPS$/.test(name));
  const port = said === undefined ? USUAL_HTTPS : Number(said[1]);
  return Number.isInteger(port) && port > 0 ? port : undefined;
}
