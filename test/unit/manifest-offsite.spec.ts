// What a manifest may say of copies off the host, and that no password stands in it (I14).
import { expect } from 'chai';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import { problems } from './manifest-problems.js';

const manifest = (offsite: string): string =>
  `fleet: loop
hosts: { alpha: { address: 10.0.0.1 } }
services:
  cortex:
    kind: synapse
    image: registry.example/cortex:v2.113.0
    storage: /srv/{member}
    upstreamUrl: aha://{member}.loop.vertex.link
    backup: { offsite: ${offsite} }
    members: { 00.cortex: { host: alpha } }
`;
const SECRET = 'environment: { RESTIC_PASSWORD: { secret: copies } }';

describe('copies in a manifest', () => {
  it('have a repository, and each backup is copied unless it says otherwise', () => {
    const read = (text: string) => {
      const result = parseManifest(text);
      return result.ok ? result.manifest.services[0]?.backup.duty?.offsite : undefined;
    };
    expect(read(manifest(`{ repository: /srv/copies, ${SECRET} }`))).to.deep.equal({
      repository: '/srv/copies',
      environment: {},
      secretEnvironment: { RESTIC_PASSWORD: 'copies' },
      each: true,
    });
    const only = manifest(`{ repository: 's3:s3.example/copies', each: false, ${SECRET} }`);
    expect(read(only)?.each).to.equal(false);
  });

  it('need a password, which stands nowhere in it', () => {
    const said = (offsite: string): string => problems(manifest(offsite)).join('\n');
    expect(said('{ repository: /srv/copies }')).to.include('restic needs a password');
    expect(said('{ repository: /srv/copies, environment: { RESTIC_PASSWORD: hush } }')).to.include(
      'RESTIC_PASSWORD is a secret',
    );
    const url = said(`{ repository: 'rest:https://me:hush@nas:8000/', ${SECRET} }`);
    expect(url).to.include('there is a password in it').and.not.to.include('hush');
    expect(said(`{ repository: 'sftp://me@nas:22//srv/copies', ${SECRET} }`)).to.equal('');
    const file = '{ repository: /srv/copies, environment: { RESTIC_PASSWORD_FILE: /etc/copies } }';
    expect(said(file)).to.equal('');
  });
});
