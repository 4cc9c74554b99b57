// What a manifest says of a Synapse service's logs becomes its members' environment.
import { expect } from 'chai';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import { problems } from './manifest-problems.js';

const manifest = (service: string, member = ''): string =>
  `fleet: loop
hosts: { alpha: { address: 10.0.0.1 } }
services:
  cortex:
    kind: synapse
    image: registry.example/cortex:v2.113.0
    storage: /srv/{member}
    upstreamUrl: aha://{member}.loop.vertex.link
    ${service}
    members: { 00.cortex: { host: alpha${member} } }
`;

describe('logging in a manifest', () => {
  const environment = (text: string) => {
    const result = parseManifest(text);
    return result.ok ? result.manifest.services[0]?.members[0]?.environment : result.problems;
  };

  it('is two variables of each member, which may say it otherwise', () => {
    const all = 'logging: { level: INFO, structured: true }';
    expect(environment(manifest(all))).to.deep.equal({
      SYN_LOG_LEVEL: 'INFO',
      SYN_LOG_STRUCT: 'true',
    });
    expect(environment(manifest(all, ', logging: { level: DEBUG }'))).to.deep.equal({
      SYN_LOG_LEVEL: 'DEBUG',
      SYN_LOG_STRUCT: 'true',
    });
    expect(environment(manifest('environment: { A: b }'))).to.deep.equal({ A: 'b' });
  });

  it('is not said twice, by another kind, or in other words', () => {
    const twice = manifest('logging: { level: INFO }', ', environment: { SYN_LOG_LEVEL: DEBUG }');
    expect(problems(twice).join('\n')).to.contain('SYN_LOG_LEVEL in `environment` says it already');
    const matrix = manifest('logging: { structured: true }').replace(
      'kind: synapse',
      'kind: matrix-synapse',
    );
    expect(problems(matrix).join('\n')).to.contain('only services of kind synapse have `logging`');
    expect(problems(manifest('logging: { level: loud }')).join('\n')).to.contain('logging.level');
  });
});
