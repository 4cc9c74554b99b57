// Services of kinds that the manifest describes with commands: a deploy that changes nothing but the commands tells
// them to the agents and restarts nobody.
import { expect } from 'chai';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { World } from './model.js';

const COMMANDS = `
      role: { run: [store, role] }
      position: { run: [store, position] }
      ready: { run: [store, ping], result: exit-code }
      storedUpstream: { run: [cat, '{storage}/upstream'] }
      setUpstream: { run: [store, follow, '{upstreamUrl}'] }
      clearUpstream: { run: [rm, '{storage}/upstream'] }`;

const manifest = (commands: string, more = ''): string => `fleet: loop
hosts: { alpha: { address: 10.0.0.1 }, bravo: { address: 10.0.0.2 } }
kinds:
  store:
    commands:${commands}
services:
  orders:
    kind: store
    image: store:2.113.0
    update: { requireBackup: false }
    ports: { sql: 5432 }${more}
    members:
      00.orders: { host: alpha }
      01.orders: { host: bravo, upstream: 00.orders }
`;

function deployed(): World {
  const world = new World(['alpha', 'bravo']);
  world.round();
  apply(world, COMMANDS);
  return world;
}

function apply(world: World, commands: string): void {
  world.apply({ kind: 'deploy', manifest: manifest(commands) });
  for (let count = 0; count < 10; count += 1) world.round();
}

const intentsOf = (world: World): readonly MemberIntent[] =>
  Object.values(world.intents).flatMap(({ members }) => members);

describe('kinds that a manifest describes', () => {
  it('ride on the intents of their members, complete', () => {
    const commands = intentsOf(deployed()).map(({ exec }) => exec?.commands['role']);
    const role = {
      steps: [
        { run: ['store', 'role'], place: 'member', deadlineMs: 5000, maxOutputBytes: 65_536 },
      ],
      format: 'plain',
    };
    expect(commands).to.eql([role, role]);
  });

  it('are told anew without a restart when their commands change, and the plan says which', () => {
    const world = deployed();
    const acts = [...world.acts];
    const changed = COMMANDS.replace('[store, role]', '[store, status]')
      .replace(/ +ready: .*\n/, '')
      .concat('\n      version: { run: [store, version] }\n    positions: lsn');
    const plan = world.plan({ kind: 'deploy', manifest: manifest(changed) });
    const cause =
      'goes on as it is, with another description of its kind (positions, role; new: version; gone: ready)';
    expect(plan.moves.map(({ kind, cause }) => [kind, cause])).to.eql([
      ['place', cause],
      ['place', cause],
    ]);
    apply(world, changed);
    expect(world.acts).to.eql(acts);
    for (const { exec } of intentsOf(world)) {
      expect(exec?.positions).to.equal('lsn');
      expect(Object.keys(exec?.commands ?? {}))
        .to.include('version')
        .and.not.include('ready');
    }
    expect(world.violations).to.eql([]);
  });

  it('change nothing when the same is written in another way', () => {
    const same = COMMANDS.replace(
      'run: [store, role]',
      'steps: [{ run: [store, role], where: member, deadline: 5000ms, maxOutput: 64KiB }]',
    );
    expect(deployed().plan({ kind: 'deploy', manifest: manifest(same) }).moves).to.eql([]);
  });

  it('are told before the restart that a change of the spec needs', () => {
    const changed = manifest(
      COMMANDS.replace('[store, role]', '[store, status]'),
      '\n    user: me',
    );
    const { moves } = deployed().plan({ kind: 'deploy', manifest: changed });
    expect(moves.map(({ kind }) => kind)).to.eql(['place', 'place', 'recreate', 'recreate']);
  });
});
