// Mirrors that are filled from a backup: what the plans say, what they refuse, and that none of another history goes on.
import { expect } from 'chai';
import type { Backup, Goal } from '@leafward/shared/gen/domain.js';
import { deployed, described, type World } from './model.js';
import { golden, shown } from './text.js';

const reseed = (member: string, more: object = {}): Goal => ({
  kind: 'reseed',
  service: 'cortex',
  member,
  wipe: false,
  id: 'r1',
  backup: 'b1',
  ...more,
});
const restore = (member: string, more: object = {}): Goal => ({
  kind: 'restore',
  service: 'cortex',
  backup: 'b1',
  wipe: false,
  id: 'r1',
  member,
  ...more,
});
const codes = (world: World, goal: Goal): readonly string[] =>
  world.plan(goal).refusals.map((refusal) => refusal.code);
const kinds = (world: World, goal: Goal): readonly string[] =>
  world.plan(goal).moves.map((move) => move.kind);
/** A deployed tree whose backup b1 has what its leader had. */
function withBackup(changes: Partial<Backup> = {}): World {
  const world = deployed();
  world.backedUp.set('b1', world.cell('00.cortex').log.slice(0, 2));
  world.backups = world.backups.map((backup) => ({ ...backup, position: 2, ...changes }));
  return world;
}

describe('a mirror that is filled from a backup', () => {
  it('has it sent to its host first, and is filled there', () => {
    expect(shown(withBackup(), reseed('03.cortex'))).to.equal(
      golden(`
      plan ID reseed 03.cortex of cortex

      moves
        m1  send b1 from charlie to delta  (03.cortex is filled from it)
        m2  reseed 03.cortex on delta from b1  (ordered by the operator)

      warnings
        everything that 03.cortex has in /srv/syn/03.cortex/storage on delta (1000 B) is set aside as /srv/syn/03.cortex/storage.aside-r1; nothing ever starts from it, and you remove it when you need it no more
        03.cortex is mirroring: nothing is wrong with it that is known

      expected downtime: 0ms
    `),
    );
    expect(kinds(withBackup(), reseed('02.cortex'))).to.eql(['reseed']);
  });

  it('catches up from there, after its leader was asked for its log and before and after was compared', () => {
    const world = withBackup();
    expect(world.apply(reseed('03.cortex')).state).to.equal('done');
    expect(world.cell('03.cortex').log).to.eql(world.cell('00.cortex').log);
    expect(world.backups.filter(({ name }) => name === 'b1').map(({ host }) => host)).to.eql([
      'delta',
      'charlie',
    ]);
    expect(world.cell('03.cortex').intent.reseed).to.equal(undefined);
    expect(world.violations).to.eql([]);
  });

  it('is not touched where the leader has its log no more from there on', () => {
    const world = withBackup();
    world.trimmedBelow = 2;
    const { state, reason } = world.apply(reseed('02.cortex'));
    expect(state).to.equal('paused');
    expect(reason).to.match(/no entry any more.*nothing was touched.*--from-backup/);
    expect(world.cell('02.cortex').aside).to.eql([]);
    expect(world.cell('02.cortex').running).to.equal(true);
  });

  it('is stopped again when it is of another history, however ready it looks', () => {
    const world = withBackup();
    world.backedUp.set('b1', [7, 7]);
    const { state, reason } = world.apply(reseed('02.cortex'));
    expect(state).to.equal('paused');
    expect(reason).to.match(/another history.*plan reseed cortex 02.cortex/);
    for (let round = 0; round < 3; round += 1) world.round();
    expect(world.cell('02.cortex').running).to.equal(false);
  });

  it('is refused of another line: of an earlier term, ahead of its leader, of another cell, of no position', () => {
    for (const change of [{ term: 0 }, { position: 900 }, { position: undefined }])
      expect(codes(withBackup(change), reseed('02.cortex')), Object.keys(change)[0]).to.eql([
        'other-line',
      ]);
    const other = withBackup({ iden: 'x' });
    const fact = other.facts['alpha']!['00.cortex']!;
    const engine = { ...fact.value.engine, iden: 'y' };
    other.facts['alpha'] = { '00.cortex': { ...fact, value: { ...fact.value, engine } } };
    expect(codes(other, reseed('02.cortex'))).to.eql(['other-line']);
    const world = withBackup();
    world.apply({ kind: 'promote', service: 'cortex', to: '01.cortex' });
    expect(codes(world, reseed('02.cortex'))).to.eql(['other-line']);
  });

  it('is refused from one that is not there, damaged, too new, or out of reach', () => {
    const verification = { at: 1, ok: false, files: 1, bytes: 1, tookMs: 1, problems: ['x'] };
    expect(codes(withBackup(), reseed('02.cortex', { backup: 'b9' }))).to.eql(['no-such-backup']);
    expect(codes(withBackup(), reseed('02.cortex', { host: 'alpha' }))).to.eql(['no-such-backup']);
    expect(codes(withBackup({ verification }), reseed('02.cortex'))).to.eql(['backup-damaged']);
    expect(codes(withBackup({ version: '2.150.0' }), reseed('02.cortex'))).to.eql(['downgrade']);
    expect(codes(withBackup({ host: 'echo' }), reseed('02.cortex'))).to.eql([
      'backup-out-of-reach',
    ]);
    expect(codes(withBackup(), reseed('00.cortex'))).to.eql(['leads']);
    const silent = withBackup();
    silent.powerOff('charlie');
    silent.round();
    expect(codes(silent, reseed('03.cortex'))).to.include('host-silent');
  });

  it('needs the commands for it where its kind is described', () => {
    const goal: Goal = { ...reseed('01.cortex'), kind: 'reseed' } as Goal;
    const [refusal] = described({ without: ['setUpstream', 'history'] }).plan(goal).refusals;
    expect(refusal?.message).to.match(/cannot fill a mirror from a backup.*no command/);
  });
});

describe('a restore of one member', () => {
  it('fills a mirror from the backup and loses nothing', () => {
    const world = withBackup();
    expect(kinds(world, restore('03.cortex'))).to.eql(['send', 'reseed']);
    expect(world.plan(restore('03.cortex')).warnings.at(-1)).to.equal(
      '03.cortex goes back to b1 and catches up with 00.cortex; nothing that cortex has is lost',
    );
    expect(world.apply(restore('03.cortex')).state).to.equal('done');
    expect(world.cell('03.cortex').log).to.eql(world.cell('00.cortex').log);
    expect(world.services['cortex']?.topology.term).to.equal(1);
  });

  it('is refused for a leader with mirrors, which would stay ahead of it', () => {
    const [refusal] = withBackup().plan(restore('00.cortex')).refusals;
    expect(refusal?.code).to.equal('mirrors-stay-ahead');
    expect(refusal?.unblock).to.include('leafward plan restore cortex --backup b1');
    expect(codes(withBackup(), restore('09.cortex'))).to.eql(['no-such-member']);
  });
});

describe('a restore of the whole service', () => {
  it('fills mirrors from the backup where they can get it, and says why where not', () => {
    const world = withBackup();
    const fact = world.facts['delta']!['03.cortex']!;
    const storage = { dataBytes: 900, freeBytes: 1500, totalBytes: 10_000 };
    world.facts['delta'] = { '03.cortex': { ...fact, value: { ...fact.value, storage } } };
    const [home] = world.backups;
    world.backups = [home!, { ...home!, host: 'alpha', path: '/backups/sent' }];
    const plan = world.plan({ ...restore(''), member: undefined } as Goal);
    const sends = plan.moves.flatMap((move) => (move.kind === 'send' ? [move.toHost] : []));
    expect(sends).to.eql(['bravo']);
    expect(plan.warnings).to.include('00.cortex is filled from b1, which lies on alpha');
    expect(plan.warnings.join()).to.include(
      '03.cortex is filled by its own bootstrap from its upstream: delta has no room for b1',
    );
    const from = plan.moves.flatMap((move) =>
      move.kind === 'reseed' ? [`${move.member} ${move.reseed?.backup ?? 'itself'}`] : [],
    );
    expect(from).to.eql(['00.cortex b1', '01.cortex b1', '03.cortex itself']);
  });
});
