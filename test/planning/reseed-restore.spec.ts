// The two plans that throw data away: what they say before, what they refuse, and what holds at each of their prefixes.
import { expect } from 'chai';
import fc from 'fast-check';
import { buildStatus, controlOperation, explain } from '@leafward/controller/planning/index.js';
import type { Goal } from '@leafward/shared/gen/domain.js';
import { deployed, described, imageOf, type World } from './model.js';
import { golden, shown } from './text.js';

const reseed = (member: string, more: object = {}): Goal => ({
  kind: 'reseed',
  service: 'cortex',
  member,
  wipe: false,
  id: 'r1',
  ...more,
});
const restore = (more: object = {}): Goal => ({
  kind: 'restore',
  service: 'cortex',
  backup: 'b1',
  wipe: false,
  id: 'r1',
  ...more,
});
const codes = (world: World, goal: Goal): readonly string[] =>
  world.plan(goal).refusals.map((refusal) => refusal.code);

/** 00.cortex is retired, its host is back. */
function failedOver(): World {
  const world = deployed();
  world.powerOff('alpha');
  world.round();
  world.apply({ kind: 'failover', service: 'cortex', leaderIsOff: 'unplugged' });
  world.machine('alpha').off = false;
  for (let round = 0; round < 5; round += 1) world.round();
  return world;
}

describe('a reseed', () => {
  it('says in plain words what becomes of the data of a retired member', () => {
    expect(shown(failedOver(), reseed('00.cortex'))).to.equal(
      golden(`
      plan ID reseed 00.cortex of cortex

      moves
        m1  reseed 00.cortex on alpha from 01.cortex  (retired; it begins again as a mirror (I2))

      warnings
        everything that 00.cortex has in /srv/syn/00.cortex/storage on alpha (1000 B) is set aside as /srv/syn/00.cortex/storage.aside-r1; nothing ever starts from it, and you remove it when you need it no more
        00.cortex was retired at term 2 (failed over to 01.cortex by op-12): what it took and nobody else has is in what is set aside, and nowhere else

      expected downtime: 0ms
    `),
    );
  });

  it('says that what is wiped is gone', () => {
    expect(shown(deployed(), reseed('01.cortex', { wipe: true }))).to.equal(
      golden(`
      plan ID reseed 01.cortex of cortex

      moves
        m1  reseed 01.cortex on bravo from 00.cortex  (ordered by the operator)

      warnings
        everything that 01.cortex has in /srv/syn/01.cortex/storage on bravo (1000 B) is DELETED and cannot be brought back
        01.cortex is mirroring: nothing is wrong with it that is known

      unchanged
        03.cortex goes on mirroring 01.cortex when that is back

      expected downtime: 0ms
    `),
    );
  });

  it('brings a retired member back as a mirror, which may lead again later', () => {
    const world = failedOver();
    expect(world.apply(reseed('00.cortex')).state).to.equal('done');
    const { topology } = world.services['cortex']!;
    expect(topology.retired).to.eql([]);
    expect(topology.upstreams['00.cortex']).to.equal('01.cortex');
    expect(world.cell('00.cortex').aside).to.have.length(1);
    expect(world.cell('00.cortex').intent.reseed).to.equal(undefined);
    expect(world.plan(reseed('00.cortex')).moves).to.eql([]);
    const promote: Goal = { kind: 'promote', service: 'cortex', to: '00.cortex' };
    expect(world.apply(promote).state).to.equal('done');
    expect(world.cell('00.cortex').active).to.equal(true);
    expect(world.cell('00.cortex').aside).to.have.length(1);
    expect(world.violations).to.eql([]);
  });

  it('gives a retired member the image that its upstream was updated to since (I3)', () => {
    const world = failedOver();
    world.backups = world.backups.map((backup) => ({ ...backup, finishedAt: world.now }));
    world.apply({ kind: 'update', service: 'cortex', image: 'cortex:2.150.0' });
    expect(world.plan(reseed('00.cortex')).moves.map((move) => move.kind)).to.eql([
      'pull',
      'reseed',
    ]);
    expect(world.apply(reseed('00.cortex')).state).to.equal('done');
    expect(world.cell('00.cortex').intent.spec.image.version).to.equal('2.150.0');
    expect(world.violations).to.eql([]);
  });

  it('fills one that was kept stopped for another history', () => {
    const world = deployed();
    world.powerOff('alpha');
    world.cell('02.cortex').log = [9, 9, 9, 9, 9];
    world.round();
    const goal: Goal = { kind: 'failover', service: 'cortex', leaderIsOff: 'x', to: '01.cortex' };
    world.apply(goal);
    expect(world.cell('02.cortex').running).to.equal(false);
    expect(world.apply(reseed('02.cortex')).state).to.equal('done');
    expect(world.cell('02.cortex').log).to.eql(world.cell('01.cortex').log);
    expect(world.cell('02.cortex').aside).to.eql([[9, 9, 9, 9, 9]]);
  });

  it('is refused for the leader, for nobody, while another one is ill, and without room', () => {
    const world = deployed();
    expect(codes(world, reseed('00.cortex'))).to.eql(['leads']);
    expect(codes(world, reseed('09.cortex'))).to.eql(['no-such-member']);
    world.cell('02.cortex').running = false;
    world.report('charlie');
    expect(codes(world, reseed('03.cortex'))).to.eql(['member-unhealthy']);
    world.cell('02.cortex').running = true;
    world.report('charlie');
    const fact = world.facts['delta']!['03.cortex']!;
    const storage = { dataBytes: 900, freeBytes: 700, totalBytes: 10_000 };
    world.facts['delta'] = { '03.cortex': { ...fact, value: { ...fact.value, storage } } };
    expect(codes(world, reseed('03.cortex'))).to.eql(['no-space']);
    expect(codes(world, reseed('03.cortex', { wipe: true }))).to.eql([]);
  });

  it('is refused while its upstream is not well, and where a backup would go with the data (I13)', () => {
    const world = deployed();
    world.backups = world.backups.map((backup) => ({
      ...backup,
      path: '/srv/syn/02.cortex/storage/elsewhere/b1',
    }));
    expect(codes(world, reseed('02.cortex', { wipe: true }))).to.eql(['backups-in-storage']);
    expect(codes(world, reseed('02.cortex'))).to.eql([]);
    world.powerOff('bravo');
    world.round();
    expect(codes(world, reseed('03.cortex'))).to.include('upstream-unhealthy');
  });

  it('needs a command to seed where a service does not fill itself', () => {
    expect(world(['seed']).plan(reseed('01.cortex')).refusals[0]?.message).to.equal(
      'cortex is of kind pg, which cannot fill a mirror anew: it has no command seed',
    );
    function world(without: readonly string[]): World {
      return described({ without });
    }
  });

  it('waits until it is filled to the end, whatever else is well', () => {
    const world = deployed();
    const { id } = world.begin(world.plan(reseed('03.cortex')));
    world.advance(id);
    world.now += 300;
    world.receive('delta');
    world.reconcile('delta');
    world.replicate();
    for (const host of world.machines.keys()) world.report(host);
    const fact = world.facts['delta']!['03.cortex']!;
    const storage = { ...fact.value.storage, reseeded: undefined };
    world.facts['delta'] = { '03.cortex': { ...fact, value: { ...fact.value, storage } } };
    world.advance(id);
    expect(world.operation(id)?.progress[0]?.wait?.code).to.equal('seeding');
  });
});

describe('a restore', () => {
  it('says what is lost, what is set aside and that all others begin anew', () => {
    expect(shown(deployed(), restore())).to.equal(
      golden(`
      plan ID restore cortex to backup b1

      moves
        m1  send b1 from charlie to alpha  (00.cortex is filled from it)
        m2  send b1 from charlie to bravo  (01.cortex is filled from it)
        m3  send b1 from charlie to delta  (03.cortex is filled from it)
        m4  stop 03.cortex, 01.cortex, 02.cortex, 00.cortex  (nobody may lead or mirror while cortex goes back)
        m5  restore b1 to 02.cortex on charlie, term 2  (backup b1 lies on its host; term 2 begins)
        m6  reseed 00.cortex on alpha from b1  (what it has is of the line that was given up)
        m7  reseed 01.cortex on bravo from b1  (what it has is of the line that was given up)
        m8  reseed 03.cortex on delta from b1  (what it has is of the line that was given up)

      warnings
        everything that was written to cortex since b1 was begun 1 min 1 s ago is LOST, which is 4 offsets: 00.cortex is at 5, the backup at 1
        everything that 02.cortex has in /srv/syn/02.cortex/storage on charlie (1000 B) is set aside as /srv/syn/02.cortex/storage.aside-OPERATION; nothing ever starts from it, and you remove it when you need it no more
        everything that 00.cortex has in /srv/syn/00.cortex/storage on alpha (1000 B) is set aside as /srv/syn/00.cortex/storage.aside-r1; nothing ever starts from it, and you remove it when you need it no more
        everything that 01.cortex has in /srv/syn/01.cortex/storage on bravo (1000 B) is set aside as /srv/syn/01.cortex/storage.aside-r1; nothing ever starts from it, and you remove it when you need it no more
        everything that 03.cortex has in /srv/syn/03.cortex/storage on delta (1000 B) is set aside as /srv/syn/03.cortex/storage.aside-r1; nothing ever starts from it, and you remove it when you need it no more
        00.cortex is filled from b1, which is sent to alpha before anything is stopped
        01.cortex is filled from b1, which is sent to bravo before anything is stopped
        03.cortex is filled from b1, which is sent to delta before anything is stopped
        cortex is down from the first stop until 02.cortex leads again; then 00.cortex, 01.cortex and 03.cortex are filled anew, one after another
    `),
    );
  });

  it('ends with everybody on the line of the backup, in a new term; newer backups stay listed', () => {
    const world = deployed();
    world.apply({ kind: 'backup', service: 'cortex', name: 'b2' });
    expect(world.apply(restore()).state).to.equal('done');
    const { topology } = world.services['cortex']!;
    expect(topology).to.include({ term: 2, leader: '02.cortex' });
    for (let round = 0; round < 3; round += 1) world.round();
    for (const name of ['00.cortex', '01.cortex', '02.cortex', '03.cortex'])
      expect(world.cell(name).log, name).to.eql([1000]);
    expect(new Set(world.backups.map(({ name }) => name))).to.eql(new Set(['b1', 'b2']));
    expect(world.violations).to.eql([]);
    expect(world.apply(restore({ backup: 'b2', id: 'r2' })).state).to.equal('done');
    expect(world.services['cortex']?.topology.term).to.equal(3);
  });

  it('takes as long as its drill has measured, and warns of one that failed it', () => {
    const world = deployed();
    const drill = {
      ...{ at: world.now, image: imageOf('cortex:2.113.0'), problems: ['it is lame'] },
      ...{ tookMs: 4200, copyMs: 200, migrationMs: 0, bytes: 1000 },
    };
    const planned = (ok: boolean) => {
      world.backups = world.backups.map((backup) => ({ ...backup, drill: { ...drill, ok } }));
      return world.plan(restore());
    };
    const restores = planned(true).moves.filter(({ kind }) => kind === 'restore');
    expect(restores.map(({ expectedMs }) => expectedMs)).to.eql([4200]);
    expect(planned(true).warnings.join()).to.not.include('FAILED');
    expect(planned(false).warnings.join()).to.include('b1 FAILED its drill: it is lame');
  });

  it('takes a backup that lies on several hosts where its member is, or where it is told to', () => {
    const world = deployed();
    const [home] = world.backups;
    world.backups = ['alpha', 'bravo'].map((host) => ({ ...home!, host })).concat(home!);
    const leads = (goal: ReturnType<typeof restore>) =>
      world.plan(goal).moves.flatMap((move) => (move.kind === 'restore' ? [move.host] : []));
    expect(leads(restore())).to.eql([home?.host]);
    expect(leads(restore({ host: 'alpha' }))).to.eql(['alpha']);
    world.backups = world.backups.filter(({ host }) => host === 'bravo');
    expect(leads(restore())).to.eql(['bravo']);
  });

  it('is refused without the backup, out of its reach, with an older image, or beside a silent leader', () => {
    const world = deployed();
    expect(codes(world, restore({ backup: 'b9' }))).to.eql(['no-such-backup']);
    world.backups = world.backups.map((backup) => ({ ...backup, version: '2.150.0' }));
    expect(codes(world, restore())).to.eql(['downgrade']);
    world.backups = world.backups.map((backup) => ({ ...backup, version: '2.1.0', host: 'echo' }));
    expect(codes(world, restore())).to.eql(['backup-out-of-reach']);
    world.backups = world.backups.map((backup) => ({ ...backup, host: 'charlie' }));
    expect(codes(world, restore({ host: 'alpha' }))).to.eql(['no-such-backup']);
    world.powerOff('alpha');
    world.round();
    expect(codes(world, restore())).to.eql(['host-silent']);
    expect(world.plan(restore()).refusals[0]?.unblock).to.match(/leafward plan failover cortex/);
    expect(codes(described({ without: ['restore'] }), restore())).to.eql(['kind-cannot']);
  });

  it('leaves a silent mirror for later, and a retired one retired', () => {
    const world = failedOver();
    world.powerOff('delta');
    world.round();
    const plan = world.plan(restore());
    expect(plan.refusals).to.eql([]);
    expect(plan.warnings.join()).to.match(
      /03.cortex is silent: it is ordered to stop.*plan reseed cortex 03.cortex/,
    );
    expect(world.apply(restore()).state).to.equal('done');
    world.machine('delta').off = false;
    for (let round = 0; round < 10; round += 1) world.round();
    expect(world.cell('03.cortex').running).to.equal(false);
    expect(world.cell('00.cortex').running).to.equal(false);
    expect(world.services['cortex']?.topology.retired.map((one) => one.member)).to.eql([
      '00.cortex',
    ]);
    expect(world.apply(reseed('03.cortex', { id: 'r2' })).state).to.equal('done');
    expect(world.violations).to.eql([]);
  });

  it('that is aborted before anything is replaced starts everybody again', () => {
    for (let at = 0; at < 30; at += 1) {
      const world = deployed();
      const { id } = world.begin(world.plan(restore()));
      for (let round = 0; round < at; round += 1) world.round();
      const operation = world.operation(id);
      if (operation?.state !== 'running') break;
      world.replace(controlOperation(operation, 'abort', 'the wrong one', world.now));
      world.run(id);
      world.settle();
      for (let round = 0; round < 5; round += 1) world.round();
      const isBack = !world.acts.some((act) => act.startsWith('restore'));
      const { leader = '', term } = world.services['cortex']!.topology;
      expect(term, `at ${at}`).to.equal(isBack ? 1 : 2);
      expect(world.cell(leader).active, `at ${at}`).to.equal(true);
      if (isBack)
        for (const name of ['00.cortex', '01.cortex', '02.cortex', '03.cortex'])
          expect(world.cell(name).running, `${name} at ${at}`).to.equal(true);
      expect(world.violations).to.eql([]);
    }
  });

  it('that fails leaves the service down and goes on when resumed', () => {
    const world = deployed();
    world.backedUp.clear();
    const { id } = world.begin(world.plan(restore()));
    const paused = world.run(id);
    expect(paused.reason).to.match(/restore of 02.cortex was refused.*cortex stays down/);
    expect(world.write('cortex')).to.equal(false);
    world.backedUp.set('b1', [1]);
    world.replace(controlOperation(paused, 'resume', 'the disk is back', world.now));
    expect(world.run(id).state).to.equal('done');
    expect(world.violations).to.eql([]);
  });

  it('never has two leaders, whatever crashes, is cut off or comes back at any prefix', () => {
    const happenings = fc.array(fc.tuple(fc.nat(3), fc.nat(5)), { maxLength: 40 });
    fc.assert(
      fc.property(happenings, fc.boolean(), (draws, wipe) => {
        const world = deployed();
        const { id } = world.begin(world.plan(restore({ wipe })));
        const hosts = [...world.machines.keys()];
        for (const [which, what] of draws) {
          const machine = world.machine(hosts[which] ?? '');
          if (what === 0) machine.connected = false;
          if (what === 1) machine.connected = true;
          if (what === 2) for (const cell of machine.cells.values()) cell.running = false;
          if (what === 3) world.carryOut(hosts[which] ?? '', 'after');
          if (what === 4) world.carryOut(hosts[which] ?? '', 'before');
          world.write('cortex');
          world.round();
        }
        for (const machine of world.machines.values()) machine.connected = true;
        for (let attempt = 0; attempt < 6; attempt += 1) {
          const operation = world.run(id);
          if (operation.state !== 'paused') break;
          world.replace(controlOperation(operation, 'resume', 'again', world.now));
        }
        expect(world.operation(id)?.reason ?? world.operation(id)?.state).not.to.match(/failed/);
        expect(world.operation(id)?.state).to.equal('done');
        expect(world.violations).to.eql([]);
      }),
      { numRuns: 40 },
    );
  });
});

describe('status and why of members that wait for a reseed', () => {
  it('name the plan that brings a retired member back', () => {
    const world = failedOver();
    const [view] = buildStatus(world.snapshot()).services;
    expect(view?.members.find((one) => one.member === '00.cortex')?.state).to.equal('retired');
    expect(explain(world.snapshot(), '00.cortex')[0]?.summary).to.match(
      /leafward plan reseed cortex 00.cortex/,
    );
  });
});
