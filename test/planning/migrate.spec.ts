// From Synapse 0.1.x: what the plan says, when there is none, and what becomes of a service whose tool fails.
import { expect } from 'chai';
import { controlOperation } from '@leafward/controller/planning/index.js';
import type { Goal } from '@leafward/shared/gen/domain.js';
import { deployedNew, TOOLS, type MigrateWorld } from './migrate-world.js';
import { golden, shown } from './text.js';

const goal: Goal = { kind: 'migrate', service: 'cortex' };
const accepting: Goal = { ...goal, acceptErrors: true };
const cutOver: Goal = { ...goal, cutOver: true };

const codesOf = (world: MigrateWorld, of: Goal = goal): readonly string[] =>
  world.plan(of).refusals.map(({ code }) => code);

function settled(world: MigrateWorld, of: Goal): string {
  const operation = world.apply(of);
  return `${operation.state}: ${operation.reason ?? operation.progress.at(-1)?.note ?? ''}`;
}

describe('migrate-020', () => {
  it('stops the member, fills it, lets it lead in a new term, and brings over the rest', () => {
    expect(shown(deployedNew(), goal)).to.equal(
      golden(`
      plan ID migrate cortex from 0.1.x

      moves
        m1  stop 00.cortex  (nobody may write while its data is made)
        m2  migrate /srv/old/backup to 00.cortex on alpha, term 2  (term 2 begins with it)
        m3  bring 00.cortex on alpha what its source got since  (what was written since the backup)

      warnings
        everything that 00.cortex has in /srv/syn/00.cortex/storage on alpha (1000 B) is set aside as /srv/syn/00.cortex/storage.aside-OPERATION; nothing ever starts from it, and you remove it when you need it no more
        00.cortex is down until all of /srv/old/backup is migrated; the 0.1.x Cortex runs on meanwhile
        whatever writes to the 0.1.x Cortex goes on to do so until the cut-over: plan that with --cut-over

      unchanged
        /srv/old/backup is only read, and stays
    `),
    );
  });

  it('gives the tools their words, paths but for those that only the agent knows', () => {
    const world = deployedNew();
    settled(world, accepting);
    expect(world.asked).to.have.length(2);
    expect(world.asked[0]).to.deep.include({
      kind: 'migrate-storage',
      term: 2,
      command: ['migrate', '--src', '{source}', '--dest', '{storage}'],
      resume: ['--from-last'],
      checkpoints: 'migration',
      acceptErrors: true,
    });
    expect(world.asked[1]).to.deep.include({
      kind: 'sync-from-source',
      term: 2,
      command: ['sync', '--dest', 'aha://00.cortex.loop', '--name', '00.cortex'],
    });
  });

  it('ends with a leader of the new term, and is not done twice', () => {
    const world = deployedNew();
    expect(settled(world, goal)).to.match(
      /^done: 00\.cortex has caught up with its source: caught/,
    );
    expect(world.services['cortex']?.topology.term).to.equal(2);
    expect(codesOf(world)).to.eql(['destination-used']);
    expect(codesOf(world, cutOver)).to.eql([]);
    expect(world.plan(cutOver).moves.map(({ kind }) => kind)).to.eql(['sync']);
    expect(settled(world, cutOver)).to.match(/^done/);
  });

  it('pauses on what the tool could not migrate, and a later plan goes on', () => {
    const world = deployedNew();
    const ends = world.ends;
    world.ends = {
      'migrate-storage': { state: 'failed', message: '2 could not be migrated: a | b' },
    };
    expect(settled(world, goal)).to.match(
      /^paused: .*2 could not be migrated: a \| b; cortex stays down and its source is untouched/,
    );
    const paused = world.operations.at(-1);
    if (paused === undefined) throw new Error('there is no operation');
    world.replace(controlOperation(paused, 'abort', 'enough', world.now));
    world.round();
    expect(world.operation(paused.id)?.state).to.equal('aborted');
    world.settle();
    world.ends = ends;
    expect(world.plan(accepting).moves.map(({ kind }) => kind)).to.eql(['migrate', 'sync']);
    expect(settled(world, accepting)).to.match(/^done/);
  });

  it('is refused with the reason', () => {
    expect(codesOf(deployedNew(''))).to.eql(['no-migration-tools']);
    const two = deployedNew(TOOLS, [
      ['00.cortex', 'alpha'],
      ['01.cortex', 'bravo', '00.cortex'],
    ]);
    expect(codesOf(two)).to.eql(['has-mirrors']);
    expect(codesOf(deployedNew(), cutOver)).to.eql(['not-migrated']);
    const noSync = deployedNew(TOOLS.slice(0, TOOLS.indexOf('      sync:')));
    expect(codesOf(noSync, cutOver)).to.eql(['no-migration-tools']);
    expect(noSync.plan(goal).moves.map(({ kind }) => kind)).to.eql(['halt', 'migrate']);
    const silent = deployedNew();
    silent.machine('alpha').connected = false;
    for (let count = 0; count < 20; count += 1) silent.round();
    expect(codesOf(silent)).to.include('host-silent');
  });
});
