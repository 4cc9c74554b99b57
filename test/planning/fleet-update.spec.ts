// Updates of several services in one plan, and what release notes and rehearsals add to any update.
import { expect } from 'chai';
import fc from 'fast-check';
import { inGuideOrder } from '@leafward/controller/planning/fleet-update.js';
import { imageWithTag } from '@leafward/controller/planning/image-tag.js';
import { goalWithNotes } from '@leafward/controller/planning/index.js';
import type { Goal, ReleaseNotes, UpdateOptions } from '@leafward/shared/gen/domain.js';
import { backupOf, HOSTS, imageOf, World } from './model.js';
import { golden, shown } from './text.js';

const SERVICES: readonly (readonly [name: string, after: string, mirror?: string])[] = [
  ['cortex', '[aha, axon]', 'bravo'],
  ['optic', '[cortex]'],
  ['axon', '[aha]'],
  ['aha', '[]'],
];

const manifest = [
  'fleet: loop',
  'hosts:',
  ...HOSTS.map((host) => `  ${host}:`),
  'services:',
  ...SERVICES.flatMap(([name, after, mirror]) => [
    `  ${name}:`,
    '    kind: synapse',
    `    image: registry:5000/synapse-${name}:v2.180.0`,
    '    upstreamUrl: aha://{member}.loop',
    `    after: ${after}`,
    '    members:',
    `      00.${name}: { host: alpha, storage: /srv/${name}0 }`,
    ...(mirror === undefined
      ? []
      : [`      01.${name}: { host: ${mirror}, upstream: 00.${name}, storage: /srv/${name}1 }`]),
  ]),
].join('\n');

function fleet(): World {
  const world = new World(HOSTS);
  world.round();
  expect(world.apply({ kind: 'deploy', manifest }).state).to.equal('done');
  for (const [name] of SERVICES) for (let count = 0; count < 3; count += 1) world.write(name);
  for (let count = 0; count < 5; count += 1) world.round();
  world.backups = SERVICES.map(([name]) => backupOf(`00.${name}`, name, 'alpha', world.now));
  return world;
}

const goal = (more: Partial<Extract<Goal, { kind: 'fleet-update' }>> = {}): Goal => ({
  kind: 'fleet-update',
  services: [],
  tag: 'v2.250.0',
  updates: [],
  ...more,
});

describe('an update of the fleet', function () {
  this.timeout(60_000);

  it('has every image on its hosts first, then goes by need and the guide, each service leafs first', () => {
    expect(shown(fleet(), goal({ services: ['optic', 'aha', 'cortex'] }))).to.equal(
      golden(`
      plan ID update aha, cortex, optic to v2.250.0

      moves
        m1  pull registry:5000/synapse-aha:v2.250.0 on alpha  (before anything is stopped)
        m2  pull registry:5000/synapse-cortex:v2.250.0 on alpha, bravo  (before anything is stopped)
        m3  pull registry:5000/synapse-optic:v2.250.0 on alpha  (before anything is stopped)
        m4  recreate 00.aha on alpha  (the only member)
              image: registry:5000/synapse-aha:v2.180.0 (302e3038312e) → registry:5000/synapse-aha:v2.250.0 (302e3035322e)
        m5  recreate 01.cortex on bravo  (depth 1, a leaf)
              image: registry:5000/synapse-cortex:v2.180.0 (302e3038312e) → registry:5000/synapse-cortex:v2.250.0 (302e3035322e)
        m6  recreate 00.cortex on alpha  (the leader, last)
              image: registry:5000/synapse-cortex:v2.180.0 (302e3038312e) → registry:5000/synapse-cortex:v2.250.0 (302e3035322e)
        m7  recreate 00.optic on alpha  (the only member)
              image: registry:5000/synapse-optic:v2.180.0 (302e3038312e) → registry:5000/synapse-optic:v2.250.0 (302e3035322e)
    `),
    );
  });

  it('is carried out as one operation, and a second plan says who is there already', () => {
    const world = fleet();
    const operation = world.apply(goal());
    expect(operation.state).to.equal('done');
    expect(operation.services).to.eql(['aha', 'axon', 'cortex', 'optic']);
    expect(world.violations).to.eql([]);
    expect(world.services['axon']?.declaration.image).to.equal(
      'registry:5000/synapse-axon:v2.250.0',
    );
    const again = world.plan(goal());
    expect(again.moves).to.eql([]);
    expect(again.unchanged).to.include('00.aha has version 2.250.0 (302e3035322e) already');
    expect(world.plan({ kind: 'deploy', manifest }).moves).to.eql([]);
  });

  it('needs of each service what a single update needs, and says of which it lacks', () => {
    const world = fleet();
    world.backups = world.backups.filter(({ service }) => service !== 'axon');
    const plan = world.plan(goal());
    expect(plan.refusals.map(({ code, subject }) => [code, subject])).to.eql([
      ['no-backup', 'axon'],
    ]);
    expect(plan.gates.filter(({ passed }) => !passed).map(({ name }) => name)).to.eql([
      'axon: backup',
    ]);
  });

  it('with low downtime restarts those that have no mirror, and says so', () => {
    const options: UpdateOptions = { strategy: 'low-downtime', acknowledged: [] };
    const plan = fleet().plan(goal({ options }));
    expect(plan.refusals).to.eql([]);
    expect(plan.warnings).to.include(
      'aha has no mirror: it is down while it restarts, low-downtime or not',
    );
    const moves = plan.moves.filter(({ kind }) => kind !== 'pull');
    expect(moves.map(({ kind, service }) => `${kind} ${service}`)).to.eql([
      'recreate aha',
      'recreate axon',
      'recreate cortex',
      'hand-over cortex',
      'recreate cortex',
      'recreate optic',
    ]);
  });

  it('never comes before what it needs, whatever the services are called (property)', () => {
    const lists = fc.array(fc.tuple(fc.constantFrom('aha', 'axon', 'cortex', 'x', 'y'), fc.nat()), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(lists, (draws) => {
        const services = draws.map(([word, draw], index) => ({
          name: `${word}${index}`,
          image: 'same',
          runtime: 'docker' as const,
          after: index === 0 ? [] : [`${draws[draw % index]?.[0] ?? ''}${draw % index}`],
        }));
        const order = inGuideOrder(services).map(({ name }) => name);
        expect([...order].sort()).to.eql(services.map(({ name }) => name).sort());
        for (const { name, after } of services)
          for (const other of after) expect(order.indexOf(other)).to.be.below(order.indexOf(name));
      }),
    );
  });

  it('takes the repository of the image with the new tag, and the file with the new version', () => {
    expect(imageWithTag('registry:5000/synapse-aha', 'v2.250.0', 'docker')).to.equal(
      'registry:5000/synapse-aha:v2.250.0',
    );
    expect(imageWithTag('a/b:v1@sha256:00', 'v2', 'docker')).to.equal('a/b:v2');
    expect(imageWithTag('/opt/1.0.0/cell-2.113.0.cjs', 'v2.150.0', 'process')).to.equal(
      '/opt/1.0.0/cell-2.150.0.cjs',
    );
    expect(imageWithTag('/opt/cell', 'v2.150.0', 'process')).to.equal(undefined);
  });
});

const notes: ReleaseNotes = {
  oldest: '2.170.0',
  newest: '2.250.0',
  migrations: [
    { version: '2.250.0', text: 'Users are indexed.' },
    { version: '2.180.0', text: 'Long ago.' },
  ],
  flagDays: [{ version: '2.200.0', text: 'file:old is gone.' }],
};

describe('what release notes and rehearsals say of an update', () => {
  const update = (options: Partial<UpdateOptions> = {}): Goal => ({
    kind: 'update',
    service: 'cortex',
    image: 'registry:5000/synapse-cortex:v2.250.0',
    options: { notes, acknowledged: [], ...options },
  });

  it('lists migrations of the versions in between, and refuses a flag day that nobody has read', () => {
    const world = fleet();
    expect(shown(world, update()).replace(/moves[^]*?(?=gates)/, '')).to.equal(
      golden(`
      plan ID update cortex to registry:5000/synapse-cortex:v2.250.0

      gates
        FAIL flag days: 2.200.0 is a flag day of the data model: file:old is gone.

      refused
        flag-day: 2.200.0 is a flag day of the data model: file:old is gone.
          → read it in the release notes, see that queries and Power-Ups are ready for it, and plan again with --acknowledge 2.200.0

      what to expect
        2.250.0 migrates by itself: Users are indexed.
        2.200.0 is a flag day: file:old is gone.
    `),
    );
    expect(world.plan(update({ acknowledged: ['v2.200.0'] })).refusals).to.eql([]);
  });

  it('keeps in the goal what is crossed, and warns of what the notes do not reach', () => {
    const world = fleet();
    const short = { ...notes, newest: '2.240.0', oldest: '2.190.0' };
    const resolved = imageOf('registry:5000/synapse-cortex:v2.250.0');
    const asked = { ...update({ notes: short, acknowledged: ['2.200.0'] }), resolved } as Goal;
    const kept = goalWithNotes(world.snapshot(), asked);
    expect(kept.kind === 'update' && kept.options?.notes?.migrations).to.eql([
      { version: '2.250.0', text: 'Users are indexed.' },
    ]);
    expect(world.plan(kept).warnings).to.eql([
      'the release notes end at 2.240.0: what later versions up to 2.250.0 bring is not known',
      'the release notes begin at 2.190.0: what versions after 2.180.0 brought before is not known',
    ]);
  });

  it('takes times from a rehearsal of the image, and goes on despite a failed one only with a reason', () => {
    const world = fleet();
    const image = imageOf('registry:5000/synapse-cortex:v2.250.0');
    const drill = {
      ...{ at: world.now, ok: true, image, problems: [], bytes: 1 },
      ...{ tookMs: 31_000, copyMs: 10_000, migrationMs: 9000 },
    };
    const place = { service: 'cortex', member: '00.cortex', host: 'alpha', backup: 'b1' };
    world.history = { 'cortex/recreate': 5000 };
    world.rehearsals = [{ ...place, drill }];
    const plan = world.plan(update({ acknowledged: ['2.200.0'] }));
    expect(plan.expectedDowntimeMs).to.equal(21_000);
    expect(plan.outlooks?.services[0]?.rehearsal).to.include({
      readyMs: 21_000,
      migrationMs: 9000,
    });
    world.rehearsals = [{ ...place, drill: { ...drill, ok: false, problems: ['no room'] } }];
    const options = { acknowledged: ['2.200.0'] };
    expect(world.plan(update(options)).refusals.map(({ code }) => code)).to.eql([
      'rehearsal-failed',
    ]);
    const despite = world.plan(update({ ...options, despiteRehearsal: 'the disk was full' }));
    expect(despite.refusals).to.eql([]);
    expect(despite.warnings).to.eql([
      'a copy of backup b1 did NOT come up with this image: no room; it goes on despite that: the disk was full',
    ]);
    world.rehearsals = [
      { ...place, drill: { ...drill, ok: false, at: world.now - 31 * 86_400_000 } },
    ];
    expect(world.plan(update(options)).refusals).to.eql([]);
  });
});
