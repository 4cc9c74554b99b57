// The new store of a controller that has lost its own: what is set aside, what is refused, and whose word counts when.
import { expect } from 'chai';
import { EventEmitter } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import pino from 'pino';
import { configPath, parseConfig, type ControllerConfig } from '@leafward/controller/config.js';
import { storePath } from '@leafward/controller/controller.js';
import { openFleet, type Fleet } from '@leafward/controller/fleet.js';
import { prepareRebuild, type RebuildOrder } from '@leafward/controller/rebuild/prepare.js';
import { createRebuilder, type Rebuilder } from '@leafward/controller/rebuild/rebuilder.js';
import { createSessions, type AgentStream } from '@leafward/controller/sessions.js';
import { openDatabase, type Database } from '@leafward/controller/store/database.js';
import { createFleetStore } from '@leafward/controller/store/fleet-store.js';
import { openIdentityStore, type IdentityTables } from '@leafward/controller/store/identities.js';
import type { IdentityStore } from '@leafward/controller/identity-store.js';
import type { FleetTables } from '@leafward/controller/store/tables.js';
import { systemClock } from '@leafward/shared/clock.js';
import type {
  Hello,
  Memory,
  Permit,
  Report,
  SessionRequest,
  SessionResponse,
} from '@leafward/shared/gen/domain.js';
import { intentOf } from './agent-world.js';
import { memberFact } from './metrics-fixture.js';

class Stream extends EventEmitter {
  readonly sent: SessionResponse[] = [];
  write(message: SessionResponse): boolean {
    this.sent.push(message);
    return true;
  }
  end(): void {
    this.sent.push({ kind: 'reconnect', reason: 'ended', afterMs: 0 });
  }
}

const log = pino({ level: 'silent' });
const leader = intentOf({ member: '00.cortex' });
const memory: Memory = {
  order: { host: 'alpha', generation: 7, epoch: 3, members: [leader] },
  terms: { cortex: 3 },
  promotions: {},
  storages: [],
  openRequests: [],
};
const hello: { kind: 'hello' } & Hello = {
  kind: 'hello',
  host: 'alpha',
  agentVersion: '1',
  bootId: 'b',
  generation: 7,
  epoch: 3,
  clockMs: 1000,
};
const report = (sequence: number, more: Partial<Report> = {}): { kind: 'report' } & Report => ({
  kind: 'report',
  sequence,
  sentAt: Date.now(),
  generation: 7,
  members: [{ ...memberFact('cortex', '00.cortex'), seenAt: Date.now() }],
  outcomes: [],
  refusedOrders: 0,
  ...more,
});

describe('a store made anew', () => {
  let dir: string;
  let config: ControllerConfig;
  let opened: Database<FleetTables & IdentityTables> | undefined;

  const order = (more: Partial<RebuildOrder> = {}): RebuildOrder => ({
    stateDir: dir,
    config,
    clock: systemClock,
    hosts: ['alpha'],
    gone: [],
    reason: '',
    revoke: [],
    setAside: false,
    ...more,
  });
  const open = async () => {
    opened = await openDatabase<FleetTables & IdentityTables>(storePath(dir));
    return { store: createFleetStore(opened.db), identities: await openIdentityStore(opened.db) };
  };
  const close = async (): Promise<void> => {
    await opened?.close();
    opened = undefined;
  };
  const refusal = (more: Partial<RebuildOrder>): Promise<unknown> =>
    prepareRebuild(order(more)).then(
      () => undefined,
      (error: unknown) => error,
    );

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-rebuild-'));
    const text = `{ fleet: test, names: [localhost], listen: { mtls: '127.0.0.1:0' } }`;
    config = parseConfig(text, configPath(dir));
  });
  afterEach(async () => {
    await close();
    await rm(dir, { recursive: true });
  });

  it('has an epoch that no start of a controller can have counted to', async () => {
    const before = Math.floor(Date.now() / 1000);
    expect(await prepareRebuild(order())).to.deep.equal({ aside: undefined, goesOn: false });
    const { store } = await open();
    expect(await store.epoch()).to.be.greaterThan(before);
    expect((await store.load()).rebuild?.hosts).to.deep.equal(['alpha']);
  });

  it('takes the place of nothing that can be read, unless that is said', async () => {
    await open();
    await close();
    expect(await refusal({})).to.include({ code: 'invalid' });
    const { aside = '' } = await prepareRebuild(order({ setAside: true }));
    expect(await readdir(dir)).to.include.members(['store.sqlite', aside.slice(dir.length + 1)]);
  });

  it('sets a damaged file aside, and goes on where it was', async () => {
    await writeFile(storePath(dir), 'not a database at all, and long enough to look like one');
    const { aside } = await prepareRebuild(order());
    expect(aside).to.match(/store\.sqlite\.aside-/);
    const again = order({ hosts: ['bravo'], gone: ['alpha'], reason: 'burnt down' });
    expect(await prepareRebuild(again)).to.deep.equal({ aside: undefined, goesOn: true });
    const { store } = await open();
    const { rebuild } = await store.load();
    expect(rebuild?.hosts).to.deep.equal(['alpha', 'bravo']);
    expect(rebuild?.gone).to.deep.equal([{ host: 'alpha', reason: 'burnt down' }]);
  });

  it('gives up no host without a reason, and takes no manifest of another fleet', async () => {
    expect(await refusal({ gone: ['alpha'] })).to.include({ code: 'invalid' });
    const manifestPath = join(dir, 'fleet.yaml');
    await writeFile(manifestPath, 'fleet: other\nhosts: {}\nservices: {}\n');
    expect(String(await refusal({ manifestPath }))).to.include('of fleet other');
    expect(await readdir(dir)).to.deep.equal(['fleet.yaml']);
  });

  it('keeps whoever is revoked out, and recognises the others by their certificates', async () => {
    await prepareRebuild(order({ revoke: ['mallory'] }));
    const { store, identities } = await open();
    const fleet = await openFleet({ name: 'test', store, clock: systemClock });
    const rebuilder = createRebuilder({ fleet, identities, clock: systemClock, log });
    const agent = (name: string) => ({
      ...{ fleet: 'test', kind: 'agent' as const, name, serial: `5e${name}`, fingerprint: 'f' },
      issuedAt: 1,
      expiresAt: Date.now() + 1000,
    });
    expect(rebuilder.recognise(agent('mallory'))).to.equal(undefined);
    expect(identities.isRevoked('agent', 'mallory', '5emallory')).to.equal(true);
    await rebuilder.recognise(agent('alpha'));
    expect(identities.isRevoked('agent', 'alpha', '5ealpha')).to.equal(false);
    expect(rebuilder.recognise(agent('alpha'))).to.equal(undefined);
  });

  describe('and an agent', () => {
    let fleet: Fleet;
    let identities: IdentityStore;
    let rebuilder: Rebuilder;
    let stream: Stream;

    /** Every message is answered. */
    const say = async (message: SessionRequest): Promise<void> => {
      const isAnswer = ({ kind }: SessionResponse) =>
        kind === 'welcome' || kind === 'report-answer';
      const before = stream.sent.filter(isAnswer).length;
      stream.emit('data', message);
      while (stream.sent.filter(isAnswer).length === before) await nextTurn();
    };
    const permits = (): readonly Permit[] | undefined => {
      const last = stream.sent.findLast(({ kind }) => kind === 'report-answer');
      return last?.kind === 'report-answer' ? last.permits : undefined;
    };

    beforeEach(async () => {
      await prepareRebuild(order());
      const stores = await open();
      ({ identities } = stores);
      fleet = await openFleet({ name: 'test', store: stores.store, clock: systemClock });
      fleet.setIdentities([{ name: 'alpha', revoked: false }]);
      rebuilder = createRebuilder({ fleet, identities, clock: systemClock, log });
      const sessions = createSessions({
        fleet,
        clock: systemClock,
        log,
        rebuilder,
        reportEveryMs: 5000,
        remember: () => undefined,
      });
      stream = new Stream();
      sessions.accept('alpha', stream as unknown as AgentStream, {
        expiresAt: Number.MAX_SAFE_INTEGER,
        isRevoked: () => false,
      });
    });

    it('is asked what it remembers; its leader gets a permit from then on, and no order', async () => {
      await say(hello);
      expect(stream.sent[0]).to.include({ kind: 'welcome', rebuilding: true });
      await say(report(1));
      expect(permits()).to.deep.equal([]);
      await say(report(2, { memory }));
      expect(permits()?.map(({ member, term }) => [member, term])).to.deep.equal([
        ['00.cortex', 3],
      ]);
      expect(fleet.rebuild()?.endedAt).to.not.equal(undefined);
      expect(stream.sent.map(({ kind }) => kind)).to.not.include('intent');
      expect(fleet.intent('alpha')?.generation).to.equal(7);
    });

    it('knows no epoch above the one of its controller', async () => {
      const newestEpoch = fleet.epoch + 1000;
      await say({ ...hello, newestEpoch });
      expect(fleet.epoch).to.be.greaterThan(newestEpoch);
      expect(stream.sent[0]).to.include({ kind: 'welcome', epoch: fleet.epoch });
      await say(report(1, { memory }));
      expect(permits()?.[0]?.epoch).to.equal(fleet.epoch);
    });

    it('is heard on requests of a lost operation', async () => {
      await say(hello);
      const outcome = {
        ...{ requestId: 'op-1.m2', state: 'succeeded' as const, startedAt: 1, finishedAt: 2 },
        changes: [],
      };
      await say(report(1, { memory, outcomes: [outcome] }));
      const [row] = await identities.audit(1);
      expect(row).to.include({ who: 'agent/alpha', subject: 'op-1.m2', result: 'succeeded' });
    });
  });
});
