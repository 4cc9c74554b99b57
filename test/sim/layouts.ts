// The fleets that are simulated: few hosts, several services, mirrors of mirrors.

export interface Layout {
  readonly hosts: readonly string[];
  readonly services: readonly LayoutService[];
}

export interface LayoutService {
  readonly name: string;
  readonly onIsolation: 'keep' | 'stop';
  readonly leaseSeconds: number;
  /** It is failed over without anybody being asked. */
  readonly isAutomatic?: boolean;
  readonly members: readonly LayoutMember[];
}

export interface LayoutMember {
  readonly name: string;
  readonly host: string;
  readonly upstream?: string;
}

const tree = (service: string, rows: readonly string[]): readonly LayoutMember[] =>
  rows.map((row) => {
    const [number = '', host = '', upstream] = row.split(' ');
    const name = `${number}.${service}`;
    return upstream === undefined
      ? { name, host }
      : { name, host, upstream: `${upstream}.${service}` };
  });

export const layouts: readonly Layout[] = [
  {
    hosts: ['alpha', 'bravo', 'charly'],
    services: [
      {
        name: 'cortex',
        onIsolation: 'stop',
        leaseSeconds: 6,
        members: tree('cortex', ['00 alpha', '01 bravo 00', '02 charly 00', '03 alpha 01']),
      },
      {
        name: 'axon',
        onIsolation: 'keep',
        leaseSeconds: 12,
        members: tree('axon', ['00 bravo', '01 charly 00']),
      },
    ],
  },
  {
    hosts: ['alpha', 'bravo', 'charly'],
    services: [
      {
        name: 'cortex',
        onIsolation: 'keep',
        leaseSeconds: 10,
        members: tree('cortex', ['00 alpha', '01 bravo 00', '02 charly 01']),
      },
      {
        name: 'jsonstor',
        onIsolation: 'keep',
        leaseSeconds: 30,
        members: tree('jsonstor', ['00 charly']),
      },
    ],
  },
  {
    hosts: ['alpha', 'bravo', 'charly', 'delta'],
    services: [
      {
        name: 'cortex',
        onIsolation: 'stop',
        leaseSeconds: 5,
        isAutomatic: true,
        members: tree('cortex', ['00 alpha', '01 bravo 00', '02 charly 00', '03 delta 01']),
      },
    ],
  },
];

export const FIRST_VERSION = '2.190.0';
/** What an operator updates to, in this order. */
export const VERSIONS: readonly string[] = [FIRST_VERSION, '2.200.0', '2.210.0'];
export const imageReference = (version: string): string => `registry:5000/cell:${version}`;
/** I14: what must be found nowhere but in a container's environment. */
export const SECRET = 'hunter2-of-the-simulation';

/** The simulated network knows members, not addresses. */
const AUTOMATIC = "mode: automatic, probe: 'tcp://{member}:1', ";

export function manifestOf(layout: Layout, note = ''): string {
  const service = ({
    name,
    onIsolation,
    leaseSeconds,
    isAutomatic,
    members,
  }: LayoutService): string => `  ${name}:
    kind: synapse
    runtime: docker
    image: ${imageReference(FIRST_VERSION)}
    upstreamUrl: 'sim://{member}'
    storage: /srv/{member}
    stopGrace: 10s
    environment: { NOTE: 'note ${note}', TOKEN: { secret: token } }
    failover: { ${isAutomatic === true ? AUTOMATIC : ''}onIsolation: ${onIsolation}, lease: ${leaseSeconds}s }
    members:
${members
  .map(
    (member) =>
      `      ${member.name}: { host: ${member.host}${member.upstream === undefined ? '' : `, upstream: ${member.upstream}`} }`,
  )
  .join('\n')}
`;
  return `fleet: simulated
hosts:
${layout.hosts.map((host) => `  ${host}: { address: ${host} }`).join('\n')}
services:
${layout.services.map(service).join('')}`;
}

/** Where an agent keeps what it knows. */
export const STATE = '/var/lib/leafward';
export const storagePath = (member: string): string => `/srv/${member}`;
