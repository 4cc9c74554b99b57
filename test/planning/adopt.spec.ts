// Taking over what runs already: a tree that is not the cells' own is refused, what is different is told and left alone,
// and a second deploy is empty.
import { expect } from 'chai';
import type { ContainerLook, Goal } from '@leafward/shared/gen/domain.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import { HOSTS, World } from './model.js';
import { golden, shown } from './text.js';

const IMAGE = 'vertexproject/synapse-cortex:v2.113.0';
const digest = `sha256:${'c'.repeat(64)}`;

const manifest = (options: { readonly containers?: boolean; readonly extra?: string } = {}) =>
  [
    'fleet: loop',
    'hosts: { alpha: , bravo: }',
    'services:',
    '  cortex:',
    '    kind: synapse',
    `    image: ${IMAGE}`,
    '    upstreamUrl: aha://{member}.loop',
    '    engine: { leaderAlias: aha://cortex.loop }',
    ...(options.extra === undefined ? [] : [options.extra]),
    '    members:',
    `      00.cortex: { host: alpha${options.containers === false ? '' : ', container: c0'} }`,
    `      01.cortex: { host: bravo, upstream: 00.cortex${options.containers === false ? '' : ', container: c1'} }`,
  ].join('\n');

const look = (change: Partial<ContainerLook> = {}): ContainerLook => ({
  container: 'c0',
  state: 'running',
  image: { reference: IMAGE, digest, version: '2.113.0' },
  restartPolicy: 'unless-stopped',
  holdsStorage: true,
  differences: [],
  active: true,
  iden: 'aa',
  ...change,
});
const mirrorLook = (change: Partial<ContainerLook> = {}): ContainerLook =>
  look({ container: 'c1', active: false, upstreamUrl: 'aha://root@cortex.loop', ...change });

const deploy = (leader?: ContainerLook, mirror?: ContainerLook, text = manifest()): Goal => ({
  kind: 'deploy',
  manifest: text,
  looks: {
    looks: [
      ...(leader === undefined ? [] : [{ member: '00.cortex', look: leader }]),
      ...(mirror === undefined ? [] : [{ member: '01.cortex', look: mirror }]),
    ],
  },
});

function fresh(): World {
  const world = new World(HOSTS);
  world.round();
  return world;
}

const refusalsOf = (goal: Goal): readonly string[] =>
  fresh()
    .plan(goal)
    .refusals.map(({ code, message }) => `${code}: ${message}`);

describe('a deploy of containers that run already', () => {
  it('takes them over as they are, and says what is different about them', () => {
    const differences = [{ path: 'environment.SYN_LOG_LEVEL', before: 'not set', after: 'set' }];
    const goal = deploy(look({ differences }), mirrorLook({ restartPolicy: 'no' }));
    expect(shown(fresh(), goal)).to.equal(
      golden(`
      plan ID deploy the manifest

      moves
        m1  place 00.cortex on alpha  (takes over container c0 as it runs, leads cortex)
        m2  place 01.cortex on bravo  (takes over container c1 as it runs, mirrors 00.cortex)

      warnings
        c0 loses its restart policy unless-stopped at once: from then on 00.cortex is started by its agent alone (I2)
        00.cortex stays c0 as it is, which differs from the manifest in environment.SYN_LOG_LEVEL; a plan that makes it anew brings that
    `),
    );
  });

  it('orders what runs: its own image, and the digest of the spec that leaves it alone', () => {
    const [first] = fresh().plan(deploy(look(), mirrorLook())).moves;
    const intent = first?.kind === 'place' ? first.intent : undefined;
    expect(intent?.spec.image).to.deep.equal({ reference: IMAGE, digest, version: '2.113.0' });
    expect(intent?.adoption).to.deep.equal({
      container: 'c0',
      specDigest: intent === undefined ? '' : specDigestOf(intent.spec),
    });
  });

  it('is empty the second time, and makes them anew when their containers are named no more', () => {
    const world = fresh();
    world.apply(deploy(look(), mirrorLook()));
    expect(shown(world, { kind: 'deploy', manifest: manifest() })).to.equal(
      golden(`
      plan ID deploy the manifest

      unchanged
        00.cortex is as it should be, version 2.113.0
        01.cortex is as it should be, version 2.113.0

      nothing to do
    `),
    );
    const anew = world.plan({ kind: 'deploy', manifest: manifest({ containers: false }) });
    expect(
      anew.moves.map((move) => `${move.kind} ${move.kind === 'recreate' ? move.member : ''}`),
    ).to.deep.equal(['recreate 01.cortex', 'recreate 00.cortex']);
    expect(anew.moves[0]).to.have.deep.property('changes', [
      { path: 'container', before: 'c1', after: 'leafward-01.cortex' },
    ]);
  });

  it('is refused where the cells say another tree, with what was seen', () => {
    expect(refusalsOf(deploy(look({ active: false }), mirrorLook()))).to.deep.equal([
      'tree-differs: 00.cortex mirrors nobody, and the manifest says that it leads',
    ]);
    expect(refusalsOf(deploy(look(), look({ container: 'c1' })))).to.deep.equal([
      'tree-differs: 01.cortex leads, and the manifest says that it mirrors 00.cortex',
    ]);
    const elsewhere = mirrorLook({ upstreamUrl: 'aha://07.cortex.loop' });
    expect(refusalsOf(deploy(look(), elsewhere))).to.deep.equal([
      'tree-differs: 01.cortex mirrors aha://07.cortex.loop, and the manifest says that it mirrors 00.cortex (aha://00.cortex.loop or aha://cortex.loop)',
    ]);
    expect(refusalsOf(deploy(look(), mirrorLook({ iden: 'bb' })))[0]).to.match(/^other-cell: /);
  });

  it('is refused where nothing was seen, or what cannot be taken over', () => {
    expect(refusalsOf(deploy(look()))).to.deep.equal([
      'container-unseen: what container c1 on bravo is was not seen',
    ]);
    const gone = look({ problem: 'there is no container c0' });
    expect(refusalsOf(deploy(gone, mirrorLook()))).to.deep.equal([
      'container-unfit: 00.cortex cannot be taken over on alpha: there is no container c0',
    ]);
    const other = { reference: 'cortex:v2.100.0', digest: 'sha256:1', version: '2.100.0' };
    expect(refusalsOf(deploy(look(), mirrorLook({ image: other })))).to.deep.equal([
      `image-differs: 01.cortex runs cortex:v2.100.0, and the manifest says ${IMAGE}`,
      'mirror-older: 01.cortex runs version 2.100.0 below 00.cortex with version 2.113.0 (I3)',
    ]);
  });
});
