// Manifests whose members get their places from AHA: what is taken for granted, and what is found before anything starts.
import { expect } from 'chai';
import { environmentPrefixOf } from '@leafward/shared/manifest/environment-prefix.js';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import { problems } from './manifest-problems.js';

const GOOD = `fleet: loop
hosts: { alpha: null, bravo: null }
services:
  aha:
    kind: synapse
    image: synapse-aha:v2.180.1
    environment: { SYN_AHA_AHA_NETWORK: loop.link, SYN_AHA_DNS_NAME: aha.loop.link }
    members: { 00.aha: { host: alpha } }
  cortex:
    kind: synapse
    image: synapse-cortex:v2.113.0
    provision: { aha: aha, network: loop.link }
    environment: { SYN_CORTEX_AXON: 'aha://axon.loop.link' }
    members:
      00.cortex: { host: alpha, ports: { telepath: 27500, https: 4500 } }
      01.cortex: { host: bravo, upstream: 00.cortex }
`;
const told = (from: string, to: string): string => {
  expect(GOOD).to.include(from);
  return problems(GOOD.replace(from, to)).join('\n');
};

describe('provisioning in a manifest', () => {
  it('implies who comes first, where a member is found and what its leader is called', () => {
    const result = parseManifest(GOOD);
    const cortex = result.ok ? result.manifest.services[1] : undefined;
    expect(cortex?.provision).to.eql({ service: 'aha', network: 'loop.link', alias: 'cortex' });
    expect(cortex?.after).to.eql(['aha']);
    expect(cortex?.members.map(({ url }) => url)).to.eql([
      'aha://00.cortex.loop.link',
      'aha://01.cortex.loop.link',
    ]);
    expect(cortex?.members[1]?.engineOptions).to.eql({ leaderAlias: 'aha://cortex.loop.link' });
  });

  it('needs a registry that is there, is AHA and of the same network', () => {
    expect(told('aha: aha,', 'aha: ahab,')).to.include('there is no service ahab');
    expect(told('aha: aha,', 'aha: cortex,')).to.include('not provisioned by itself');
    expect(told('network: loop.link', 'network: loop.lan')).to.include(
      'the network of aha is loop.link (SYN_AHA_AHA_NETWORK), not loop.lan',
    );
  });

  it('knows what AHA is told by its version', () => {
    const environment = 'SYN_AHA_DNS_NAME: aha.loop.link';
    expect(told(environment, 'X: y')).to.include('without SYN_AHA_DNS_NAME');
    const old = told('synapse-aha:v2.180.1', 'synapse-aha:v2.113.0');
    expect(old).to.include('AHA of 2.113 provisions nobody without SYN_AHA_PROVISION_LISTEN');
    const all =
      'SYN_AHA_AHA_NAME: aha, SYN_AHA_DMON_LISTEN: "ssl://aha", SYN_AHA_PROVISION_LISTEN: "ssl://aha"';
    const complete = GOOD.replace('v2.180.1', 'v2.113.0').replace(environment, all);
    expect(problems(complete)).to.eql([]);
  });

  it('needs names that the registry can tell the leader by', () => {
    const text = GOOD.replaceAll('01.cortex', '01.core');
    expect(problems(text).join()).to.include('a provisioned member is called NN.cortex');
  });

  it('leaves nothing in an environment that would win, or differ for a mirror', () => {
    const variables = "SYN_CORTEX_AXON: 'aha://axon.loop.link'";
    for (const name of ['AHA_PROVISION', 'AHA_NAME', 'DMON_LISTEN', 'MIRROR'])
      expect(told(variables, `SYN_CORTEX_${name}: x`)).to.include(
        `SYN_CORTEX_${name} would win over what 00.cortex is provisioned with`,
      );
    const own = told(
      'upstream: 00.cortex',
      'upstream: 00.cortex, environment: { SYN_CORTEX_AXON: x }',
    );
    expect(own).to.include('SYN_CORTEX_AXON is not the same for all members');
  });

  it('finds ports for HTTPS that two cells of one host would take', () => {
    const axon = `  axon:
    kind: synapse
    image: synapse-axon:v2.113.0
    provision: { aha: aha, network: loop.link }
    members: { 00.axon: { host: bravo } }
`;
    expect(problems(GOOD + axon).join()).to.include(
      '01.cortex and 00.axon on bravo would both listen for HTTPS at 4443',
    );
    expect(
      problems(GOOD + axon.replace('host: bravo', 'host: bravo, ports: { https: 4501 }')),
    ).to.eql([]);
  });

  it('is for Synapse only', () => {
    expect(
      told(
        'kind: synapse\n    image: synapse-cortex',
        'kind: matrix-synapse\n    image: synapse-cortex',
      ),
    ).to.include('only services of kind synapse are provisioned');
  });

  it('knows the prefix of an environment by the image, or as it is said', () => {
    expect(environmentPrefixOf('vertexproject/synapse-cortex:v2.113.0', {})).to.equal(
      'SYN_CORTEX_',
    );
    expect(environmentPrefixOf('r:5000/x/synapse-maxmind@sha256:ab', {})).to.equal('SYN_MAXMIND_');
    expect(environmentPrefixOf('/images/cell-2.113.0.cjs', {})).to.equal(undefined);
    const said = { environmentPrefix: 'SYN_X_' };
    expect(environmentPrefixOf('own:1', said)).to.equal('SYN_X_');
    const engine = "engine: { environmentPrefix: 'SYN_(' }\n    provision: { aha: aha, network";
    const text = GOOD.replace('provision: { aha: aha, network', engine);
    expect(problems(text)).to.eql([]);
    expect(problems(text.replace('SYN_CORTEX_AXON', 'SYN_(MIRROR')).join()).to.not.include(
      'Invalid regular expression',
    );
  });
});
