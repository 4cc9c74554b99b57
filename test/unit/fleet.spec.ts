// The fleet's memory image and its store: durable first, one decision at a time, fenced by the epoch.
import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@leafward/shared/clock.js';
import type { LeafwardError } from '@leafward/shared/errors.js';
import type { HostIntent, Outcome, Request } from '@leafward/shared/gen/domain.js';
import { openFleet, type Fleet } from '@leafward/controller/fleet.js';
import { openDatabase, type Database } from '@leafward/controller/store/database.js';
import { createFleetStore } from '@leafward/controller/store/fleet-store.js';
import type { FleetTables } from '@leafward/controller/store/tables.js';

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
});
