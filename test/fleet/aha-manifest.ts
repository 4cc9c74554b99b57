// A whole Synapse by the guide on three hosts of this machine: AHA, Axon, JSONStor, Cortex, its mirror and a mirror of
// that one, each provisioned by AHA.
import { join } from 'node:path';

export const NETWORK = 'loop.vertex.link';

export interface AhaFleetOptions {
  readonly dir: string;
  readonly image: string;
  /** One for each member's Telepath, AHA's first, and one for AHA's provisioning. */
  readonly ports: readonly number[];
  readonly environment?: Readonly<Record<string, string>>;
}

export const MEMBERS = [
  ['00.aha', 'alpha'],
  ['00.axon', 'bravo'],
  ['00.jsonstor', 'charlie'],
  ['00.cortex', 'alpha'],
  ['01.cortex', 'bravo', '00.cortex'],
  ['02.cortex', 'charlie', '01.cortex'],
] as const;

export const placeOf = (dir: string, member: string): string => {
  const host = MEMBERS.find(([name]) => name === member)?.[1] ?? '';
  return join(dir, 'hosts', host, member);
};

export function ahaFleet({ dir, image, ports, environment = {} }: AhaFleetOptions): string {
  const provision = ports[MEMBERS.length] ?? 0;
  const service = (name: string, extra: readonly string[]): string =>
    [
      `  ${name}:`,
      '    kind: synapse',
      '    runtime: process',
      `    image: ${image}`,
      `    command: ['${process.execPath}', '{image}', '{storage}']`,
      '    update: { requireBackup: false }',
      '    failover: { onIsolation: keep, lease: 5s }',
      ...extra,
      '    members:',
      ...MEMBERS.flatMap(([member, host, upstream], index) =>
        member.endsWith(`.${name}`)
          ? [
              `      ${member}: { host: ${host}, storage: '${placeOf(dir, member)}', ports: { telepath: ${ports[index] ?? 0}, https: ${20_001 + index} }${upstream === undefined ? '' : `, upstream: ${upstream}`} }`,
            ]
          : [],
      ),
    ].join('\n');
  const variables = (more: Readonly<Record<string, string>>): string =>
    `    environment: ${JSON.stringify({ SYN_CELL_START_MS: '50', ...more, ...environment })}`;
  const provisioned = `    provision: { aha: aha, network: ${NETWORK} }`;
  const others = {
    SYN_CORTEX_AXON: `aha://axon.${NETWORK}`,
    SYN_CORTEX_JSONSTOR: `aha://jsonstor.${NETWORK}`,
  };
  return [
    'fleet: demo',
    'hosts:',
    ...['alpha', 'bravo', 'charlie'].map((host) => `  ${host}: { address: 127.0.0.1 }`),
    'services:',
    service('cortex', [provisioned, '    after: [axon, jsonstor]', variables(others)]),
    service('axon', [provisioned, variables({ SYN_CELL_TYPE: 'axon' })]),
    service('jsonstor', [provisioned, variables({ SYN_CELL_TYPE: 'jsonstor' })]),
    service('aha', [
      variables({
        SYN_AHA_AHA_NAME: 'aha',
        SYN_AHA_AHA_NETWORK: NETWORK,
        SYN_AHA_DMON_LISTEN: `tcp://127.0.0.1:${ports[0] ?? 0}`,
        SYN_AHA_PROVISION_LISTEN: `tcp://127.0.0.1:${provision}`,
        SYN_CELL_LISTEN: `tcp://127.0.0.1:${ports[0] ?? 0}`,
      }),
    ]),
    '',
  ].join('\n');
}
