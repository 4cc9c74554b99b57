// Failovers that nobody orders: what begins one, every guard that forbids one, and that nothing else ever does.
import { expect } from 'chai';
import fc from 'fast-check';
import { explain } from '@leafward/controller/planning/index.js';
import { buildStatus } from '@leafward/controller/planning/status.js';
import { renderPlan } from '@leafward/shared/render-plan.js';
import {
  assessed,
  automaticOf,
  automaticWorld,
  codes,
  pass,
  round,
  stopIsolated,
  UNTIL_FENCED_MS,
  untilBegun,
} from './automatic-world.js';
import type { World } from './model.js';
import { golden } from './text.js';

/** Seen dead by its agent, and not yet failed over. */
async function died(): Promise<World> {
  const world = await automaticWorld();
  world.kill('00.cortex');
  world.round();
  return world;
}

/** Silent for longer than its lease, and nobody has had an answer. */
async function silent(): Promise<World> {
  const world = await automaticWorld();
  world.machine('alpha').connected = false;
  for (const end = world.now + UNTIL_FENCED_MS + 2000; world.now < end;) {
    stopIsolated(world);
    world.round();
    if (codes(world).includes('witnesses-asked')) await pass(world);
    if (codes(world).length === 0) return world;
  }
  throw new Error(`still forbidden: ${codes(world).join(', ')}`);
}

/** A guard that must hold, as what happened to the world of each cause. */
const GUARDS: readonly (readonly [code: string, causes: string, happen: (w: World) => void])[] = [
  ['operation-open', 'died silent', (w) => void w.begin(w.plan(backup))],
  [
    'operation-open',
    'died silent',
    (w) => {
      const { id } = w.begin(w.plan(backup));
      w.replace({ ...w.operation(id)!, state: 'paused' });
    },
  ],
  [
    'recovery-open',
    'died silent',
    (w) =>
      remember(w, { recovery: { operationId: 'op-1', at: w.now, term: 1, from: '01.cortex' } }),
  ],
  ['not-to-run', 'died silent', (w) => order(w, { run: 'stopped' })],
  ['not-to-run', 'died silent', (w) => order(w, { run: 'retired' })],
  ['stopped-on-purpose', 'died', (w) => fact(w, { death: { seenAt: 1, asked: true, word: '' } })],
  [
    'leader-migrates',
    'died silent',
    (w) => fact(w, { engine: { answered: false, migrating: 'rows' } }),
  ],
  [
    'leader-migrates',
    'died silent',
    (w) => remember(w, { memory: { ...automaticOf(w).memory, isMigrating: true } }),
  ],
  ['order-under-way', 'died', (w) => void (w.seen['alpha'] = { ...w.seen['alpha']!, accepted: 0 })],
  ['never-led', 'died silent', (w) => remember(w, { ledTerm: undefined })],
  ['never-led', 'died silent', (w) => remember(w, { ledTerm: 0 })],
  ['just-started', 'died', (w) => void (w.controllerStartedAt = w.now - 29_000)],
  [
    'lost-agents',
    'died silent',
    (w) => ['bravo', 'charlie'].forEach((host) => void (w.machine(host).connected = false)),
  ],
];
const backup = { kind: 'backup', service: 'cortex', name: 'b2' } as const;
const remember = (world: World, state: object): void =>
  world.commit({
    kind: 'automatic',
    service: 'cortex',
    state: { ...automaticOf(world), ...state },
  });
function order(world: World, change: { readonly run: 'stopped' | 'retired' }): void {
  const { members, ...intent } = world.intents['alpha']!;
  world.intents = {
    ...world.intents,
    alpha: { ...intent, members: members.map((member) => ({ ...member, ...change })) },
  };
}
function fact(world: World, change: object): void {
  const received = world.facts['alpha']!['00.cortex']!;
  world.facts['alpha']!['00.cortex'] = { ...received, value: { ...received.value, ...change } };
}
const GIVEN = { died, silent } as const;
const KINDS = ['died', 'silent'] as const;

describe('a failover by itself', function () {
  this.timeout(60_000);

  it('begins when the agent of the leader says that it died', async () => {
    const world = await died();
    const [operation] = await pass(world);
    expect(operation?.createdBy).to.equal('automatic');
    expect(renderPlan(assessedPlan(await died())).replace(/^plan \S+:/, 'plan ID:')).to.equal(
      golden(`
      plan ID: fail cortex over, by itself: the agent of alpha says that 00.cortex died: signal 9

      moves
        m1  fence 00.cortex on alpha  (00.cortex must be proven stopped before anybody else leads (I1))
        m2  choose among 01.cortex, 02.cortex, 03.cortex, expected 01.cortex  (the most advanced mirror, by positions seen after the fence)
        m3  promote the chosen one by force, term 2  (term 2 begins, 00.cortex is retired (I2))
        m4  re-point 01.cortex, 02.cortex, 03.cortex  (the other mirrors follow the new leader)

      gates
        ok   alone: no other operation is going on on cortex
        ok   leader is dead: 00.cortex is down
        ok   proof: the agent of alpha will fence it and say so
        ok   first witness: the agent of alpha says that 00.cortex died: signal 9
        ok   second witness: nobody else is asked: its own agent stops it for good
        ok   nobody was promoted unseen: no earlier promotion is open
        ok   candidates: 01.cortex, 02.cortex and 03.cortex could take over

      warnings
        how much would be lost is not known: the position of 01.cortex or of its old leader is not
      `),
    );
    expect(world.run(operation?.id ?? '').state).to.equal('done');
    expect(world.cell('00.cortex').starts, 'it was left to the controller').to.equal(1);
    expect(world.violations).to.deep.equal([]);
  });

  it('begins when its host is silent, its lease is over and nobody has an answer; not before', async () => {
    const world = await automaticWorld();
    world.machine('alpha').connected = false;
    const cutOffAt = world.now;
    const operation = await untilBegun(world, 30_000);
    expect(world.now - cutOffAt).to.be.within(UNTIL_FENCED_MS, UNTIL_FENCED_MS + 1500);
    expect(operation?.goal).to.have.property(
      'automatic',
      'host alpha of 00.cortex is silent for 11 s, and its lease is over; bravo, charlie and delta asked it, and it does not answer',
    );
    const asked = Object.keys(world.requests).filter((id) => id.startsWith('probe-'));
    expect(asked).to.deep.equal(
      ['bravo', 'charlie', 'delta'].map((host) => `probe-cortex-1-1-1-${host}`),
    );
    expect(world.run(operation?.id ?? '').state).to.equal('done');
    expect(world.violations).to.deep.equal([]);
  });

  it('does not begin while the leader answers somebody, and asks again, later and later', async () => {
    const world = await automaticWorld();
    const machine = world.machine('alpha');
    machine.connected = false;
    const asked: number[] = [];
    for (const end = world.now + 120_000; world.now < end;) {
      const before = Object.keys(world.requests).length;
      world.round(500);
      expect(await pass(world)).to.deep.equal([]);
      if (Object.keys(world.requests).length > before) asked.push(world.now);
    }
    expect(codes(world)).to.deep.equal(['leader-answers']);
    const pauses = asked.slice(1).map((at, index) => Math.round((at - asked[index]!) / 1000));
    expect(pauses.slice(0, 4)).to.deep.equal([5, 10, 20, 30]);
    world.cell('00.cortex').running = false;
    world.cell('00.cortex').active = false;
    expect(await untilBegun(world, 31_000), 'it has fallen silent').not.to.equal(undefined);
  });

  for (const kind of KINDS)
    for (const [code, causes, happen] of GUARDS)
      if (causes.includes(kind))
        it(`does not begin for a leader that ${kind === 'died' ? kind : `is ${kind}`}: ${code} (${happen.toString().replaceAll(/\s+/g, ' ').slice(0, 60)})`, async () => {
          const world = await GIVEN[kind]();
          happen(world);
          expect(codes(world)).to.deep.equal([code]);
          expect(await pass(world)).to.deep.equal([]);
        });

  it('does not begin in the first half minute of a controller, nor before the longest lease is over', async () => {
    const world = await silent();
    world.controllerStartedAt = world.now - 29_999;
    expect(codes(world)).to.deep.equal(['just-started']);
    world.seen['delta'] = {
      ...world.seen['delta']!,
      leases: { generation: 1, members: { other: { term: 1, untilFencedMs: 90_000 } } },
    };
    world.controllerStartedAt = world.now - 89_999;
    expect(codes(world)).to.deep.equal(['just-started']);
    world.controllerStartedAt = world.now - 90_000;
    expect(codes(world)).to.deep.equal([]);
  });

  it('does not begin while its plan has a refusal, which is shown as it is', async () => {
    const world = await died();
    for (const host of ['bravo', 'charlie', 'delta'])
      for (const received of Object.values(world.facts[host] ?? {})) received.receivedAt -= 61_000;
    expect(codes(world)).to.deep.equal(['no-candidate']);
    expect(await pass(world)).to.deep.equal([]);
  });

  it('does not begin while no mirror says how far it is: fencing would leave nobody with the data', async () => {
    const world = await died();
    const mirrors = ['bravo', 'charlie', 'delta'].flatMap((host) =>
      Object.values(world.facts[host] ?? {}).map((received) => ({ host, received })),
    );
    for (const { host, received } of mirrors) {
      const { member } = received.value;
      const engine = { answered: false, error: 'it is filling itself' };
      const value = { ...received.value, engine };
      world.facts[host] = { ...world.facts[host], [member]: { ...received, value } };
    }
    expect(codes(world)).to.deep.equal(['no-position']);
    expect(await pass(world)).to.deep.equal([]);
    // One that has told of itself is enough, whatever the others say.
    const [first] = mirrors;
    world.facts[first!.host] = {
      ...world.facts[first!.host],
      [first!.received.value.member]: first!.received,
    };
    expect(codes(world)).to.deep.equal([]);
  });

  it('does not begin while every mirror is ordered to begin again: none would have the data when it is asked', async () => {
    const world = await died();
    const reseed = { id: 'r1', wipe: true };
    for (const host of ['bravo', 'charlie', 'delta']) {
      const { members, ...intent } = world.intents[host]!;
      const ordered = members.map((member) => ({ ...member, reseed }));
      world.intents = { ...world.intents, [host]: { ...intent, members: ordered } };
    }
    expect(codes(world)).to.deep.equal(['no-position']);
    expect(await pass(world)).to.deep.equal([]);
  });

  it('is not begun by what a witness said before the lease was over, long ago, or could not ask', async () => {
    const world = await silent();
    const { round: asked } = automaticOf(world).memory ?? {};
    const again = (change: object): void =>
      remember(world, { memory: { ...automaticOf(world).memory, round: { ...asked, ...change } } });
    again({ askedAtMs: world.now - 10_001 });
    expect(codes(world)).to.deep.equal(['witnesses-asked']);
    again({ askedAtMs: (world.seen['alpha']?.at ?? 0) + UNTIL_FENCED_MS - 1 });
    expect(codes(world)).to.deep.equal(['witnesses-asked']);
    again({ term: 0 });
    expect(codes(world)).to.deep.equal(['witnesses-asked']);
    again({});
    expect(codes(world)).to.deep.equal([]);
    for (const id of Object.values(asked?.requests ?? {})) {
      const { outcome, ...state } = world.requests[id]!;
      const failed = { ...outcome!, state: 'failed' as const, leaderProbe: undefined };
      world.requests = { ...world.requests, [id]: { ...state, outcome: failed } };
    }
    expect(codes(world)).to.deep.equal(['no-witness']);
  });

  it('waits for a witness that is still asking, and not for one that never says', async () => {
    const world = await silent();
    const { round: asked } = automaticOf(world).memory ?? {};
    const { outcome: _, ...state } = world.requests[asked?.requests['bravo'] ?? '']!;
    world.requests = { ...world.requests, [state.request.id]: state };
    expect(codes(world)).to.deep.equal(['witnesses-asked']);
    world.now = (asked?.askedAtMs ?? 0) + 5001;
    expect(codes(world)).to.deep.equal([]);
  });

  it('begins once, and again only when somebody has looked or all was well for ten minutes', async () => {
    const world = await died();
    const [first] = await pass(world);
    world.run(first?.id ?? '');
    world.settle();
    await pass(world);
    const { recovery } = automaticOf(world);
    expect(recovery).to.deep.include({
      operationId: first?.id,
      from: '00.cortex',
      to: '01.cortex',
    });
    world.kill('01.cortex');
    expect(await untilBegun(world, 20_000), 'not while nobody has looked').to.equal(undefined);
    expect(world.cell('01.cortex').running, 'its agent has started it again').to.equal(true);
    // Half of the time, then a break.
    for (const end = world.now + 300_000; world.now < end;) await round(world, 5000);
    world.kill('02.cortex');
    world.report('charlie');
    await pass(world);
    for (const end = world.now + 590_000; world.now < end;) await round(world, 5000);
    expect(automaticOf(world).recovery).not.to.equal(undefined);
    for (const end = world.now + 30_000; world.now < end;) await round(world, 5000);
    expect(automaticOf(world).recovery).to.equal(undefined);
    world.kill('01.cortex');

    expect(await untilBegun(world, 2000)).not.to.equal(undefined);
    expect(world.violations).to.deep.equal([]);
  });

  it('is explained, and named in the status while it is forbidden', async () => {
    const world = await died();
    remember(world, { ledTerm: undefined });
    const word = explain(world.snapshot(), 'cortex').find(({ subject }) =>
      subject.endsWith('by itself'),
    );
    expect(word?.summary).to.equal(
      'it does not begin although the agent of alpha says that 00.cortex died: signal 9: 00.cortex was never seen to lead in term 1',
    );
    expect(buildStatus(world.snapshot()).services[0]?.problems).to.deep.equal([
      'not failed over by itself: 00.cortex was never seen to lead in term 1 [never-led]; get it to lead, or an operator decides: leafward plan failover cortex',
    ]);
  });

  it('is none for a leader that hangs: that is said, and left to an operator', async () => {
    const world = await automaticWorld();
    const startedAt = world.now - 3_600_000;
    fact(world, {
      container: { ...world.facts['alpha']!['00.cortex']!.value.container, startedAt },
      engine: { answered: false, error: 'timed out' },
    });
    expect(assessed(world)).to.equal(undefined);
    const word = explain(world.snapshot(), 'cortex').find(({ subject }) =>
      subject.endsWith('by itself'),
    );
    expect(word?.refusals.map(({ code }) => code)).to.deep.equal(['leader-hangs']);
  });

  it('never begins while any guard holds, whichever of them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...KINDS),
        fc.subarray([...GUARDS.keys()]),
        async (kind, picks) => {
          const world = await GIVEN[kind]();
          const held = picks.map((pick) => GUARDS[pick]!).filter((row) => row[1].includes(kind));
          for (const [, , happen] of held) happen(world);
          const begun = await pass(world);
          expect(begun.length, held.map(([code]) => code).join()).to.equal(
            Number(held.length === 0),
          );
        },
      ),
      { numRuns: 50 },
    );
  });

  const happenings = fc.array(
    fc.tuple(fc.constantFrom('cut', 'heal', 'off', 'on', 'later', 'kill', 'stop'), fc.nat()),
    { minLength: 5, maxLength: 60 },
  );
  async function happen(world: World, [what, draw]: readonly [string, number]): Promise<boolean> {
    const hosts = [...world.machines.keys()];
    const host = hosts[draw % hosts.length] ?? '';
    const machine = world.machine(host);
    const [member] = machine.cells.keys();
    if (what === 'cut') machine.connected = false;
    if (what === 'heal') machine.connected = true;
    if (what === 'off') world.powerOff(host);
    if (what === 'on') machine.off = false;
    if (['kill', 'stop'].includes(what) && member !== undefined && !machine.off)
      world.kill(member, what === 'stop');
    let hasBegun = false;
    for (let rounds = what === 'later' ? 20 : 2; rounds > 0; rounds -= 1)
      hasBegun = (await round(world, 1000)).length > 0 || hasBegun;
    return hasBegun;
  }

  it('with onIsolation keep never begins for silence, whatever happens', async () => {
    await fc.assert(
      fc.asyncProperty(happenings, async (events) => {
        const world = await automaticWorld('keep');
        for (const event of events)
          if (event[0] !== 'kill')
            expect(await happen(world, event), event.join(' ')).to.equal(false);
      }),
      { numRuns: 40 },
    );
  });

  it('never makes two leaders, whatever happens, and begins one at a time', async () => {
    await fc.assert(
      fc.asyncProperty(happenings, async (events) => {
        const world = await automaticWorld();
        for (const event of events) {
          await happen(world, event);
          const open = world.operations.filter(({ state }) =>
            ['running', 'paused'].includes(state),
          );
          expect(open.length).to.be.at.most(1);
        }
        expect(world.violations).to.deep.equal([]);
      }),
      { numRuns: 40 },
    );
  });
});

function assessedPlan(world: World) {
  const plan = assessed(world)?.plan;
  if (plan === undefined) throw new Error('nothing is planned');
  return plan;
}
