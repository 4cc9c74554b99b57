// The fleet's memory image and its store: durable first, one decision at a time, fenced by the epoch.
import { expect } from 'chai';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@leafward/shared/clock.js';
import type { LeafwardError } from '@leafward/shared/errors.js';
import type { HostIntent, Operation, Outcome, Request } from '@leafward/shared/gen/domain.js';
import type { Change } from '@leafward/controller/changes.js';
import { openFleet, type Fleet } from '@leafward/controller/fleet.js';
import { openDatabase, type Database } from '@leafward/controller/store/database.js';
import { createFleetStore } from '@leafward/controller/store/fleet-store.js';
import type { FleetTables } from '@leafward/controller/store/tables.js';
import { backupOf } from '../planning/model.js';

const intent = (generation: number): HostIntent => ({
  host: 'alpha',
  generation,
  epoch: 1,
  members: [],
});
const request = (id: string): Request => ({
  kind: 'check-host',
  id,
  epoch: 1,
  expiresAt: 1,
  member: '',
  term: 0,
});
const outcome = (requestId: string): Outcome => ({
  requestId,
  state: 'succeeded',
  startedAt: 1,
  finishedAt: 2,
  changes: [],
});

describe('the fleet', () => {
  let dir: string;
  let database: Database<FleetTables>;
  const open = async (): Promise<Fleet> => {
    database = await openDatabase<FleetTables>(join(dir, 'store.sqlite'));
    return openFleet({ name: 'test', store: createFleetStore(database.db), clock: systemClock });
  };
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-fleet-'));
  });
  afterEach(async () => {
    await database.close();
    await rm(dir, { recursive: true });
  });

  it('shows what was committed, also after a restart, in a higher epoch', async () => {
    const fleet = await open();
    await fleet.transact(() => ({
      changes: [{ kind: 'intent', intent: intent(1) }],
      value: undefined,
    }));
    expect(fleet.intent('alpha')).to.deep.equal(intent(1));
    await database.close();
    const again = await open();
    expect(again.intent('alpha')).to.deep.equal(intent(1));
    expect(again.epoch).to.equal(fleet.epoch + 1);
  });

  it('changes nothing when the decision throws', async () => {
    const fleet = await open();
    const failing = fleet.transact(() => {
      throw new Error('no');
    });
    await failing.then(
      () => expect.fail(),
      (error: Error) => expect(error.message).to.equal('no'),
    );
    expect(fleet.snapshot().hosts).to.deep.equal({});
  });

  it('refuses the commit of a controller that was replaced (I11)', async () => {
    const fleet = await open();
    const other = await openDatabase<FleetTables>(join(dir, 'store.sqlite'));
    await createFleetStore(other.db).takeOver();
    await other.close();
    const late = fleet.transact(() => ({
      changes: [{ kind: 'intent', intent: intent(7) }],
      value: undefined,
    }));
    const error = await late.then(
      () => undefined,
      (e: unknown) => e,
    );
    expect((error as LeafwardError).code).to.equal('stale');
    expect(fleet.intent('alpha')).to.equal(undefined);
  });

  it('hands secrets of requests and outcomes on and writes none down (I14)', async () => {
    const fleet = await open();
    const asked = { ...request('r1'), secret: 'word-for-it' };
    const ask = (one: Request): Promise<void> =>
      fleet.transact((): { changes: readonly Change[]; value: undefined } => ({
        changes: [{ kind: 'request', state: { request: one, host: 'alpha', createdAt: 1 } }],
        value: undefined,
      }));
    await ask(asked);
    const [pending] = fleet.pending('alpha');
    expect(pending?.request.secret).to.equal(undefined);
    expect(fleet.words.complete(request('r1')).secret).to.equal('word-for-it');
    await fleet.transact(() => ({
      changes: [{ kind: 'outcome', outcome: { ...outcome('r1'), secret: 'url-of-once' } }],
      value: undefined,
    }));
    expect(fleet.outcome('r1')?.secret).to.equal(undefined);
    expect(fleet.words.complete(request('r1')).secret).to.equal(undefined);
    expect(fleet.words.complete({ ...request('r2'), secretFrom: 'r1' }).secret).to.equal(
      'url-of-once',
    );
    expect(fleet.words.take('r1')).to.equal('url-of-once');
    expect(fleet.words.take('r1')).to.equal(undefined);
    const files = await Promise.all((await readdir(dir)).map((file) => readFile(join(dir, file))));
    expect(Buffer.concat(files).toString('latin1')).not.to.match(/url-of-once|word-for-it/);
  });

  it('keeps decisions apart: each sees what the one before committed', async () => {
    const fleet = await open();
    const bump = () =>
      fleet.transact((snapshot) => ({
        changes: [
          {
            kind: 'intent',
            intent: intent((snapshot.hosts['alpha']?.intent?.generation ?? 0) + 1),
          },
        ],
        value: undefined,
      }));
    await Promise.all(Array.from({ length: 20 }, bump));
    expect(fleet.intent('alpha')?.generation).to.equal(20);
  });

  it('lets others run between two decisions, however many wait', async () => {
    const fleet = await open();
    const order: string[] = [];
    const decide = (name: string): Promise<void> =>
      fleet.transact(() => {
        order.push(name);
        return { changes: [], value: undefined };
      });
    setImmediate(() => order.push('others'));
    await Promise.all([decide('first'), decide('second')]);
    expect(order).to.deep.equal(['first', 'others', 'second']);
  });

  it('shows a host by the same object until something of it changes', async () => {
    const fleet = await open();
    fleet.setIdentities([{ name: 'alpha', revoked: false }]);
    fleet.setHost({ ...fleet.host('alpha'), session: 1 });
    const before = fleet.snapshot().hosts['alpha'];
    expect(fleet.snapshot().hosts['alpha']).to.equal(before);
    fleet.setIdentities([{ name: 'alpha', revoked: true }]);
    expect(fleet.snapshot().hosts['alpha']?.revoked).to.equal(true);
    fleet.setHost({ ...fleet.host('alpha'), session: undefined });
    expect(fleet.snapshot().hosts['alpha']?.connected).to.equal(false);
    expect(before?.connected).to.equal(true);
  });

  it('hands a request out until its outcome is known', async () => {
    const fleet = await open();
    const state = { request: request('r1'), host: 'alpha', createdAt: 1 };
    await fleet.transact(() => ({ changes: [{ kind: 'request', state }], value: undefined }));
    expect(fleet.pending('alpha')).to.have.length(1);
    await fleet.transact(() => ({
      changes: [{ kind: 'outcome', outcome: outcome('r1') }],
      value: undefined,
    }));
    expect(fleet.pending('alpha')).to.have.length(0);
    expect(fleet.outcome('r1')?.state).to.equal('succeeded');
  });

  const operation = (id: string, state: Operation['state'], createdAt: number): Change => ({
    kind: 'operation',
    operation: {
      id,
      planId: `plan-${id}`,
      goal: { kind: 'backup', service: 'cortex', name: 'b' },
      state,
      services: ['cortex'],
      moves: [],
      progress: [],
      createdBy: 'ada',
      createdAt,
      abortRequested: false,
    },
    events: [`event of ${id}`],
    at: createdAt,
  });
  const answered = (id: string, createdAt: number): readonly Change[] => [
    { kind: 'request', state: { request: request(id), host: 'alpha', createdAt } },
    { kind: 'outcome', outcome: outcome(id) },
  ];

  it('takes away the oldest ended records, and nothing that an open operation may ask for', async function () {
    this.timeout(120_000);
    const fleet = await open();
    const many = Array.from({ length: 4100 }, (_, index) => index);
    const changes: Change[] = [
      operation('op-open', 'paused', 1),
      ...answered('op-open.m1.1', 1),
      ...many.slice(0, 2050).map((index) => operation(`op-${index}`, 'done', 10 + index)),
      ...many.flatMap((index) => answered(`ask-${index}`, 10 + index)),
    ];
    await fleet.transact(() => ({ changes, value: undefined }));
    expect(fleet.outcome('op-open.m1.1')?.state).to.equal('succeeded');
    const store = createFleetStore(database.db);
    await store.prune(fleet.epoch);
    expect(await store.operation('op-0')).to.equal(undefined);
    expect(await store.events('op-0')).to.deep.equal([]);
    expect((await store.operation('op-2049'))?.id).to.equal('op-2049');
    expect(await store.events('op-open')).to.have.length(1);
    const rows = await database.db.selectFrom('requests').select('id').execute();
    expect(rows).to.have.length(4001);
    await database.close();
    const again = await open();
    expect(again.outcome('op-open.m1.1')?.state).to.equal('succeeded');
    expect(again.outcome('ask-4099')?.state).to.equal('succeeded');
    expect(again.outcome('ask-0')).to.equal(undefined);
  });

  it('prunes nothing for a controller that was replaced (I11)', async () => {
    const fleet = await open();
    const store = createFleetStore(database.db);
    await store.takeOver();
    const refused = await store.prune(fleet.epoch).catch((error: LeafwardError) => error.code);
    expect(refused).to.equal('stale');
  });

  it('does not shut a host out that tells two backups of one name', async () => {
    const fleet = await open();
    const one = backupOf('00.cortex', 'cortex', 'alpha', 5);
    const backups = [one, { ...one, path: '/elsewhere/b1' }];
    await fleet.transact(() => ({
      changes: [{ kind: 'backups', host: 'alpha', backups }],
      value: undefined,
    }));
    expect(fleet.snapshot().backups).to.have.length(2);
  });
});
