// Every kind of move that a controller may have begun, times everything that an agent may say of its member: each
// pair has an answer that was meant. A new kind of move or a new state without a row fails here.
import { expect } from 'chai';
import { advance, newOperation } from '@leafward/controller/planning/index.js';
import { rows } from '@leafward/controller/planning/moves/table.js';
import type { Snapshot } from '@leafward/controller/snapshot.js';
import type {
  Goal,
  MemberFact,
  Move,
  Operation,
  Outcome,
  Request,
} from '@leafward/shared/gen/domain.js';
import { ahaManifest, deployedAha } from './aha-world.js';
import { withSnapshots } from './care-world.js';
import { deployedNew } from './migrate-world.js';
import { deployed, imageOf, manifestOf, type World } from './model.js';

type Fact = (fact: MemberFact) => MemberFact | 'silent';

const engine =
  (change: Partial<MemberFact['engine']>): Fact =>
  (fact) => ({
    ...fact,
    container: { ...fact.container, state: 'running' },
    engine: { ...fact.engine, answered: true, ...change },
  });
const container = (state: MemberFact['container']['state']): Fact => {
  const error = state === 'unknown' ? 'runtime does not answer' : undefined;
  return (fact) => ({
    ...fact,
    container: { ...fact.container, state, error },
    engine: { answered: false },
    storage: { ...fact.storage, retiredAtTerm: undefined },
  });
};

/** What an agent may say of a member; each is one way in which a member can be found. */
const facts: Readonly<Record<string, Fact>> = {
  silent: () => 'silent',
  'no runtime': container('unknown'),
  absent: container('absent'),
  exited: container('exited'),
  paused: container('paused'),
  mute: engine({ answered: false, active: undefined, runId: undefined }),
  migrating: engine({ answered: false, migrating: 'beginning model migration' }),
  'not ready': engine({ active: false, ready: false }),
  'read-only': engine({ readOnly: true }),
  leading: engine({ active: true, ready: true, uplink: undefined }),
  mirroring: engine({ active: false, ready: true, uplink: true }),
  behind: engine({ active: false, ready: true, position: 1 }),
  older: engine({ version: '2.1.0' }),
  retired: (fact) => ({
    ...fact,
    container: { ...fact.container, state: 'exited' },
    engine: { answered: false },
    storage: { ...fact.storage, retiredAtTerm: 2 },
  }),
  refused: (fact) => ({
    ...fact,
    refusals: [
      {
        code: 'no-space',
        subject: fact.member,
        message: 'no room',
        unblock: 'make room',
        evidence: [],
      },
    ],
  }),
};

interface Begun {
  readonly world: World;
  readonly operation: Operation;
  /** Whose fact is changed. */
  readonly subject: string;
}

/** An operation whose move of this kind is begun, its intents and requests out, on a healthy tree. */
const begun: Readonly<Record<Move['kind'], () => Begun>> = {
  pull: () => updating('pull', '01.cortex'),
  recreate: () => updating('recreate', '03.cortex'),
  place: () => {
    const members = [
      ['00.cortex', 'alpha'],
      ['01.cortex', 'bravo', '00.cortex'],
      ['02.cortex', 'charlie', '00.cortex'],
      ['03.cortex', 'delta', '01.cortex'],
      ['04.cortex', 'alpha', '02.cortex'],
    ] as const;
    const goal: Goal = { kind: 'deploy', manifest: manifestOf({ members }) };
    return running(deployed(), goal, 'place', '04.cortex');
  },
  remove: () => {
    const members = [
      ['00.cortex', 'alpha'],
      ['01.cortex', 'bravo', '00.cortex'],
      ['02.cortex', 'charlie', '00.cortex'],
    ] as const;
    const goal: Goal = { kind: 'deploy', manifest: manifestOf({ members }) };
    return running(deployed(), goal, 'remove', '03.cortex');
  },
  'hand-over': () =>
    running(
      deployed(),
      { kind: 'promote', service: 'cortex', to: '01.cortex' },
      'hand-over',
      '01.cortex',
    ),
  fence: () => failing('fence', '00.cortex'),
  choose: () => failing('choose', '01.cortex'),
  'force-promote': () => failing('force-promote', '01.cortex'),
  repoint: () => failing('repoint', '02.cortex'),
  'back-up': () =>
    running(deployed(), { kind: 'backup', service: 'cortex', name: 'b2' }, 'back-up', '03.cortex'),
  halt: () => restoring('halt', '03.cortex'),
  send: () => restoring('send', '00.cortex'),
  reseed: () =>
    running(
      deployed(),
      { kind: 'reseed', service: 'cortex', member: '03.cortex', wipe: false, id: 'r1' },
      'reseed',
      '03.cortex',
    ),
  restore: () => restoring('restore', '02.cortex'),
  realias: () => {
    const world = deployedAha();
    world.taken.set('cortex', '00.cortex#0');
    world.aged = true;
    for (let round = 0; round < 2; round += 1) world.round();
    return running(world, { kind: 'deploy', manifest: ahaManifest() }, 'realias', '00.aha');
  },
  trim: () => running(deployed(), { kind: 'trim', service: 'cortex' }, 'trim', '00.cortex'),
  optimize: () =>
    running(deployed(), { kind: 'optimize', service: 'cortex' }, 'optimize', '03.cortex'),
  migrate: () => migrating('migrate', 'migrate-storage'),
  sync: () => migrating('sync', 'sync-from-source'),
  'cold-back-up': () =>
    running(
      deployed(),
      { kind: 'backup', service: 'cortex', name: 'b2', cold: true },
      'cold-back-up',
      '03.cortex',
    ),
  snapshot: () =>
    running(
      withSnapshots(deployed(), false),
      { kind: 'backup', service: 'cortex', name: 'b2', snapshot: true },
      'snapshot',
      '03.cortex',
    ),
};

/** Its act goes on for ever. */
const migrating = (kind: Move['kind'], open: Request['kind']): Begun => {
  const world = deployedNew();
  world.ends = { ...world.ends, [open]: undefined };
  return running(world, { kind: 'migrate', service: 'cortex' }, kind, '00.cortex');
};

const updating = (kind: Move['kind'], subject: string): Begun =>
  running(
    deployed(),
    { kind: 'update', service: 'cortex', image: 'cortex:2.150.0' },
    kind,
    subject,
  );

const restoring = (kind: Move['kind'], subject: string): Begun =>
  running(
    deployed(),
    { kind: 'restore', service: 'cortex', backup: 'b1', wipe: false, id: 'r1' },
    kind,
    subject,
  );

const failing = (kind: Move['kind'], subject: string): Begun => {
  const goal: Goal = { kind: 'failover', service: 'cortex', leaderIsOff: 'broken disk' };
  return running(deployed(), goal, kind, subject);
};

function running(world: World, goal: Goal, kind: Move['kind'], subject: string): Begun {
  const plan = world.plan(goal);
  const { id } = newOperation(plan, { id: 'op', createdBy: 'test', now: world.now });
  world.operations.push(newOperation(plan, { id, createdBy: 'test', now: world.now }));
  const isBegun = (): boolean => {
    const operation = world.operation(id);
    return (
      operation?.moves.some(
        (move, index) => move.kind === kind && operation.progress[index]?.state === 'begun',
      ) === true
    );
  };
  for (let round = 0; round < 100 && !isBegun(); round += 1) world.round();
  const operation = world.operation(id);
  if (operation === undefined || !isBegun()) throw new Error(`${kind} never begins`);
  // Everything that was ordered has been carried out; only what is told of the subject differs.
  for (let round = 0; round < 3; round += 1) {
    world.now += 300;
    for (const host of world.machines.keys()) {
      world.receive(host);
      world.reconcile(host);
    }
    world.replicate();
    for (const host of world.machines.keys()) world.report(host);
  }
  return { world, operation, subject };
}

function told({ world, subject }: Begun, fact: Fact): Snapshot {
  const snapshot = world.snapshot();
  const host = world.hostOf(subject);
  const state = snapshot.hosts[host];
  const received = state?.members[subject];
  if (state === undefined || received === undefined) throw new Error(`nothing of ${subject}`);
  const value = fact(received.value);
  const changed =
    value === 'silent'
      ? { ...state, connected: false }
      : { ...state, members: { ...state.members, [subject]: { ...received, value } } };
  return { ...snapshot, hosts: { ...snapshot.hosts, [host]: changed } };
}

/** The answer in two or three words. */
function answer(one: Begun, fact: Fact): string {
  const snapshot = told(one, fact);
  const before = one.operation.progress.findIndex((progress) => progress.state === 'begun');
  const { operation } = advance(one.operation, snapshot);
  const progress = operation.progress[before];
  if (progress?.state === 'begun') {
    const { wait } = progress;
    if (wait === undefined) return `phase ${progress.phase}`;
    for (const text of [wait.message, wait.unblock, wait.subject]) expect(text).not.to.equal('');
    expect(wait.deadlineAt).to.be.greaterThan(wait.since);
    return wait.code;
  }
  if (progress?.state === 'failed') expect(operation.reason).to.match(/\w{3}/);
  return progress?.state ?? 'none';
}

type Row = Readonly<Record<string, string>>;
const table: Readonly<Record<Move['kind'], Row>> = {
  // Of the registry: nothing is done to it as long as it does not say who is registered.
  realias: {
    silent: 'host-silent',
    'no runtime': 'alias-elsewhere',
    absent: 'alias-elsewhere',
    exited: 'alias-elsewhere',
    paused: 'alias-elsewhere',
    mute: 'alias-elsewhere',
    migrating: 'alias-elsewhere',
    'not ready': 'alias-elsewhere',
    'read-only': 'alias-elsewhere',
    leading: 'alias-elsewhere',
    mirroring: 'alias-elsewhere',
    behind: 'alias-elsewhere',
    older: 'alias-elsewhere',
    retired: 'alias-elsewhere',
    refused: 'alias-elsewhere',
  },
  pull: {
    silent: 'host-silent',
    'no runtime': 'pulling',
    absent: 'pulling',
    exited: 'pulling',
    paused: 'pulling',
    mute: 'pulling',
    migrating: 'pulling',
    'not ready': 'pulling',
    'read-only': 'pulling',
    leading: 'pulling',
    mirroring: 'pulling',
    behind: 'pulling',
    older: 'pulling',
    retired: 'pulling',
    refused: 'pulling',
  },
  recreate: {
    silent: 'host-silent',
    'no runtime': 'starting',
    absent: 'starting',
    exited: 'starting',
    paused: 'starting',
    mute: 'starting',
    migrating: 'migrating',
    'not ready': 'not-ready',
    'read-only': 'read-only',
    leading: 'leads-wrongly',
    mirroring: 'done',
    behind: 'catching-up',
    older: 'failed',
    retired: 'starting',
    refused: 'agent-refuses',
  },
  place: {
    silent: 'host-silent',
    'no runtime': 'starting',
    absent: 'starting',
    exited: 'starting',
    paused: 'starting',
    mute: 'starting',
    migrating: 'migrating',
    'not ready': 'not-ready',
    'read-only': 'read-only',
    leading: 'leads-wrongly',
    mirroring: 'done',
    behind: 'catching-up',
    older: 'done',
    retired: 'starting',
    refused: 'agent-refuses',
  },
  remove: {
    silent: 'host-silent',
    'no runtime': 'removing',
    absent: 'done',
    exited: 'removing',
    paused: 'removing',
    mute: 'removing',
    migrating: 'removing',
    'not ready': 'removing',
    'read-only': 'removing',
    leading: 'removing',
    mirroring: 'removing',
    behind: 'removing',
    older: 'removing',
    retired: 'removing',
    refused: 'done',
  },
  'hand-over': {
    silent: 'host-silent',
    'no runtime': 'promoting',
    absent: 'promoting',
    exited: 'promoting',
    paused: 'promoting',
    mute: 'promoting',
    migrating: 'promoting',
    'not ready': 'promoting',
    'read-only': 'promoting',
    leading: 'promoting',
    mirroring: 'promoting',
    behind: 'promoting',
    older: 'promoting',
    retired: 'promoting',
    refused: 'promoting',
  },
  fence: {
    silent: 'done',
    'no runtime': 'fence-unproven',
    absent: 'fence-unproven',
    exited: 'fence-unproven',
    paused: 'fence-unproven',
    mute: 'fence-unproven',
    migrating: 'fence-unproven',
    'not ready': 'fence-unproven',
    'read-only': 'fence-unproven',
    leading: 'fence-unproven',
    mirroring: 'fence-unproven',
    behind: 'fence-unproven',
    older: 'fence-unproven',
    retired: 'done',
    refused: 'done',
  },
  choose: {
    silent: 'positions',
    'no runtime': 'positions',
    absent: 'positions',
    exited: 'positions',
    paused: 'positions',
    mute: 'positions',
    migrating: 'positions',
    'not ready': 'phase 2',
    'read-only': 'phase 2',
    leading: 'failed',
    mirroring: 'phase 2',
    behind: 'phase 2',
    older: 'phase 2',
    retired: 'positions',
    refused: 'phase 2',
  },
  'force-promote': {
    silent: 'host-silent',
    'no runtime': 'not-leading',
    absent: 'not-leading',
    exited: 'not-leading',
    paused: 'not-leading',
    mute: 'not-leading',
    migrating: 'not-leading',
    'not ready': 'not-leading',
    'read-only': 'not-leading',
    leading: 'done',
    mirroring: 'not-leading',
    behind: 'not-leading',
    older: 'not-leading',
    retired: 'not-leading',
    refused: 'not-leading',
  },
  repoint: {
    silent: 'host-silent',
    'no runtime': 'starting',
    absent: 'starting',
    exited: 'starting',
    paused: 'starting',
    mute: 'starting',
    migrating: 'migrating',
    'not ready': 'not-ready',
    'read-only': 'read-only',
    leading: 'leads-wrongly',
    mirroring: 'done',
    behind: 'catching-up',
    older: 'done',
    retired: 'starting',
    refused: 'agent-refuses',
  },
  'back-up': {
    silent: 'host-silent',
    'no runtime': 'backing-up',
    absent: 'backing-up',
    exited: 'backing-up',
    paused: 'backing-up',
    mute: 'backing-up',
    migrating: 'backing-up',
    'not ready': 'backing-up',
    'read-only': 'backing-up',
    leading: 'backing-up',
    mirroring: 'backing-up',
    behind: 'backing-up',
    older: 'backing-up',
    retired: 'backing-up',
    refused: 'backing-up',
  },
  halt: {
    silent: 'host-silent',
    'no runtime': 'stopping',
    absent: 'phase 2',
    exited: 'phase 2',
    paused: 'stopping',
    mute: 'stopping',
    migrating: 'stopping',
    'not ready': 'stopping',
    'read-only': 'stopping',
    leading: 'stopping',
    mirroring: 'stopping',
    behind: 'stopping',
    older: 'stopping',
    retired: 'phase 2',
    refused: 'phase 2',
  },
  reseed: {
    silent: 'host-silent',
    'no runtime': 'starting',
    absent: 'starting',
    exited: 'starting',
    paused: 'starting',
    mute: 'starting',
    migrating: 'migrating',
    'not ready': 'not-ready',
    'read-only': 'read-only',
    leading: 'leads-wrongly',
    mirroring: 'done',
    behind: 'catching-up',
    older: 'done',
    retired: 'starting',
    refused: 'agent-refuses',
  },
  restore: {
    silent: 'host-silent',
    'no runtime': 'restoring',
    absent: 'restoring',
    exited: 'restoring',
    paused: 'restoring',
    mute: 'restoring',
    migrating: 'restoring',
    'not ready': 'restoring',
    'read-only': 'restoring',
    leading: 'restoring',
    mirroring: 'restoring',
    behind: 'restoring',
    older: 'restoring',
    retired: 'restoring',
    refused: 'restoring',
  },
  send: {
    silent: 'host-silent',
    'no runtime': 'sending',
    absent: 'sending',
    exited: 'sending',
    paused: 'sending',
    mute: 'sending',
    migrating: 'sending',
    'not ready': 'sending',
    'read-only': 'sending',
    leading: 'sending',
    mirroring: 'sending',
    behind: 'sending',
    older: 'sending',
    retired: 'sending',
    refused: 'sending',
  },
  trim: {
    silent: 'host-silent',
    'no runtime': 'trimming',
    absent: 'trimming',
    exited: 'trimming',
    paused: 'trimming',
    mute: 'trimming',
    migrating: 'trimming',
    'not ready': 'trimming',
    'read-only': 'trimming',
    leading: 'trimming',
    mirroring: 'trimming',
    behind: 'trimming',
    older: 'trimming',
    retired: 'trimming',
    refused: 'trimming',
  },
  optimize: {
    silent: 'host-silent',
    'no runtime': 'stopping',
    absent: 'phase 2',
    exited: 'phase 2',
    paused: 'stopping',
    mute: 'stopping',
    migrating: 'stopping',
    'not ready': 'stopping',
    'read-only': 'stopping',
    leading: 'stopping',
    mirroring: 'stopping',
    behind: 'stopping',
    older: 'stopping',
    retired: 'phase 2',
    refused: 'phase 2',
  },
  migrate: {
    silent: 'host-silent',
    'no runtime': 'migrating-from-source',
    absent: 'migrating-from-source',
    exited: 'migrating-from-source',
    paused: 'migrating-from-source',
    mute: 'migrating-from-source',
    migrating: 'migrating-from-source',
    'not ready': 'migrating-from-source',
    'read-only': 'migrating-from-source',
    leading: 'migrating-from-source',
    mirroring: 'migrating-from-source',
    behind: 'migrating-from-source',
    older: 'migrating-from-source',
    retired: 'migrating-from-source',
    refused: 'migrating-from-source',
  },
  sync: {
    silent: 'host-silent',
    'no runtime': 'syncing-from-source',
    absent: 'syncing-from-source',
    exited: 'syncing-from-source',
    paused: 'syncing-from-source',
    mute: 'syncing-from-source',
    migrating: 'syncing-from-source',
    'not ready': 'syncing-from-source',
    'read-only': 'syncing-from-source',
    leading: 'syncing-from-source',
    mirroring: 'syncing-from-source',
    behind: 'syncing-from-source',
    older: 'syncing-from-source',
    retired: 'syncing-from-source',
    refused: 'syncing-from-source',
  },
  'cold-back-up': {
    silent: 'host-silent',
    'no runtime': 'stopping',
    absent: 'phase 2',
    exited: 'phase 2',
    paused: 'stopping',
    mute: 'stopping',
    migrating: 'stopping',
    'not ready': 'stopping',
    'read-only': 'stopping',
    leading: 'stopping',
    mirroring: 'stopping',
    behind: 'stopping',
    older: 'stopping',
    retired: 'phase 2',
    refused: 'phase 2',
  },
  snapshot: {
    silent: 'host-silent',
    'no runtime': 'taking-snapshot',
    absent: 'taking-snapshot',
    exited: 'taking-snapshot',
    paused: 'taking-snapshot',
    mute: 'taking-snapshot',
    migrating: 'taking-snapshot',
    'not ready': 'taking-snapshot',
    'read-only': 'taking-snapshot',
    leading: 'taking-snapshot',
    mirroring: 'taking-snapshot',
    behind: 'taking-snapshot',
    older: 'taking-snapshot',
    retired: 'taking-snapshot',
    refused: 'taking-snapshot',
  },
};

describe('the table of moves', () => {
  it('has a row for every kind of move, and a column for every fact', () => {
    expect(Object.keys(table).sort()).to.eql(Object.keys(rows).sort());
    for (const row of Object.values(table)) expect(Object.keys(row)).to.eql(Object.keys(facts));
  });

  for (const kind of Object.keys(begun) as Move['kind'][])
    it(`answers for ${kind} what was meant, whatever is said`, () => {
      const one = begun[kind]();
      const actual = Object.fromEntries(
        Object.entries(facts).map(([name, fact]) => [name, answer(one, fact)]),
      );
      expect(actual).to.eql(table[kind]);
    });
});

/** What an agent may answer to an order. */
const outcomes: Readonly<Record<string, Partial<Outcome> | undefined>> = {
  none: undefined,
  running: { state: 'running', progress: 'half' },
  succeeded: { state: 'succeeded' },
  failed: { state: 'failed', message: 'no luck' },
  unknown: { state: 'unknown' },
  refused: { state: 'refused', message: 'too old' },
};

describe('the table of orders', () => {
  const orders: Readonly<Partial<Record<Move['kind'], Row>>> = {
    pull: {
      none: 'pulling',
      running: 'pulling',
      succeeded: 'done',
      failed: 'failed',
      unknown: 'failed',
      refused: 'failed',
    },
    'hand-over': {
      none: 'promoting',
      running: 'promoting',
      succeeded: 'phase 3',
      failed: 'observing',
      unknown: 'observing',
      refused: 'failed',
    },
    'force-promote': {
      none: 'not-leading',
      running: 'not-leading',
      succeeded: 'not-leading',
      failed: 'promotion-unclear-1',
      unknown: 'promotion-unclear-1',
      refused: 'failed',
    },
    restore: {
      none: 'restoring',
      running: 'restoring',
      succeeded: 'phase 2',
      failed: 'failed',
      unknown: 'failed',
      refused: 'failed',
    },
    'back-up': {
      none: 'backing-up',
      running: 'backing-up',
      succeeded: 'failed',
      failed: 'failed',
      unknown: 'failed',
      refused: 'failed',
    },
  };
  for (const kind of ['pull', 'hand-over', 'force-promote', 'restore', 'back-up'] as const)
    it(`answers for ${kind} whatever came of the order`, () => {
      const one = begun[kind]();
      const actual = Object.fromEntries(
        Object.entries(outcomes).map(([name, outcome]) => [name, answerTo(one, outcome)]),
      );
      expect(actual).to.eql(orders[kind]);
    });

  function answerTo(one: Begun, outcome: Partial<Outcome> | undefined): string {
    const requests = Object.fromEntries(
      Object.entries(one.world.requests).map(([id, state]) => [
        id,
        id.startsWith('op.')
          ? { ...state, outcome: outcome && full(state.request, outcome) }
          : state,
      ]),
    );
    const was = one.world.requests;
    one.world.requests = requests;
    const said = answer(one, (fact) => fact);
    one.world.requests = was;
    return said;
  }

  const full = (request: Request, outcome: Partial<Outcome>): Outcome => ({
    requestId: request.id,
    state: 'succeeded',
    startedAt: 1,
    changes: [],
    image: request.kind === 'pull-image' ? imageOf('cortex:2.150.0') : undefined,
    ...outcome,
  });
});
