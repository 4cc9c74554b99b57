// A member that ended although it is to run: what its agent says of it, for how long a leader is then left to a failover,
// and that neither a stop of the agent's own nor a service that hangs beside it has a say in that.
import { expect } from 'chai';
import type { Clock } from '@leafward/shared/clock.js';
import type { ContainerFact, Death, MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Engine } from '@leafward/agent/engines/engine.js';
import { createGlances } from '@leafward/agent/glances.js';
import { fold } from '@leafward/agent/journal/fold.js';
import { emptyState, type JournalState } from '@leafward/agent/journal/records.js';
import { nextLookMs } from '@leafward/agent/look-again.js';
import { createObserver, type Observer } from '@leafward/agent/observe.js';
import { createDeaths, deathOf } from '@leafward/agent/observe/deaths.js';
import type { Permits } from '@leafward/agent/permits.js';
import { planSteps, type ObservedMember } from '@leafward/agent/plan.js';
import { essenceOf, memberFacts } from '@leafward/agent/report.js';
import type { Runtime } from '@leafward/agent/runtimes/runtime.js';
import { intentOf, memberOf, mirrorIntent, observedOf, runningOf } from './agent-world.js';

const signal = new AbortController().signal;
const HOLD_MS = 15_000;
const leader = (changes: Partial<MemberIntent> = {}): MemberIntent =>
  intentOf({ restartAfterMs: HOLD_MS, ...changes });
const killed: ContainerFact = { state: 'exited', exitCode: 137, startedAt: 500 };

/** A clock that stands still. */
function handClock(): Clock & { ms: number } {
  const clock = {
    ms: 1000,
    now: () => 1_700_000_000_000 + clock.ms,
    monotonic: () => clock.ms,
    sleep: () => new Promise<void>(() => undefined),
  };
  return clock;
}

describe('what is said of an end', () => {
  const word = (container: Partial<ContainerFact>): readonly [boolean, string] => {
    const { asked, word: said } = deathOf({ state: 'exited', ...container }, 1);
    return [asked, said];
  };

  it('is that somebody asked for it, when it ended in order or by a signal that asks', () => {
    expect(word({ exitCode: 0 })).to.deep.equal([true, 'exit code 0']);
    expect(word({ exitCode: 143 })).to.deep.equal([true, 'exit code 143 (SIGTERM)']);
  });
  it('is that it died, by whatever else ended it', () => {
    expect(word({ exitCode: 137 })).to.deep.equal([false, 'exit code 137 (SIGKILL)']);
    expect(word({ exitCode: 1 })).to.deep.equal([false, 'exit code 1']);
    expect(word({ exitCode: 139 })).to.deep.equal([false, 'exit code 139 (SIGSEGV)']);
    expect(word({})).to.deep.equal([false, 'it is gone and left no exit code']);
    expect(word({ state: 'absent' })).to.deep.equal([false, 'what it ran in is gone']);
  });
  it('is what the runtime adds to it', () => {
    const error = 'the kernel killed it for want of memory';
    expect(word({ exitCode: 137, error })[1]).to.equal(`exit code 137 (SIGKILL): ${error}`);
  });
});

describe('a death', () => {
  const clock = handClock();
  beforeEach(() => {
    clock.ms = 1000;
  });
  const saw = (
    deaths: ReturnType<typeof createDeaths>,
    container: ContainerFact,
    { intent = leader(), askedAtMs = clock.ms, isExpected = true, isFirst = false } = {},
  ): boolean => deaths.saw({ intent, container, askedAtMs, isFirst, isExpected: () => isExpected });
  const newDeaths = (): ReturnType<typeof createDeaths> =>
    createDeaths(clock, (intent) => JSON.stringify(intent));

  it('is news once, and kept until it runs or was started again', () => {
    const deaths = newDeaths();
    expect(saw(deaths, { state: 'running' })).to.equal(false);
    expect(deaths.of(leader())).to.equal(undefined);
    expect(saw(deaths, killed)).to.equal(true);
    const seenAt = clock.now();
    clock.ms += 5000;
    expect(saw(deaths, { state: 'absent' })).to.equal(false);
    expect(deaths.of(leader())?.death).to.deep.equal({
      ...{ seenAt, asked: false, word: 'exit code 137 (SIGKILL)' },
    });
    expect(saw(deaths, { state: 'running' })).to.equal(false);
    expect(deaths.of(leader())).to.equal(undefined);
    saw(deaths, killed);
    deaths.started('00.cortex');
    expect(deaths.of(leader())).to.equal(undefined);
  });
  it('is not undone by a look that was asked for before', () => {
    const deaths = newDeaths();
    saw(deaths, killed);
    saw(deaths, { state: 'running' }, { askedAtMs: clock.ms - 1 });
    expect(deaths.of(leader())).to.not.equal(undefined);
  });
  it('is none of one that was not left running, was only made, or that nobody can see', () => {
    const deaths = newDeaths();
    expect(saw(deaths, killed, { isExpected: false })).to.equal(false);
    for (const state of ['created', 'unknown', 'paused', 'restarting'] as const)
      expect(saw(deaths, { state }), state).to.equal(false);
  });
  it('is forgotten when it is not to run', () => {
    const deaths = newDeaths();
    saw(deaths, killed);
    for (const run of ['stopped', 'removed', 'retired'] as const)
      expect(deaths.of(leader({ run }))).to.equal(undefined);
    saw(deaths, killed, { intent: leader({ run: 'stopped' }) });
    expect(deaths.of(leader())).to.equal(undefined);
  });
  it('holds a leader of a mirrored service for its time, and nobody else', () => {
    const heldFor = (intent: MemberIntent, container = killed, later = intent): number => {
      const deaths = newDeaths();
      saw(deaths, container, { intent });
      return deaths.of(later)?.heldMs ?? NaN;
    };
    expect(heldFor(leader())).to.equal(HOLD_MS);
    expect(heldFor(intentOf())).to.equal(0);
    expect(heldFor(mirrorIntent({ restartAfterMs: HOLD_MS }))).to.equal(0);
    expect(heldFor(leader({ mirrored: false }))).to.equal(0);
    // Ordered anew.
    expect(heldFor(leader(), killed, leader({ term: 4 }))).to.equal(0);
    const deaths = newDeaths();
    saw(deaths, killed);
    clock.ms += HOLD_MS - 1;
    expect(deaths.of(leader())?.heldMs).to.equal(1);
    clock.ms += 1;
    expect(deaths.of(leader())?.heldMs).to.equal(0);
  });
});

describe('a leader that was told to end', () => {
  const clock = handClock();
  const heldFor = (container: ContainerFact, isFirst: boolean): number => {
    const deaths = createDeaths(clock, () => 'order');
    const sight = { intent: leader(), container, askedAtMs: clock.ms, isExpected: () => true };
    deaths.saw({ ...sight, isFirst });
    return deaths.of(leader())?.heldMs ?? NaN;
  };

  it('is left as it is for as long, so that whoever did it can say more', () => {
    expect(heldFor({ state: 'exited', exitCode: 0 }, false)).to.equal(HOLD_MS);
  });
  it('starts with its host and with its agent, unlike one that died meanwhile', () => {
    expect(heldFor({ state: 'exited', exitCode: 143 }, true)).to.equal(0);
    expect(heldFor(killed, true)).to.equal(HOLD_MS);
  });
});

describe('a leader that died', () => {
  const death: Death = { seenAt: 900_000, asked: false, word: 'exit code 137 (SIGKILL)' };
  const permit = { leftMs: 4000, ageMs: 1000 };
  const dead = (heldMs: number, changes: Partial<ObservedMember> = {}): ObservedMember =>
    runningOf(leader(), {
      container: { ...runningOf(leader()).container, ...killed },
      engine: { answered: false },
      permit,
      ended: { death, heldMs },
      ...changes,
    });
  const planOf = (member: ObservedMember): string => {
    const [plan] = planSteps(observedOf(member));
    const waits = plan?.waits.map(({ code }) => `wait:${code}`) ?? [];
    return [...(plan?.steps.map(({ kind }) => kind) ?? []), ...waits].join(' ');
  };

  it('is not started while it is left to a failover, and says until when', () => {
    expect(planOf(dead(12_000))).to.equal('wait:held-for-failover');
    const [wait] = planSteps(observedOf(dead(12_000)))[0]?.waits ?? [];
    expect(wait?.deadlineAt).to.equal(1_012_000);
    expect(wait?.message).to.include('exit code 137 (SIGKILL)').and.to.include('in 12 s');
    expect(wait?.evidence[0]).to.deep.include({ value: death.word, seenAt: death.seenAt });
  });
  it('says who ended it', () => {
    const asked = { seenAt: 900_000, asked: true, word: 'exit code 0' };
    const told = dead(4000, { ended: { death: asked, heldMs: 4000 } });
    const [wait] = planSteps(observedOf(told))[0]?.waits ?? [];
    expect(wait?.message).to.include('told it to end (exit code 0)').and.to.include('in 4 s');
  });
  it('is started when its time is over, with its permit as ever', () => {
    expect(planOf(dead(0))).to.equal('start');
    expect(planOf(dead(0, { permit: { leftMs: 0, ageMs: 9000 } }))).to.equal('wait:no-permit');
    const backoff = { cause: 'exit' as const, failures: 3, leftMs: 2000 };
    expect(planOf(dead(0, { backoff }))).to.equal('wait:crash-loop');
  });
  it('is not made anew meanwhile when its container is gone, and is when its spec has changed', () => {
    const gone = memberOf(leader(), { permit, ended: { death, heldMs: 1 } });
    expect(planOf(gone)).to.equal('wait:held-for-failover');
    const changed = { ...killed, specDigest: 'another', restartPolicy: 'no' };
    expect(planOf(dead(1, { container: changed })))
      .to.include('create')
      .and.include('start');
  });
  it('is looked at again when its time is over', () => {
    const calm = { isBusy: false, tookMs: 0 };
    expect(nextLookMs(observedOf(dead(1234)), calm)).to.equal(1234);
    expect(nextLookMs(observedOf(dead(0)), calm)).to.equal(5000);
  });
  it('is told as dead, and a report of it is due at once', () => {
    const [told] = memberFacts(observedOf(dead(1)), [], () => undefined);
    expect(told?.death).to.deep.equal(death);
    const [before] = memberFacts(observedOf(dead(1, { ended: undefined })), [], () => undefined);
    if (told === undefined || before === undefined) throw new Error('no facts');
    expect(essenceOf([told])).to.not.equal(essenceOf([before]));
  });
});

describe('an agent that looks', () => {
  const intent = leader();
  const beside = mirrorIntent({ member: '01.cortex' });
  let clock = handClock();
  let containers: Record<string, ContainerFact> = {};
  let journal: JournalState = emptyState;
  let busy = false;
  let stoppedBeside = false;
  let hangs = false;

  beforeEach(() => {
    clock = handClock();
    containers = { '00.cortex': { state: 'running', startedAt: 500 } };
    journal = { ...emptyState, intent: orderOf([intent]) };
    [busy, stoppedBeside, hangs] = [false, false, false];
  });
  const orderOf = (members: readonly MemberIntent[]) => ({
    ...{ host: 'alpha', generation: 1, epoch: 1, members },
  });
  const runtime = {
    name: 'process',
    inspect: (member: string) => Promise.resolve(containers[member] ?? { state: 'absent' }),
    list: () => Promise.resolve([]),
    tail: () => Promise.resolve([]),
    hasImage: () => Promise.resolve(true),
  } as unknown as Runtime;
  const engine = {
    observe: () => (hangs ? new Promise(() => undefined) : Promise.resolve({ answered: true })),
    readStoredRole: () => Promise.resolve({ upstreamUrl: null }),
    storedPosition: () => Promise.resolve(undefined),
    abilities: () => ({ seeds: false, repoints: false, storesPosition: false }),
    migrationIn: () => undefined,
  } as unknown as Engine;
  const permits = {
    expect: () => undefined,
    of: () => ({ leftMs: 5000, ageMs: 0 }),
  } as unknown as Permits;
  const newObserver = (): Observer =>
    createObserver({
      journal: () => journal,
      permits,
      clock,
      runtimeOf: () => runtime,
      runtime: () => runtime,
      engineOf: () => engine,
      isPromoting: () => false,
      isBusy: () => busy,
      wasStoppedBeside: () => stoppedBeside,
      dataBytes: () => new Map(),
      secrets: { missing: () => [], redact: (text) => text },
    });
  const look = async (observer: Observer): Promise<ObservedMember | undefined> =>
    (await observer.observe({}, signal)).members[0];
  const stepped = (step: string, error?: string): void => {
    const record = { at: 1, member: '00.cortex', storage: '/srv/00.cortex', cause: 'test' };
    journal = fold(journal, { kind: 'step-started', step, ...record });
    journal = fold(journal, { kind: 'step-ended', member: '00.cortex', error });
  };

  it('sees the death of what it saw running, holds it, and forgets it when it was started', async () => {
    const observer = newObserver();
    expect((await look(observer))?.ended).to.equal(undefined);
    containers['00.cortex'] = killed;
    expect((await look(observer))?.ended).to.deep.equal({
      death: { seenAt: clock.now(), asked: false, word: 'exit code 137 (SIGKILL)' },
      heldMs: HOLD_MS,
    });
    observer.note(intent, { done: ['start'] });
    containers['00.cortex'] = { state: 'running', startedAt: 600 };
    expect((await look(observer))?.ended).to.equal(undefined);
    delete containers['00.cortex'];
    expect((await look(observer))?.ended?.death.word).to.equal('what it ran in is gone');
  });

  it('takes no stop for a death that is its own, or its dead-man’s', async () => {
    for (const own of ['steps at work', 'a stop that is done', 'the dead-man']) {
      containers['00.cortex'] = { state: 'running', startedAt: 500 };
      [busy, stoppedBeside] = [false, false];
      const observer = newObserver();
      await look(observer);
      if (own === 'steps at work') busy = true;
      if (own === 'a stop that is done') observer.note(intent, { done: ['stop'] });
      if (own === 'the dead-man') stoppedBeside = true;
      containers['00.cortex'] = killed;
      expect((await look(observer))?.ended, own).to.equal(undefined);
      busy = false;
      if (own !== 'steps at work') expect((await look(observer))?.ended, own).to.equal(undefined);
    }
  });

  it('says so again after it was started anew, from what it left running and how that ended', async () => {
    containers['00.cortex'] = killed;
    expect((await look(newObserver()))?.ended, 'never started here').to.equal(undefined);
    stepped('start');
    expect((await look(newObserver()))?.ended?.death.asked).to.equal(false);
    containers['00.cortex'] = { state: 'exited', exitCode: 0 };
    expect((await look(newObserver()))?.ended?.death.asked).to.equal(true);
    stepped('stop');
    expect((await look(newObserver()))?.ended, 'stopped here').to.equal(undefined);
    stepped('start', 'no room');
    expect((await look(newObserver()))?.ended, 'could not be started').to.equal(undefined);
    stepped('start');
    journal = fold(journal, {
      ...{ kind: 'intent-accepted', at: 2, intent: { ...orderOf([]), generation: 2 } },
    });
    expect(journal.leftRunning).to.deep.equal({});
  });

  it('tells a death at once, while a whole look waits for a service that hangs', async () => {
    journal = { ...emptyState, intent: orderOf([intent, beside]) };
    containers['01.cortex'] = { state: 'running', startedAt: 500 };
    const observer = newObserver();
    const before = await observer.observe({}, signal);
    hangs = true;
    void observer.observe({}, signal);
    containers['00.cortex'] = killed;
    const told = new Promise<void>((resolve) => {
      createGlances(observer, resolve).glance();
    });
    await told;
    const [first, second] = observer.withEnds(before).members;
    expect(first?.container).to.deep.equal(killed);
    expect(first?.engine.answered).to.equal(false);
    expect(first?.ended?.heldMs).to.equal(HOLD_MS);
    expect(second?.ended).to.equal(undefined);
  });

  it('tells it once, and nothing of a member that it works on', async () => {
    const observer = newObserver();
    await look(observer);
    containers['00.cortex'] = killed;
    let deaths = 0;
    const glance = (): Promise<void> => observer.glance(() => (deaths += 1), signal);
    busy = true;
    await glance();
    expect(deaths).to.equal(0);
    busy = false;
    await glance();
    await glance();
    expect(deaths).to.equal(1);
    // The look after it counts the crash, and its death stays the one that it was.
    clock.ms += 100;
    const looked = await look(observer);
    expect(looked?.ended?.heldMs).to.equal(HOLD_MS - 100);
    expect(looked?.backoff).to.include({ cause: 'exit', failures: 1 });
  });
});
