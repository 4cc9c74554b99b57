// The one module that says who must not go down now, asked directly: each objection by its code, at its threshold.
import { expect } from 'chai';
import { gatherService, memberOf } from '@leafward/controller/planning/gather.js';
import {
  objectToBackups,
  objectToBackupSpace,
  objectToBootSpace,
  objectToDowngrade,
  objectToHandOver,
  objectToImageSpace,
  objectToOrder,
  objectToOtherHistory,
  objectToOthers,
  objectToRetired,
  objectToSilence,
  objectToStop,
} from '@leafward/controller/planning/safety.js';
import type { MemberFact } from '@leafward/shared/gen/domain.js';
import { backupOf, deployed, imageOf, type World } from './model.js';

type Codes = readonly { readonly code: string }[];
const codes = (objections: Codes): readonly string[] => objections.map(({ code }) => code);
const at = (world: World) => gatherService(world.snapshot(), 'cortex')!;
const member = (world: World, name: string) => memberOf(at(world), name)!;

/** Overwrites what a member's agent told last. */
function tell(world: World, name: string, change: (fact: MemberFact) => MemberFact): World {
  const facts = world.facts[world.hostOf(name)]!;
  facts[name] = { ...facts[name]!, value: change(facts[name]!.value) };
  return world;
}
const stored = (world: World, name: string, storage: Partial<MemberFact['storage']>): World =>
  tell(world, name, (fact) => ({ ...fact, storage: { ...fact.storage, ...storage } }));
const runs = (world: World, name: string, engine: Partial<MemberFact['engine']>): World =>
  tell(world, name, (fact) => ({ ...fact, engine: { ...fact.engine, ...engine } }));

describe('safety', () => {
  it('objects to nothing in a healthy service', () => {
    const world = deployed();
    const snapshot = world.snapshot();
    for (const one of at(world).members) {
      expect(codes(objectToStop(snapshot, at(world), one.name))).to.eql([]);
      expect(codes(objectToBootSpace(one))).to.eql([]);
      expect(codes(objectToRetired(one))).to.eql([]);
      expect(codes(objectToOtherHistory(one))).to.eql([]);
    }
    expect(codes(objectToSilence(at(world)))).to.eql([]);
    expect(codes(objectToHandOver(snapshot, at(world), '01.cortex'))).to.eql([]);
  });

  it('keeps everybody up while one is down, but not for the one itself (I4)', () => {
    const world = deployed();
    world.powerOff('charlie');
    world.now += 1000;
    const stop = (name: string) => objectToStop(world.snapshot(), at(world), name);
    expect(stop('01.cortex').map(({ code, subject }) => [code, subject])).to.eql([
      ['member-unhealthy', '02.cortex'],
    ]);
    expect(codes(stop('02.cortex'))).to.eql([]);
    expect(codes(objectToSilence(at(world)))).to.eql(['host-silent']);
  });

  it('does not count one that only waits for its own update (I4)', () => {
    const world = runs(deployed(), '03.cortex', { readOnly: true, version: '2.100.0' });
    expect(codes(objectToStop(world.snapshot(), at(world), '02.cortex'))).to.eql([]);
  });

  it('counts a fact that is too old as silence, though the agent is connected', () => {
    const world = deployed();
    world.now += 61_000;
    expect(codes(objectToSilence(at(world)))).to.have.length(4);
  });

  it('lets no version go down, by what runs and else by what was ordered (I5)', () => {
    const world = deployed();
    const older = imageOf('cortex:2.100.0');
    expect(codes(objectToDowngrade(member(world, '03.cortex'), older))).to.eql(['downgrade']);
    runs(world, '03.cortex', { version: undefined });
    expect(codes(objectToDowngrade(member(world, '03.cortex'), older))).to.eql(['downgrade']);
    const same = imageOf('cortex:2.113.0');
    expect(codes(objectToDowngrade(member(world, '03.cortex'), same))).to.eql([]);
  });

  it('lets nobody be newer than a member right below (I3)', () => {
    const world = deployed();
    const image = imageOf('cortex:2.150.0');
    const order = (name: string) => objectToOrder(at(world), member(world, name), image);
    expect(codes(order('00.cortex'))).to.eql(['below-is-older', 'below-is-older']);
    expect(codes(order('01.cortex'))).to.eql(['below-is-older']);
    expect(codes(order('03.cortex'))).to.eql([]);
    runs(world, '03.cortex', { version: '2.150.0' });
    expect(codes(order('01.cortex'))).to.eql([]);
  });

  it('wants a complete backup that is young enough, of a living member (I6)', () => {
    const world = deployed();
    const service = at(world);
    const { maxAgeMs } = service.declaration.backup;
    const asked = (finishedAt: number, more = {}) => {
      world.backups = [{ ...backupOf('02.cortex', 'cortex', 'charlie', finishedAt), ...more }];
      return codes(objectToBackups(world.snapshot(), at(world)));
    };
    expect(asked(world.now - maxAgeMs)).to.eql([]);
    expect(asked(world.now - maxAgeMs - 1)).to.eql(['no-backup']);
    expect(asked(world.now, { manifestSha256: '' })).to.eql(['no-backup']);
    expect(asked(world.now, { member: '09.cortex' })).to.eql(['no-backup']);
    expect(asked(world.now, { service: 'axon' })).to.eql(['no-backup']);
  });

  it('wants a proven one where the policy does, and names what proves it (I6)', () => {
    const world = deployed();
    const { declaration } = world.services['cortex']!;
    const backup = { ...declaration.backup, requireDrill: true };
    world.services['cortex'] = {
      ...world.services['cortex']!,
      declaration: { ...declaration, backup },
    };
    const drill = (ok: boolean) => ({
      ...{
        at: world.now,
        ok,
        image: imageOf('cortex:2.113.0'),
        problems: ok ? [] : ['it is lame'],
      },
      ...{ tookMs: 4200, copyMs: 200, migrationMs: 0, bytes: 1000 },
    });
    const made = (name: string, ageMs: number, more = {}) => ({
      ...backupOf('02.cortex', 'cortex', 'charlie', world.now - ageMs),
      ...{ name, ...more },
    });
    const asked = (...backups: World['backups']) => {
      world.backups = backups;
      return objectToBackups(world.snapshot(), at(world));
    };
    const { maxAgeMs } = backup;
    const [objection] = asked(made('b9', 10));
    expect(objection?.code).to.equal('no-proven-backup');
    expect(objection?.unblock).to.include('leafward backup drill b9 --service cortex');
    expect(asked(made('b9', 10), made('b8', 1000, { drill: drill(true) }))).to.eql([]);
    const old = made('b1', maxAgeMs + 1, { drill: drill(true) });
    expect(codes(asked(made('b9', 10), old))).to.eql(['no-proven-backup']);
    // One that failed is none at all, whatever the policy.
    expect(codes(asked(made('b9', 10, { drill: drill(false) })))).to.eql(['no-backup']);
  });

  it('counts no backup of a history that a restore or a failover has left (I6)', () => {
    const world = deployed();
    const { topology, leader } = at(world);
    const reached = leader?.fact?.engine.position ?? NaN;
    const asked = (term: number, position: number | undefined) => {
      const backup = backupOf('02.cortex', 'cortex', 'charlie', world.now);
      world.backups = [{ ...backup, term, position }];
      return codes(objectToBackups(world.snapshot(), at(world)));
    };
    const earlier = topology.term - 1;
    expect(asked(earlier, reached + 1)).to.eql(['no-backup']);
    expect(asked(earlier, reached)).to.eql([]);
    // A mirror's backup of this term may be newer than what is known of its leader.
    expect(asked(topology.term, reached + 1)).to.eql([]);
    expect(asked(earlier, undefined)).to.eql([]);
  });

  it('stops nobody that would not boot again, and begins no copy that would not fit (I7)', () => {
    const world = stored(deployed(), '03.cortex', { freeBytes: 499, totalBytes: 10_000 });
    expect(codes(objectToBootSpace(member(world, '03.cortex')))).to.eql(['no-space']);
    stored(world, '03.cortex', { freeBytes: 500 });
    expect(codes(objectToBootSpace(member(world, '03.cortex')))).to.eql([]);
    stored(world, '03.cortex', { dataBytes: 1000, freeBytes: 1499 });
    expect(codes(objectToBackupSpace(member(world, '03.cortex')))).to.eql(['no-space']);
    stored(world, '03.cortex', { freeBytes: 1500 });
    expect(codes(objectToBackupSpace(member(world, '03.cortex')))).to.eql([]);
  });

  it('keeps no reserve on a volume of backups alone, but on a shared one that is reported twice', () => {
    const world = stored(deployed(), '03.cortex', { dataBytes: 1000, freeBytes: 1499 });
    const one = member(world, '03.cortex');
    const spec = { ...one.intent!.spec, backupDirectory: '/backups' };
    const ask = (device: string) => {
      const size = { fileSystem: 'ext4', totalBytes: 10_000, freeBytes: 1499 };
      const own = { ...size, path: spec.storage, device: 'sda' };
      const volumes = [own, { ...size, path: '/backups', device }];
      const hostState = { ...one.hostState!, fact: { volumes } as never };
      return codes(objectToBackupSpace({ ...one, intent: { ...one.intent!, spec }, hostState }));
    };
    expect(ask('sdb')).to.eql([]);
    expect(ask('sda')).to.eql(['no-space']);
  });

  it('takes an image only where a volume could hold it (I7)', () => {
    const world = deployed();
    const one = member(world, '03.cortex');
    const volume = { path: '/', device: 'd', fileSystem: 'ext4', totalBytes: 100, freeBytes: 50 };
    const hostState = { ...one.hostState!, fact: { volumes: [volume] } as never };
    const image = { ...imageOf('cortex:2.150.0'), sizeBytes: 51 };
    expect(codes(objectToImageSpace({ ...one, hostState }, image))).to.eql(['no-space']);
    const small = { ...image, sizeBytes: 50 };
    expect(codes(objectToImageSpace({ ...one, hostState }, small))).to.eql([]);
  });

  it('lets the older of two operations go on, and a paused one hold its service (I10)', () => {
    const world = deployed();
    const first = world.begin(
      world.plan({ kind: 'update', service: 'cortex', image: 'cortex:2.150.0' }),
    );
    const paused = { ...first, state: 'paused' as const };
    const second = { ...first, id: 'op-later', createdAt: first.createdAt + 1 };
    world.operations = [paused, second];
    const ask = (own: typeof first | undefined) => objectToOthers(world.snapshot(), 'cortex', own);
    expect(codes(ask(paused))).to.eql([]);
    expect(codes(ask(second))).to.eql(['busy']);
    expect(codes(ask(undefined))).to.eql(['busy', 'busy']);
  });

  it('hands over only to a direct mirror that is near its leader, both in sight (I1)', () => {
    const world = deployed();
    const ask = (to: string) => codes(objectToHandOver(world.snapshot(), at(world), to));
    expect(ask('09.cortex')).to.eql(['no-such-mirror']);
    expect(ask('00.cortex')).to.eql(['leads-already']);
    expect(ask('03.cortex')).to.eql(['not-a-direct-mirror']);
    runs(world, '00.cortex', { position: 50_000 });
    expect(ask('01.cortex')).to.eql(['mirror-unhealthy']);
    runs(world, '00.cortex', { position: 5, active: false });
    expect(ask('01.cortex')).to.include.members(['leader-unhealthy']);
    world.machine('alpha').connected = false;
    expect(ask('01.cortex')).to.eql(['host-silent']);
  });

  it('starts nobody that was retired or is kept stopped (I2)', () => {
    const world = deployed();
    const one = member(world, '02.cortex');
    const wanted = (run: 'retired' | 'stopped') => ({ ...one, intent: { ...one.intent!, run } });
    expect(codes(objectToRetired(wanted('retired')))).to.eql(['retired']);
    expect(codes(objectToRetired({ ...one, isRetired: true }))).to.eql(['retired']);
    expect(codes(objectToOtherHistory(wanted('stopped')))).to.eql(['other-history']);
  });
});
