// The agents' streams: whose word counts, from when on, and what is sent again. A stream is a pair of emitters here;
// the fleet and its store are the real ones.
import { expect } from 'chai';
import { EventEmitter } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { openFleet, type Fleet } from '@leafward/controller/fleet.js';
import { OWNED_MS } from '@leafward/controller/ownership.js';
import { createSessions, type AgentStream, type Sessions } from '@leafward/controller/sessions.js';
import { openDatabase, type Database } from '@leafward/controller/store/database.js';
import { createFleetStore } from '@leafward/controller/store/fleet-store.js';
import type { FleetTables } from '@leafward/controller/store/tables.js';
import type {
  HostIntent,
  Hello,
  Operation,
  Permit,
  Report,
  Request,
  SessionResponse,
} from '@leafward/shared/gen/domain.js';
import type { Clock } from '@leafward/shared/clock.js';
import { intentOf } from './agent-world.js';
import { memberFact, declaration } from './metrics-fixture.js';

class Stream extends EventEmitter {
  readonly sent: SessionResponse[] = [];
  isEnded = false;
  write(message: SessionResponse): boolean {
    this.sent.push(message);
    return true;
  }
  end(): void {
    this.isEnded = true;
  }
  kinds(): readonly string[] {
    return this.sent.map((message) => message.kind);
  }
}

const hello = (generation: number): { kind: 'hello' } & Hello => ({
  kind: 'hello',
  host: 'alpha',
  agentVersion: '1',
  bootId: 'b',
  generation,
  epoch: 1,
  clockMs: 1000,
});
const report = (generation: number, more: Partial<Report> = {}): { kind: 'report' } & Report => ({
  kind: 'report',
  sequence: 1,
  sentAt: 1000,
  generation,
  members: [{ ...memberFact('cortex', '00.cortex'), seenAt: 1000 }],
  outcomes: [],
  refusedOrders: 0,
  ...more,
});
const intent = (generation: number): HostIntent => ({
  host: 'alpha',
  generation,
  epoch: 1,
  members: [],
});

describe('a session', () => {
  let dir: string;
  let database: Database<FleetTables>;
  let fleet: Fleet;
  let sessions: Sessions;
  const clock = { at: 1000 };
  let isRevoked = false;
  let replaced = 0;
  const manual: Clock = {
    now: () => clock.at,
    monotonic: () => clock.at,
    sleep: () => Promise.resolve(),
  };
  const open = (host = 'alpha'): Stream => {
    const stream = new Stream();
    sessions.accept(host, stream as unknown as AgentStream, {
      expiresAt: Number.MAX_SAFE_INTEGER,
      isRevoked: () => isRevoked,
    });
    return stream;
  };
  /** Decisions run one at a time: what was said before this has been taken when it returns. */
  const taken = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn += 1)
      await fleet.transact(() => ({ changes: [], value: undefined }));
  };
  const order = (generation: number): Promise<void> =>
    fleet.transact(() => ({
      changes: [{ kind: 'intent', intent: intent(generation) }],
      value: undefined,
    }));
  /** A mirrored service whose leader is on alpha. */
  const lead = (): Promise<void> => {
    const leader = intentOf({ isolation: { onIsolation: 'stop', leaseMs: 5000 } });
    const { member, term } = leader;
    const topology = { service: 'cortex', term, leader: member, upstreams: {}, retired: [] };
    const state = { declaration: declaration('cortex', {}), topology };
    return fleet.transact(() => ({
      changes: [
        { kind: 'intent', intent: { ...intent(1), members: [leader] } },
        { kind: 'service', name: 'cortex', state },
      ],
      value: undefined,
    }));
  };
  const alpha = () => fleet.snapshot().hosts['alpha'];

  beforeEach(async () => {
    clock.at = 1000;
    isRevoked = false;
    dir = await mkdtemp(join(tmpdir(), 'leafward-sessions-'));
    database = await openDatabase<FleetTables>(join(dir, 'store.sqlite'));
    replaced = 0;
    fleet = await openFleet({
      name: 'test',
      store: createFleetStore(database.db),
      clock: manual,
      onReplaced: () => (replaced += 1),
    });
    fleet.setIdentities([{ name: 'alpha', revoked: false }]);
    sessions = createSessions({
      fleet,
      clock: manual,
      log: pino({ level: 'silent' }),
      reportEveryMs: 5000,
      remember: () => undefined,
    });
  });
  afterEach(async () => {
    await database.close();
    await rm(dir, { recursive: true });
  });

  it('counts as connected from its first report on, not from its hello', async () => {
    const before = open();
    before.emit('data', hello(0));
    before.emit('data', report(0));
    await taken();
    expect(alpha()?.connected).to.equal(true);
    const after = open();
    after.emit('data', hello(0));
    await taken();
    expect(alpha()?.connected, 'the facts are of the stream before').to.equal(false);
    after.emit('data', report(0));
    await taken();
    expect(alpha()?.connected).to.equal(true);
  });

  it('confirms no term once another controller has the store, although it commits nothing (I11)', async () => {
    await lead();
    const stream = open();
    stream.emit('data', hello(0));
    stream.emit('data', report(0));
    await taken();
    const permits = (): readonly Permit[] => {
      const last = stream.sent.filter((message) => message.kind === 'report-answer').at(-1);
      return last?.kind === 'report-answer' ? last.permits : [];
    };
    expect(permits()).to.deep.equal([
      { service: 'cortex', member: '00.cortex', term: 3, validMs: 5000, epoch: fleet.epoch },
    ]);
    expect(alpha()?.answeredAtMs).to.equal(clock.at);
    await createFleetStore(database.db).takeOver();
    clock.at += OWNED_MS;
    stream.emit('data', report(0, { sequence: 2 }));
    await taken();
    expect(permits()).to.deep.equal([]);
    expect(replaced).to.equal(1);
  });

  it('confirms no term that an agent knows to be over: its store is an older copy (I1)', async () => {
    await lead();
    fleet.setIdentities(['alpha', 'bravo'].map((name) => ({ name, revoked: false })));
    const bravo = open('bravo');
    bravo.emit('data', { ...hello(0), host: 'bravo' });
    const mirror = { ...memberFact('cortex', '01.cortex'), seenAt: 1000, term: 4 };
    bravo.emit('data', report(0, { members: [mirror] }));
    await taken();
    const stream = open();
    stream.emit('data', hello(0));
    stream.emit('data', report(0));
    await taken();
    const answer = stream.sent.find((message) => message.kind === 'report-answer');
    expect(answer?.kind === 'report-answer' ? answer.permits : undefined).to.deep.equal([]);
  });

  it('orders nothing more once an agent has a newer order than the store, and starts no leader', async () => {
    await lead();
    const beta = { ...intent(1), host: 'bravo' };
    await fleet.transact(() => ({ changes: [{ kind: 'intent', intent: beta }], value: undefined }));
    fleet.setIdentities(['alpha', 'bravo'].map((name) => ({ name, revoked: false })));
    const permits = (of: Stream): readonly Permit[] =>
      of.sent.flatMap((one) => (one.kind === 'report-answer' ? one.permits : []));
    const known = open();
    known.emit('data', hello(0));
    known.emit('data', report(0));
    await taken();
    expect(known.kinds()).to.include('intent');
    expect(permits(known)).to.have.length(1);
    expect(fleet.snapshot().olderCopy).to.equal(undefined);
    const bravo = open('bravo');
    bravo.emit('data', { ...hello(7), host: 'bravo' });
    await taken();
    expect(bravo.kinds()).to.deep.equal(['welcome']);
    expect(fleet.snapshot().olderCopy?.what).to.equal(
      'bravo has order 7, and the store knows none after 1',
    );
    // One that runs in a term that nobody contradicts goes on; one that is down may have been followed by another.
    const runs = open();
    const exited = {
      ...memberFact('cortex', '00.cortex'),
      container: { state: 'exited' as const },
    };
    runs.emit('data', hello(0));
    runs.emit('data', report(0, { members: [{ ...exited, seenAt: 1000 }] }));
    await taken();
    expect(permits(runs)).to.deep.equal([]);
    runs.emit('data', report(0, { sequence: 2 }));
    await taken();
    expect(permits(runs)).to.have.length(1);
    expect(runs.kinds()).not.to.include('intent');
  });

  it('takes a fence in the term to come, and a host that was never ordered anything, for no older copy', async () => {
    await lead();
    const leader = intentOf({ run: 'retired', term: 4 });
    const fence = { ...intent(2), members: [leader] };
    await fleet.transact(() => ({
      changes: [{ kind: 'intent', intent: fence }],
      value: undefined,
    }));
    fleet.setIdentities(['alpha', 'bravo'].map((name) => ({ name, revoked: false })));
    const stream = open();
    stream.emit('data', hello(2));
    const fenced = { ...memberFact('cortex', '00.cortex'), seenAt: 1000, term: 4 };
    stream.emit('data', report(2, { members: [fenced] }));
    open('bravo').emit('data', { ...hello(9), host: 'bravo', newestEpoch: 1 });
    await taken();
    expect(fleet.snapshot().olderCopy).to.equal(undefined);
  });

  it('keeps in an operation what an agent did of it out of sight', async () => {
    await lead();
    const declared = declaration('cortex', { '00.cortex': 'alpha' });
    const topology = {
      service: 'cortex',
      term: 3,
      leader: '00.cortex',
      upstreams: {},
      retired: [],
    };
    const operation: Operation = {
      ...{ id: 'op-1', planId: 'p', state: 'running', services: ['cortex'], createdBy: 'admin' },
      ...{ moves: [], progress: [], createdAt: 1, abortRequested: false },
      goal: { kind: 'backup', service: 'cortex', name: 'b' },
    };
    await fleet.transact(() => ({
      changes: [
        { kind: 'service', name: 'cortex', state: { declaration: declared, topology } },
        { kind: 'operation', operation, events: ['begun'], at: 1 },
      ],
      value: undefined,
    }));
    const seen = (starts: number) => ({
      members: [{ ...memberFact('cortex', '00.cortex'), seenAt: 1000, starts }],
    });
    const old = open();
    old.emit('data', hello(1));
    old.emit('data', report(1, seen(1)));
    await taken();
    old.emit('end');
    clock.at += 42_000;
    const back = open();
    back.emit('data', hello(1));
    back.emit('data', report(1, seen(2)));
    await taken();
    const events = (await createFleetStore(database.db).events('op-1')).map(({ text }) => text);
    expect(events).to.have.length(2);
    expect(events[1]).to.match(/^host alpha is back after 42 s; meanwhile: 00.cortex was started/);
  });

  it('settles a backup that the agent began by itself, and tells what others backed up', async () => {
    await lead();
    const duty = { schedule: '0 2 * * *', timeZone: 'UTC', jitterMs: 0, rank: 0, takeoverMs: 1 };
    const members = [intentOf({ backupDuty: duty })];
    await fleet.transact(() => ({
      changes: [{ kind: 'intent', intent: { ...intent(2), members } }],
      value: undefined,
    }));
    const stream = open();
    stream.emit('data', hello(2));
    const begun = { requestId: 'scheduled-00.cortex-900', startedAt: 950, changes: [] };
    stream.emit('data', report(2, { outcomes: [{ ...begun, state: 'running' }] }));
    await taken();
    stream.emit('data', report(2, { sequence: 2, outcomes: [{ ...begun, state: 'failed' }] }));
    await taken();
    const answers = stream.sent.filter((sent) => sent.kind === 'report-answer');
    expect(answers.map(({ settled }) => settled)).to.deep.equal([[], [begun.requestId]]);
    expect(answers.map(({ services }) => services?.services[0]?.service)).to.deep.equal([
      'cortex',
      'cortex',
    ]);
    expect(fleet.snapshot().hosts['alpha']?.schedule).to.equal(undefined);
  });

  it('takes nothing from a stream that a newer one has replaced', async () => {
    const old = open();
    old.emit('data', hello(3));
    const late = memberFact('cortex', '00.cortex');
    const held = fleet.transact(() => ({ changes: [], value: undefined }));
    old.emit('data', report(3, { members: [{ ...late, seenAt: 1000, starts: 77 }] }));
    const fresh = open();
    fresh.emit('data', hello(5));
    fresh.emit('data', report(5, { members: [{ ...late, seenAt: 1000, starts: 78 }] }));
    await held;
    await taken();
    old.emit('data', report(3, { members: [{ ...late, seenAt: 1000, starts: 77 }] }));
    await taken();
    expect(alpha()?.acceptedGeneration).to.equal(5);
    expect(alpha()?.members['00.cortex']?.value.starts).to.equal(78);
    expect(old.isEnded).to.equal(true);
  });

  it('takes nothing more from a host that was cut off', async () => {
    const stream = open();
    stream.on('error', () => undefined);
    stream.emit('data', hello(0));
    await taken();
    sessions.end('alpha', 'its certificate was revoked');
    stream.emit('data', report(9));
    await taken();
    expect(alpha()?.acceptedGeneration).to.equal(0);
    expect(stream.kinds()).not.to.include('report-answer');
  });

  it('ends when its certificate was taken back by an enrolment elsewhere', () => {
    const stream = open();
    const errors: unknown[] = [];
    stream.on('error', (error) => errors.push(error));
    sessions.sweep();
    expect(sessions.connected()).to.equal(1);
    isRevoked = true;
    sessions.sweep();
    expect(sessions.connected()).to.equal(0);
    expect(String(errors[0])).to.include('was revoked');
  });

  it('keeps why an order was refused until it is taken', async () => {
    const stream = open();
    await order(4);
    stream.emit('data', hello(0));
    stream.emit('data', report(0));
    await taken();
    expect(stream.kinds()).to.include('intent');
    const answer = { kind: 'intent-answer', generation: 4 } as const;
    stream.emit('data', { ...answer, accepted: false, reason: 'it names 00.cortex twice' });
    await taken();
    expect(alpha()?.refusedIntent).to.equal('it names 00.cortex twice');
    stream.emit('data', { ...answer, accepted: true });
    await taken();
    expect(alpha()?.refusedIntent).to.equal(undefined);
  });

  it('sends an order again until the agent shows it, and none that it has', async () => {
    const stream = open();
    await order(4);
    stream.emit('data', hello(0));
    await taken();
    const sent = () => stream.kinds().filter((kind) => kind === 'intent').length;
    expect(sent()).to.equal(1);
    stream.emit('data', report(0));
    await taken();
    expect(sent()).to.equal(1);
    clock.at += 6000;
    stream.emit('data', report(0));
    await taken();
    expect(sent()).to.equal(2);
    clock.at += 6000;
    stream.emit('data', report(4));
    await taken();
    expect(sent()).to.equal(2);
  });

  it('asks for no outcome twice and takes none from another host', async () => {
    const request: Request = {
      kind: 'check-host',
      id: 'r1',
      epoch: 1,
      expiresAt: 1,
      member: '',
      term: 0,
    };
    await fleet.transact(() => ({
      changes: [{ kind: 'request', state: { request, host: 'bravo', createdAt: 1 } }],
      value: undefined,
    }));
    const stream = open();
    stream.emit('data', hello(0));
    const outcome = { requestId: 'r1', state: 'succeeded', startedAt: 1, changes: [] } as const;
    stream.emit('data', report(0, { outcomes: [outcome] }));
    await taken();
    expect(fleet.outcome('r1')).to.equal(undefined);
    expect(stream.kinds()).not.to.include('request');
  });
});
