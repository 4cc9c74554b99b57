// The operator's call that tries an engine: whom it asks, what it refuses, what comes back. With the real fleet and its
// store; the agent's answer is committed as its report would. And what of a kind and a stack the store keeps.
import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { CommandAnswer, ExecEngine } from '@leafward/shared/gen/domain.js';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import { openFleet, type Fleet } from '@leafward/controller/fleet.js';
import { testEngine } from '@leafward/controller/operators/engines.js';
import { openDatabase, type Database } from '@leafward/controller/store/database.js';
import { createFleetStore } from '@leafward/controller/store/fleet-store.js';
import type { FleetTables } from '@leafward/controller/store/tables.js';
import { World } from '../planning/model.js';

const MANIFEST = `fleet: loop
hosts: { alpha: { address: 10.0.0.1 } }
kinds:
  store:
    commands:
      role: { run: [store, role], words: { master: leader } }
services:
  orders:
    kind: store
    image: store:2.113.0
    update: { requireBackup: false }
    members: { 00.orders: { host: alpha } }
  homeserver:
    kind: matrix-synapse
    image: matrix:1.62.0
    members:
      zulu: { host: alpha }
      yankee: { host: alpha, upstream: zulu }
      alpha-1: { host: alpha, upstream: zulu }
`;
const exec = (deadlineMs = 5000, maxOutputBytes = 1024): ExecEngine => ({
  positions: 'number',
  commands: {
    role: {
      steps: [{ run: ['store', 'role'], place: 'member', deadlineMs, maxOutputBytes }],
      format: 'plain',
    },
  },
});
const answer: CommandAnswer = {
  command: 'role',
  ok: true,
  output: 'master',
  value: 'leader',
  tookMs: 3,
};

describe('trying an engine', () => {
  let dir: string;
  let database: Database<FleetTables>;
  let fleet: Fleet;
  const open = async (): Promise<Fleet> => {
    database = await openDatabase<FleetTables>(join(dir, 'store.sqlite'));
    return openFleet({ name: 'loop', store: createFleetStore(database.db), clock: systemClock });
  };
  const refused = (member: string, wanted: ExecEngine): Promise<string> =>
    testEngine(fleet, systemClock, { member, exec: wanted }).then(
      () => 'no error',
      (error: unknown) => (error instanceof LeafwardError ? error.message : String(error)),
    );

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-engines-'));
    fleet = await open();
  });
  afterEach(async () => {
    await database.close();
    await rm(dir, { recursive: true });
  });

  /** Deployed in a model of a fleet, whose intents and services are then those of this one. */
  async function deploy(): Promise<void> {
    const world = new World(['alpha']);
    world.round();
    const only = MANIFEST.slice(0, MANIFEST.indexOf('  homeserver'));
    world.apply({ kind: 'deploy', manifest: only });
    for (let count = 0; count < 5; count += 1) world.round();
    const { alpha } = world.intents;
    const { orders } = world.services;
    if (alpha === undefined || orders === undefined) throw new Error('not deployed');
    const state = { ...orders, topology: { ...orders.topology, term: 4 } };
    await fleet.transact(() => ({
      value: undefined,
      changes: [
        { kind: 'intent', intent: { ...alpha, epoch: fleet.epoch } },
        { kind: 'service', name: 'orders', state },
      ],
    }));
  }

  it('asks the agent of the member’s host, in the term of its service, and gives its answers', async () => {
    await deploy();
    fleet.setHost({ ...fleet.host('alpha'), session: 1 });
    const asked = testEngine(fleet, systemClock, { member: '00.orders', exec: exec() });
    while (fleet.pending('alpha').length === 0) await systemClock.sleep(5);
    const request = fleet.pending('alpha')[0]?.request;
    expect(request).to.deep.include({
      kind: 'test-engine',
      member: '00.orders',
      term: 4,
      exec: exec(),
    });
    await fleet.transact(() => ({
      value: undefined,
      changes: [
        {
          kind: 'outcome',
          outcome: {
            requestId: request?.id ?? '',
            state: 'succeeded',
            startedAt: 1,
            finishedAt: 2,
            changes: [],
            answers: { answers: [answer] },
          },
        },
      ],
    }));
    expect(await asked).to.deep.equal({ member: '00.orders', host: 'alpha', answers: [answer] });
  });

  it('refuses members that are not there, silent hosts and commands without bounds', async () => {
    expect(await refused('00.orders', exec())).to.include('nothing is deployed yet');
    await deploy();
    expect(await refused('09.orders', exec())).to.include('there are: 00.orders');
    expect(await refused('00.orders', exec())).to.match(/\[unavailable\].*not connected/);
    expect(await refused('00.orders', exec(3_600_000))).to.match(/\[invalid\].*longer/);
    expect(await refused('00.orders', exec(5000, 2 ** 30))).to.match(/\[invalid\].*print more/);
    expect(fleet.pending('alpha')).to.eql([]);
  });

  it('leaves a kind and the order of a stack as they were written, also after a restart', async () => {
    const parsed = parseManifest(MANIFEST);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    const { services } = parsed.manifest;
    await fleet.transact(() => ({
      value: undefined,
      changes: services.map((declaration) => ({
        kind: 'service' as const,
        name: declaration.name,
        state: {
          declaration,
          topology: { service: declaration.name, term: 1, leader: '', upstreams: {}, retired: [] },
        },
      })),
    }));
    await database.close();
    fleet = await open();
    const { orders, homeserver } = fleet.snapshot().services;
    expect(orders?.declaration.exec).to.deep.equal(services[0]?.exec);
    expect(homeserver?.declaration.members.map(({ name }) => name)).to.eql([
      'zulu',
      'yankee',
      'alpha-1',
    ]);
  });
});
