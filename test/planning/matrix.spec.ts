// A homeserver and the service of its database: what their backups owe each other, and what a plan says of releases.
import { expect } from 'chai';
import { matrixSchemaOf, matrixWayBack } from '@leafward/controller/planning/matrix-releases.js';
import { exceptionsBetween } from '@leafward/controller/planning/release-exceptions.js';
import { stackManifest, World } from './model.js';

const DATABASE = `
  pg:
    kind: synapse
    image: pg:2.113.0
    upstreamUrl: aha://{member}.loop
    members:
      00.pg: { host: charlie }
      01.pg: { host: delta, upstream: 00.pg }
`;
const EXTRA = [
  '    engine: { databaseService: pg }',
  '    update:',
  '      exceptions: [{ from: <1.62.0, to: ">=1.62.0 <2.0.0", text: our own module must be new }]',
].join('\n');

const manifest = (image = 'chat:1.60.0'): string =>
  `${stackManifest({ image, extra: EXTRA })}${DATABASE}`;

function withDatabase(): World {
  const world = new World(['alpha', 'bravo', 'charlie', 'delta']);
  world.round();
  const ended = world.apply({ kind: 'deploy', manifest: manifest() });
  expect(ended.state).to.equal('done');
  for (let count = 0; count < 5; count += 1) world.round();
  return world;
}

const codes = (plan: { readonly refusals: readonly { readonly code: string }[] }) =>
  plan.refusals.map(({ code }) => code);

describe('a stack with a database of its fleet', () => {
  it('is backed up after its database, which its backup names', () => {
    const world = withDatabase();
    const plan = world.plan({ kind: 'backup', service: 'chat', name: 'nightly' });
    expect(plan.refusals).to.eql([]);
    expect(plan.services).to.eql(['chat', 'pg']);
    expect(plan.moves.map((move) => [move.service, 'member' in move && move.member])).to.eql([
      ['pg', '01.pg'],
      ['chat', 'main'],
    ]);
    expect(world.run(world.begin(plan).id).state).to.equal('done');
    expect(world.backups.map(({ service, databaseBackup }) => [service, databaseBackup])).to.eql([
      ['chat', 'pg/nightly'],
      ['pg', undefined],
    ]);
  });

  it('takes its files for no backup once the one of its database is gone', () => {
    const world = withDatabase();
    const update = { kind: 'update', service: 'chat', image: 'chat:1.61.0' } as const;
    expect(codes(world.plan(update))).to.eql(['no-backup']);
    world.apply({ kind: 'backup', service: 'chat', name: 'nightly' });
    expect(codes(world.plan(update))).to.eql([]);
    world.backups = world.backups.filter(({ service }) => service === 'chat');
    expect(codes(world.plan(update))).to.eql(['no-backup']);
  });

  it('is not updated while its database is backed up, nor the other way round', () => {
    const world = withDatabase();
    world.apply({ kind: 'backup', service: 'chat', name: 'nightly' });
    const update = { kind: 'update', service: 'chat', image: 'chat:1.61.0' } as const;
    const dump = { kind: 'backup', service: 'pg', name: 'another' } as const;
    const updating = world.plan(update);
    world.begin(world.plan(dump));
    expect(codes(world.plan(update))).to.eql(['busy']);
    world.operations = [];
    expect(updating.services).to.eql(['chat', 'pg']);
    world.begin(updating);
    expect(codes(world.plan(dump))).to.eql(['busy']);
  });

  it('is not restarted by a deploy while its database is worked on, nor the other way round', () => {
    const world = withDatabase();
    world.apply({ kind: 'backup', service: 'chat', name: 'nightly' });
    const deploy = { kind: 'deploy', manifest: manifest('chat:1.61.0') } as const;
    const promote = { kind: 'promote', service: 'pg', to: '01.pg' } as const;
    const deploying = world.plan(deploy);
    expect(deploying.services).to.eql(['chat', 'pg']);
    world.begin(world.plan(promote));
    expect(codes(world.plan(deploy))).to.eql(['busy']);
    world.operations = [];
    world.begin(deploying);
    expect(codes(world.plan(promote))).to.include('busy');
  });

  it('has no backup of a worker, and none without the service of its database', () => {
    const world = withDatabase();
    const worker = { kind: 'backup', service: 'chat', name: 'a', member: 'sync' } as const;
    expect(world.plan(worker).refusals[0]?.message).to.include('a worker has nothing to back up');
    const { pg: _, ...rest } = world.services;
    world.services = rest;
    expect(codes(world.plan({ kind: 'backup', service: 'chat', name: 'a' }))).to.eql([
      'no-database',
    ]);
  });

  it('is told of releases that it crosses, those of the manifest too', () => {
    const world = withDatabase();
    world.apply({ kind: 'backup', service: 'chat', name: 'nightly' });
    const plan = world.plan({ kind: 'update', service: 'chat', image: 'chat:1.66.0' });
    expect(plan.warnings).to.include('our own module must be new');
    expect(plan.warnings.filter((text) => text.startsWith('the schema goes'))).to.eql([
      "the schema goes from 70 to 72 and is usable from 1.62.0 on only: the way back to 1.60.0 is the database's backup, with what was written since lost",
    ]);
  });
});

describe('releases of Matrix Synapse', () => {
  it('have the schema that was measured, and none beyond the table', () => {
    expect(matrixSchemaOf('1.66.0')).to.include({ schema: 72, compatible: 72 });
    expect(matrixSchemaOf('v1.61.1')).to.include({ schema: 71, compatible: 69 });
    expect(matrixSchemaOf('1.12.4')).to.equal(undefined);
    expect(matrixSchemaOf('1.99.0')).to.equal(undefined);
    expect(matrixSchemaOf('latest')).to.equal(undefined);
  });

  it('say up to which one a way back exists', () => {
    expect(matrixWayBack('1.60.0', '1.61.0')).to.equal(
      'the schema goes from 70 to 71 and stays usable from 1.57.0 on, 1.60.0 included',
    );
    expect(matrixWayBack('1.65.0', '1.66.0')).to.equal(
      'the schema stays 72 and stays usable from 1.62.0 on, 1.65.0 included',
    );
    expect(matrixWayBack('1.18.0', '1.66.0')).to.include('the schema becomes 72');
    expect(matrixWayBack('1.98.0', '1.120.0')).to.include('not in the table');
  });

  it('with exceptions tell of them when they are crossed, and only then', () => {
    const crossed = (from: string | undefined, to: string | undefined) =>
      exceptionsBetween('matrix-synapse', from, to).map((text) => text.split(' ')[0]);
    expect(crossed('1.50.2', '1.77.0')).to.eql(['1.57', '1.67', '1.76', 'the']);
    expect(crossed('1.57.0', '1.66.0')).to.eql(['the']);
    expect(crossed('1.66.0', '1.67.0')).to.eql(['1.67', 'the']);
    expect(crossed('1.66.0', '1.66.0')).to.eql([]);
    expect(crossed(undefined, '1.66.0')).to.eql([]);
    expect(crossed('1.66.0', undefined)).to.eql([]);
    const own = [{ from: '<2', to: '>=2', text: 'mind the gap' }];
    expect(exceptionsBetween('other', '1.0.0', '2.0.0', own)).to.eql(['mind the gap']);
    expect(exceptionsBetween('other', '2.0.0', '3.0.0', own)).to.eql([]);
  });
});
