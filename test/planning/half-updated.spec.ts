// A service whose update was given up half way: whatever is planned then is a plan or a refusal, never an
// assertion that fails.
import { expect } from 'chai';
import fc from 'fast-check';
import { controlOperation } from '@leafward/controller/planning/index.js';
import type { Goal } from '@leafward/shared/gen/domain.js';
import '../property-seed.js';
import { deployedCare, type CareWorld } from './care-world.js';
import { stacked } from './model.js';

const OLD = 'cortex:2.180.0';
const NEW = 'cortex:2.250.0';
const optimize: Goal = { kind: 'optimize', service: 'cortex' };
const HOSTS = ['alpha', 'bravo', 'charlie', 'delta'];
const restore: Goal = { kind: 'restore', service: 'cortex', backup: 'b1', wipe: false, id: 'r1' };
const back = (more: object = {}): Goal => ({ ...restore, image: OLD, ...more });
const isStopping = (world: CareWorld, id: string): boolean =>
  world
    .operation(id)
    ?.moves.some(
      ({ kind }, index) =>
        kind === 'halt' && world.operation(id)?.progress[index]?.state === 'begun',
    ) === true;

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

  it('goes back to the image that it left, with the data of the backup, in one plan', () => {
    const world = halfUpdated();
    const plan = world.plan(back());
    expect(plan.refusals).to.eql([]);
    expect(plan.moves[0]).to.deep.include({ kind: 'pull', hosts: HOSTS });
    expect(plan.warnings.join()).to.include(
      'all members of cortex have version 2.180.0 from then on, and 01.cortex, 02.cortex and 03.cortex go back to it with their data',
    );
    const ended = world.apply(back());
    expect(ended.state, ended.reason).to.equal('done');
    for (let round = 0; round < 3; round += 1) world.round();
    expect(versions(world)).to.eql(['2.180.0', '2.180.0', '2.180.0', '2.180.0']);
    for (const name of ['00', '01', '02', '03'])
      expect(world.cell(`${name}.cortex`).log).to.eql([1000]);
    expect(world.services['cortex']?.declaration.image).to.equal(OLD);
    expect(world.violations).to.eql([]);
  });

  it('keeps what it has where going back is given up before anything was replaced', () => {
    const world = halfUpdated();
    const { id } = world.begin(world.plan(back()));
    for (let round = 0; round < 500 && !isStopping(world, id); round += 1) world.round();
    const operation = world.operation(id);
    if (operation === undefined) throw new Error('it ended');
    world.replace(controlOperation(operation, 'abort', 'not today', world.now));
    expect(world.run(id).state).to.equal('aborted');
    world.settle();
    for (let round = 0; round < 5; round += 1) world.round();
    expect(versions(world)).to.eql(['2.180.0', '2.250.0', '2.250.0', '2.250.0']);
    expect(world.services['cortex']?.topology).to.include({ term: 1, leader: '00.cortex' });
    expect(world.violations).to.eql([]);
  });

  it('is refused an image that is older than the backup, or of which nobody knows that', () => {
    const world = halfUpdated();
    const refusals = (image: string): readonly string[] =>
      world.plan(back({ image })).refusals.map(({ code }) => code);
    world.backups = world.backups.map((backup) => ({ ...backup, version: '2.180.0' }));
    expect(refusals('cortex:2.150.0')).to.eql(['downgrade']);
    expect(refusals('cortex:latest')).to.eql(['image-unknown']);
    expect(refusals(OLD)).to.eql([]);
  });

  it('is told of the way back with a backup that the old image may have', () => {
    const world = halfUpdated();
    const [b1] = world.backups.map((backup) => ({ ...backup, version: '2.180.0' }));
    const b2 = { ...b1!, name: 'b2', version: '2.250.0', finishedAt: b1!.finishedAt + 1000 };
    const outlook = () =>
      world.plan({ kind: 'update', service: 'cortex', image: NEW }).outlooks?.services[0];
    world.backups = [b2, b1!];
    expect(outlook()).to.include({ backup: 'b1', fromImage: OLD });
    world.backups = [b2];
    expect(outlook()).to.include({ backup: 'b2' });
    expect(outlook()?.fromImage).to.equal(undefined);
    world.services['cortex'] = {
      ...world.services['cortex']!,
      topology: { ...world.services['cortex']!.topology, term: 2 },
    };
    const abandoned = { ...b1!, name: 'b3', position: 1000, finishedAt: b1!.finishedAt + 2000 };
    world.backups = [abandoned, b1!];
    expect(outlook()).to.include({ backup: 'b1' });
  });

  it('never has two leaders nor an older member below a newer one, whatever is cut off or crashes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(6), fc.nat(3)), { maxLength: 80 }), (events) => {
        const world = halfUpdated();
        const { id } = world.begin(world.plan(back()));
        for (const [kind, where] of events) {
          const host = HOSTS[where] ?? '';
          world.now += 100;
          if (kind === 0) world.machine(host).connected = !world.machine(host).connected;
          else if (kind === 1) world.carryOut(host, where % 2 === 0 ? 'after' : 'before');
          else if (kind === 2) world.advance(id);
          else world.round(200);
        }
        for (const machine of world.machines.values()) machine.connected = true;
        for (let attempt = 0; attempt < 8 && world.run(id, 300).state === 'paused'; attempt += 1) {
          const operation = world.operation(id);
          if (operation !== undefined)
            world.replace(controlOperation(operation, 'resume', 'again', world.now));
        }
        expect(world.operation(id)?.state, world.operation(id)?.reason).to.equal('done');
        expect(world.violations).to.eql([]);
        expect(versions(world)).to.eql(['2.180.0', '2.180.0', '2.180.0', '2.180.0']);
      }),
      { numRuns: 30 },
    );
  });
});

describe('a stack', () => {
  it('goes back to an older image with all of its workers', () => {
    const world = stacked({ image: 'matrix:1.151.0' });
    world.backups = world.backups.map((backup) => ({ ...backup, version: '1.140.0' }));
    const image = 'matrix:1.140.0';
    const ended = world.apply({ ...restore, service: 'chat', image });
    expect(ended.state, ended.reason).to.equal('done');
    for (let round = 0; round < 3; round += 1) world.round();
    for (const { cells } of world.machines.values())
      for (const { intent, running } of cells.values())
        expect([intent.spec.image.reference, running]).to.eql([image, true]);
    expect(world.services['chat']?.declaration.image).to.equal(image);
    expect(world.violations).to.eql([]);
  });
});
