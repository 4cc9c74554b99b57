// A service whose update was given up half way: whatever is planned then is a plan or a refusal, never an
// assertion that fails.
import { expect } from 'chai';
import { controlOperation } from '@leafward/controller/planning/index.js';
import type { Goal } from '@leafward/shared/gen/domain.js';
import { deployedCare, type CareWorld } from './care-world.js';

const OLD = 'cortex:2.180.0';
const NEW = 'cortex:2.250.0';
const optimize: Goal = { kind: 'optimize', service: 'cortex' };
const restore: Goal = { kind: 'restore', service: 'cortex', backup: 'b1', wipe: false, id: 'r1' };

/** All mirrors have the new image, their leader has not. */
function halfUpdated(): CareWorld {
  const world = deployedCare({ image: OLD });
  world.backedUp.set('b1', [1000]);
  const { id } = world.begin(world.plan({ kind: 'update', service: 'cortex', image: NEW }));
  const isAtLastMirror = (): boolean => world.operation(id)?.progress[3]?.state === 'begun';
  for (let round = 0; round < 500 && !isAtLastMirror(); round += 1) world.round();
  const operation = world.operation(id);
  if (operation === undefined || !isAtLastMirror()) throw new Error('it did not get that far');
  world.replace(controlOperation(operation, 'abort', 'half is enough', world.now));
  world.run(id);
  world.settle();
  for (let round = 0; round < 3; round += 1) world.round();
  return world;
}

const versions = (world: CareWorld): readonly (string | undefined)[] =>
  ['00', '01', '02', '03'].map((name) => world.cell(`${name}.cortex`).intent.spec.image.version);

describe('a service whose update was given up half way', () => {
  it('goes back to a backup of before, led by a member that was updated', () => {
    const world = halfUpdated();
    const ended = world.apply(restore);
    expect(ended.state, ended.reason).to.equal('done');
    expect(world.services['cortex']?.topology).to.include({ term: 2, leader: '02.cortex' });
    for (let round = 0; round < 3; round += 1) world.round();
    expect(versions(world)).to.eql(['2.250.0', '2.250.0', '2.250.0', '2.250.0']);
    expect(world.violations).to.eql([]);
  });

  it('is optimized without a hand-over, which would put its old leader below a newer one (I3)', () => {
    const world = halfUpdated();
    const plan = world.plan(optimize);
    expect(plan.refusals).to.eql([]);
    expect(plan.moves.map(({ kind }) => kind)).to.eql(Array.from({ length: 4 }, () => 'optimize'));
    expect(plan.warnings.join()).to.include('no mirror can take over');
    expect(world.apply(optimize).state).to.equal('done');
    expect(world.violations).to.eql([]);
  });
});
