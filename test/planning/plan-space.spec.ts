// What plans say of space: refused where a volume would be left too small for what is on it, warned where the next backup
// would not fit or a rule breaks meanwhile. On planned deployments with hosts that report their volumes.
import { expect } from 'chai';
import type { Image, Plan, VolumeFact } from '@leafward/shared/gen/domain.js';
import { imagesNeeded, planGoal } from '@leafward/controller/planning/index.js';
import type { HostGrowth, Snapshot } from '@leafward/controller/snapshot.js';
import { hostState } from '../unit/metrics-fixture.js';
import { backupOf, deployed, imageOf, manifestOf, type World } from './model.js';

type Goal = Plan['goal'];
const DAY_MS = 86_400_000;

/** Every host reports a volume of 10,000 bytes with so much free; each member has 1,000 bytes of data on it. */
function withVolumes(
  world: World,
  freeBytes: number,
  over: { readonly path?: string; readonly growth?: HostGrowth } = {},
): Snapshot {
  const snapshot = world.snapshot();
  const fact = hostState('any').fact;
  if (fact === undefined) throw new Error('the fixture has no fact');
  const volume: VolumeFact = {
    path: over.path ?? '/srv',
    device: '/dev/sda1',
    fileSystem: 'ext4',
    totalBytes: 10_000,
    freeBytes,
  };
  const hosts = Object.fromEntries(
    Object.entries(snapshot.hosts).map(([name, host]) => [
      name,
      {
        ...host,
        lastSeenAt: snapshot.now,
        fact: { ...fact, volumes: [volume] },
        growth: over.growth,
      },
    ]),
  );
  return { ...snapshot, hosts };
}

function plan(snapshot: Snapshot, goal: Goal): Plan {
  const needed = imagesNeeded(snapshot, goal).map(({ reference }) => reference);
  const images: Record<string, Image> = {};
  for (const reference of needed) images[reference] = imageOf(reference);
  return planGoal(snapshot, goal, images);
}
const refusals = ({ refusals }: Plan) => refusals.map(({ code, subject }) => [code, subject]);

/** The same service with one more mirror on a host that has one already. */
const larger = (): Goal => ({
  kind: 'deploy',
  manifest: manifestOf({
    members: [
      ['00.cortex', 'alpha'],
      ['01.cortex', 'bravo', '00.cortex'],
      ['02.cortex', 'charlie', '00.cortex'],
      ['03.cortex', 'delta', '01.cortex'],
      ['04.cortex', 'delta', '00.cortex'],
    ],
  }),
});

describe('plans and the space of volumes', () => {
  it('places a new member only where a copy of its upstream fits', () => {
    const world = deployed();
    expect(refusals(plan(withVolumes(world, 1_500), larger()))).to.eql([]);
    const refused = plan(withVolumes(world, 1_499), larger());
    expect(refused.refusals).to.eql([
      {
        code: 'crosses-boot-limit',
        subject: 'delta',
        message:
          'with a copy of 00.cortex for 04.cortex (1000 B) 499 B would be left at /srv on delta, where services stop below 500 B (I7)',
        unblock: 'free at least 1 B at /srv on delta, or make it larger',
        evidence: [{ name: 'free', value: '1.5 KiB', wanted: '≥ 1.5 KiB', seenAt: world.now }],
      },
    ]);
    expect(refused.gates.at(-1)).to.include({ name: 'volumes', passed: false });
  });

  it('only warns by the volume of its neighbours, when its own is not reported', () => {
    const world = deployed();
    const storage = world.cell('03.cortex').intent.spec.storage;
    const { refusals: none, warnings } = plan(withVolumes(world, 600, { path: storage }), larger());
    expect(none).to.eql([]);
    expect(warnings.join('\n')).to.include('whether it is the same volume is not known');
  });

  it('adds up what a restore sets aside on one volume', () => {
    const world = deployed({
      members: [
        ['00.cortex', 'alpha'],
        ['01.cortex', 'alpha', '00.cortex'],
      ],
    });
    world.backups = [
      { ...backupOf('00.cortex', 'cortex', 'alpha', world.now - 60_000), sizeBytes: 1_000 },
    ];
    const goal = (wipe: boolean): Goal => ({
      kind: 'restore',
      service: 'cortex',
      backup: world.backups[0]?.name ?? '',
      wipe,
      id: 'r1',
    });
    // Each copy fits by itself: 1,000 and 500 of reserve.
    expect(refusals(plan(withVolumes(world, 2_499), goal(false)))).to.eql([
      ['crosses-boot-limit', 'alpha'],
    ]);
    expect(refusals(plan(withVolumes(world, 2_500), goal(false)))).to.eql([]);
    expect(refusals(plan(withVolumes(world, 600), goal(true)))).to.eql([]);
  });

  it('warns when after a backup the next one would not fit', () => {
    const world = deployed();
    const goal: Goal = { kind: 'backup', service: 'cortex', member: '02.cortex', name: 'b2' };
    const isSaid = (free: number): boolean =>
      plan(withVolumes(world, free), goal).warnings.some((text) =>
        text.includes('could not be backed up to /srv on charlie any more'),
      );
    // Twice 1,000 and the first backup, which counts as data, and 500 of reserve.
    expect([isSaid(3_500), isSaid(3_499)]).to.eql([false, true]);
  });

  it('warns when a rule breaks before the plan is over and a day', () => {
    const world = deployed();
    const trend = (bytesPerDay: number) => ({
      since: world.now - 9 * DAY_MS,
      samples: 99,
      rate: { bytesPerDay, lowBytesPerDay: bytesPerDay, highBytesPerDay: bytesPerDay },
    });
    const storages = ['00', '01', '02', '03'].map(
      (name) => world.cell(`${name}.cortex`).intent.spec.storage,
    );
    const growth = (bytesPerDay: number): HostGrowth => ({
      sampledAt: world.now,
      data: Object.fromEntries(storages.map((storage) => [storage, trend(bytesPerDay)])),
      backups: {},
      others: { '/srv': trend(0) },
    });
    const goal: Goal = { kind: 'backup', service: 'cortex', member: '01.cortex', name: 'b2' };
    const warnings = (bytesPerDay: number) =>
      plan(withVolumes(world, 4_500, { growth: growth(bytesPerDay) }), goal).warnings.filter(
        (text) => text.includes('breaks'),
      );
    expect(warnings(1_400)).to.eql([]);
    expect(warnings(3_000)).to.eql([
      'the backup rule of 01.cortex breaks in about 12 h (between 12 h and 12 h) at /srv on bravo: leafward forecast bravo',
    ]);
  });
});
