// A user that an image lacks: built on the host from the pinned image, once, without a network, as the guide's script does.
import { expect } from 'chai';
import type { Image, MemberSpec } from '@leafward/shared/gen/domain.js';
import { userImageOf } from '@leafward/agent/runtimes/docker/user-image.js';
import type { ContainerSpec } from '@leafward/agent/runtimes/runtime.js';
import { eventually } from '../rig/conditions.js';
import { requireOrSkip } from '../rig/requirements.js';
import { signal, startEngineUnderTest, type EngineUnderTest } from './docker-subject.js';

/** As shadow's programs do it, where there is only busybox. */
const ADD_GROUP = '#!/bin/sh\necho "$3:x:$2:" >> /etc/group\n';
const ADD_USER = '#!/bin/sh\necho "$9:x:$4:$6::/home/syn$4:/bin/sh" >> /etc/passwd\n';

describe('a member’s user that its image lacks', function () {
  this.timeout(120_000);
  let under: EngineUnderTest;
  let image: Image;

  before(async function () {
    requireOrSkip(this, 'engine');
    under = await startEngineUnderTest();
    const built = await under.buildImage({
      files: {
        '/usr/sbin/groupadd': ADD_GROUP,
        '/usr/sbin/useradd': ADD_USER,
        '/etc/passwd': 'root:x:0:0::/root:/bin/sh\n',
        '/etc/group': 'root:x:0:\n',
        '/member': '#!/bin/sh\nid -u; ls -ldn /home/syn8888; exec sleep 1000\n',
      },
      command: ['/member'],
      environment: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      labels: { 'org.opencontainers.image.version': '2.113.0' },
    });
    const digest = await under.registry.push(built, 'test/synapse-cortex', 'v2.113.0');
    image = { reference: `${under.registry.address}/test/synapse-cortex:v2.113.0`, digest };
    image = await under.runtime.pull(image, () => undefined, signal);
  });
  after(() => under?.dispose());

  const made = (member: string, change: Partial<MemberSpec> = {}): ContainerSpec =>
    under.container(member, 'obedient', { kind: 'synapse', image, user: '8888', ...change });
  const images = async (): Promise<readonly string[]> =>
    (
      await under.engine.docker(
        'images',
        '--format',
        '{{.Repository}}:{{.Tag}}',
        'leafward/synapse-cortex',
      )
    )
      .trim()
      .split('\n')
      .filter((line) => line !== '');

  it('is built before anything is stopped, once for all members with that user', async () => {
    const { spec } = made('u-first');
    expect(await under.runtime.hasImageFor?.(spec, signal)).to.equal(false);
    await under.runtime.buildImageFor?.(spec, signal);
    expect(await under.runtime.hasImageFor?.(spec, signal)).to.equal(true);
    await under.runtime.buildImageFor?.(spec, signal);
    expect(await images()).to.deep.equal([userImageOf(spec)?.tag]);
  });

  it('runs as that user, and is known by the image that it is made of', async () => {
    const container = made('u-second');
    await under.storageOf('u-second');
    await under.runtime.create(container, signal);
    await under.runtime.start('u-second', signal);
    const lines = await eventually(
      'it has said who it is',
      async () => {
        const said = await under.runtime.tail('u-second', { sinceMs: 0, maxLines: 10 }, signal);
        return said.length >= 2 ? said : undefined;
      },
      { timeoutMs: 60_000, everyMs: 50 },
    );
    expect(lines[0]).to.equal('8888');
    expect(lines[1]).to.match(/^d\S+ +\d+ 8888 +8888 /);
    const fact = await under.runtime.inspect('u-second', signal);
    expect(fact.imageDigest).to.equal(image.digest);
  });

  it('is nothing for root, the images’ own user, a name, and other kinds', () => {
    for (const change of [{ user: '0' }, { user: '999' }, { user: 'synuser' }, { kind: 'ledger' }])
      expect(userImageOf(made('u-none', change).spec), JSON.stringify(change)).to.equal(undefined);
  });
});
