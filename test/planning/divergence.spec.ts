// Logs that part in silence: found by single entries, with the first that differs; nobody is accused who is only behind,
// trimmed or not heard. A mirror whose log is another one leads nothing and is begun again.
import { expect } from 'chai';
import fc from 'fast-check';
import { buildStatus, explain, planGoal } from '@leafward/controller/planning/index.js';
import {
  splitOf,
  wishesOf,
  type Watch,
  type Watched,
} from '@leafward/controller/planning/histories.js';
import type { Snapshot } from '@leafward/controller/snapshot.js';
import type { Goal, HistoryEntry, MemberFact } from '@leafward/shared/gen/domain.js';
import { deployed } from './model.js';

const MINUTE_MS = 60_000;
const EVERY_MS = 5 * MINUTE_MS;

/** A log as its agent sees it: its entry at an offset is what this says; undefined: trimmed. */
interface Log {
  readonly position: number;
  readonly entry: (offset: number) => string | undefined;
}

interface Told {
  readonly log: Log;
  readonly entries: readonly HistoryEntry[];
}

const same = (position: number, first = 0): Log => ({
  position,
  entry: (offset) => (offset < first ? undefined : `a${offset}`),
});
const other = (position: number, from: number, first = 0, to = Infinity): Log => ({
  position,
  entry: (offset) =>
    offset < first ? undefined : offset >= from && offset < to ? `b${offset}` : `a${offset}`,
});

const factOf = (member: string, { log, entries }: Told, active: boolean): MemberFact =>
  ({
    member,
    container: { state: 'running' },
    engine: { answered: true, version: '2.200.0', active, position: log.position },
    history: { entries },
  }) as unknown as MemberFact;

const watchedOf = (member: string, told: Told, active: boolean): Watched => ({
  member,
  fact: factOf(member, told, active),
  isFresh: true,
  clockOffsetMs: 0,
});

const untold = (log: Log): Told => ({ log, entries: [] });

interface World {
  readonly now: number;
  readonly leader: Told;
  readonly mirror: Told;
}

const watchOf = (world: World, more: Partial<Watch> = {}): Watch => ({
  service: 'cortex',
  everyMs: EVERY_MS,
  now: world.now,
  isBusy: false,
  leader: watchedOf('leader', world.leader, true),
  mirrors: [watchedOf('mirror', world.mirror, false)],
  ...more,
});

/** What an agent tells after it was asked for these. */
function tell({ log, entries }: Told, wished: readonly number[], readAt: number): Told {
  const known = entries.filter(({ offset }) => wished.includes(offset));
  const news = wished
    .filter((offset) => offset < log.position && !known.some((one) => one.offset === offset))
    .map((offset) => ({ offset, sha256: log.entry(offset), readAt }));
  return { log, entries: [...known, ...news].sort((a, b) => a.offset - b.offset) };
}

/** The leader's agent reports, then the mirror's. */
function exchange(world: World, more: Partial<Watch> = {}): World {
  const leader = tell(world.leader, wishesOf(watchOf(world, more))['leader'] ?? [], world.now);
  const between = { ...world, leader };
  const mirror = tell(world.mirror, wishesOf(watchOf(between, more))['mirror'] ?? [], world.now);
  return { ...between, mirror, now: world.now + 5000 };
}

function after(world: World, exchanges: number, more: Partial<Watch> = {}): World {
  let now = world;
  for (let count = 0; count < exchanges; count += 1) now = exchange(now, more);
  return now;
}

const splitIn = ({ leader, mirror }: World) =>
  splitOf(factOf('leader', leader, true), factOf('mirror', mirror, false));

const begin = (leader: Log, mirror: Log): World => ({
  now: 1e12,
  leader: untold(leader),
  mirror: untold(mirror),
});

describe('the comparison of logs', () => {
  it('finds no split where one log is the beginning of the other, trimmed or not', () => {
    const log = { minLength: 2, maxLength: 2 };
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 1e9 }), log),
        fc.array(fc.integer({ min: 0, max: 1e9 }), log),
        ([leads = 1, mirrors = 1], [first = 0, mirrorsFirst = 0]) => {
          const world = begin(same(leads, first), same(mirrors, mirrorsFirst));
          expect(splitIn(after(world, 6))).to.equal(undefined);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('finds the first entry that differs, as far back as both logs go', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e7 }),
        fc.nat(1e7),
        fc.nat(1e7),
        (position, at, trimmed) => {
          const from = at % position;
          const first = trimmed % position;
          const world = after(begin(same(position + 7), other(position, from, first)), 12);
          const split = splitIn(world);
          expect(split?.offset).to.equal(Math.max(from, first));
          expect(split?.isExact).to.equal(from > first || (from === 0 && first === 0));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('goes on seeing a split that was followed by equal entries, and tells few of them', () => {
    // The mirror of a stale leader that was pointed at the true one afterwards.
    const found = after(begin(same(1000), other(1000, 700)), 8);
    const grown: World = {
      ...found,
      leader: { ...found.leader, log: same(5000) },
      mirror: { ...found.mirror, log: other(5000, 700, 0, 1000) },
    };
    let world = grown;
    for (let round = 0; round < 10; round += 1)
      world = after({ ...world, now: world.now + 2 * EVERY_MS }, 4);
    expect(splitIn(world)).to.include({ offset: 700, equalAt: 699, isExact: true });
    expect(world.leader.entries.length).to.be.lessThan(12);
    // The leader's agent is started anew and has forgotten all: it is asked for what its mirror still tells.
    const restarted = { ...world, leader: untold(world.leader.log) };
    expect(splitIn(after(restarted, 3))).to.include({ offset: 700, isExact: true });
  });

  it('asks the leader for what a mirror tells of itself: the end of its log before it mirrored again', () => {
    const world = after(begin(same(1000), same(1000)), 3);
    const wrote = { log: other(1040, 1000, 0, 1003), entries: world.mirror.entries };
    const tells = tell(wrote, [...wrote.entries.map(({ offset }) => offset), 1002], world.now);
    const back: World = { ...world, mirror: tells, leader: { ...world.leader, log: same(1040) } };
    expect(splitIn(after(back, 4))).to.include({ offset: 1000, equalAt: 999, isExact: true });
  });

  it('compares again when it is time, and asks nothing new before', () => {
    const world = after(begin(same(1000), same(990)), 3);
    const offsets = world.leader.entries.map(({ offset }) => offset);
    expect(offsets).to.include(989);
    expect(offsets).to.have.length(3);
    const grown = { ...world, leader: { ...world.leader, log: same(2000) } };
    expect(wishesOf(watchOf(grown))['leader']).to.have.members(offsets);
    const later = { ...grown, now: grown.now + 1.2 * EVERY_MS };
    expect(wishesOf(watchOf(later))['leader']).to.have.length(5);
    expect(wishesOf(watchOf(later, { isBusy: true }))['leader']).to.have.members(offsets);
    expect(wishesOf(watchOf(later, { everyMs: 0 }))['leader']).to.deep.equal([]);
  });

  it('asks nothing while nobody can answer, or while versions differ', () => {
    const world = begin(same(1000), same(1000));
    const { leader, mirrors } = watchOf(world);
    const [mirror] = mirrors;
    if (mirror?.fact === undefined) throw new Error('no mirror');
    const silent = { ...leader, isFresh: false };
    expect(wishesOf(watchOf(world, { leader: silent }))['leader']).to.deep.equal([]);
    const newer: Watched = {
      ...mirror,
      fact: { ...mirror.fact, engine: { ...mirror.fact.engine, version: '2.201.0' } },
    };
    expect(wishesOf(watchOf(world, { mirrors: [newer] }))['leader']).to.deep.equal([]);
  });
});

/** The deployed tree, in which this member's log parts from its leader's at entry 7. */
function diverged(...members: readonly string[]): Snapshot {
  const snapshot = deployed().snapshot();
  const entries = (letter: string): readonly HistoryEntry[] => [
    { offset: 6, sha256: 'a6', readAt: snapshot.now },
    { offset: 7, sha256: `${letter}7`, readAt: snapshot.now },
  ];
  const hosts = Object.entries(snapshot.hosts).map(([name, host]) => [
    name,
    {
      ...host,
      members: Object.fromEntries(
        Object.entries(host.members).map(([member, received]) => {
          const history = { entries: entries(members.includes(member) ? 'b' : 'a') };
          return [member, { ...received, value: { ...received.value, history } }];
        }),
      ),
    },
  ]);
  return { ...snapshot, hosts: Object.fromEntries(hosts) as Snapshot['hosts'] };
}

const MIRROR = '01.cortex';
const SAYS =
  'its log is another one than that of 00.cortex from entry 7 on: what it has from there on is not what 00.cortex has';
const codesOf = (snapshot: Snapshot, goal: Goal): readonly string[] =>
  planGoal(snapshot, goal, {}).refusals.map(({ code, subject }) => `${code} ${subject}`);
const reseed = (member: string): Goal => ({
  kind: 'reseed',
  service: 'cortex',
  member,
  wipe: false,
  id: 'reseed-1',
});

describe('a mirror whose log is another one', () => {
  it('is shown and explained, with the entry', () => {
    const view = buildStatus(diverged(MIRROR)).services[0]?.members;
    expect(view?.find(({ member }) => member === MIRROR)).to.deep.include({
      state: 'diverged',
      problems: [SAYS],
    });
    expect(view?.filter(({ state }) => state === 'diverged')).to.have.length(1);
    const [own] = explain(diverged(MIRROR), MIRROR);
    expect(own?.findings[0]).to.include({ severity: 'critical', subject: MIRROR, seen: SAYS });
    expect(own?.facts.find(({ name }) => name === 'log entry 7')).to.deep.include({
      value: 'b7',
      wanted: 'a7 (00.cortex)',
    });
  });

  it('is no finding while nothing differs', () => {
    const [own] = explain(diverged(), MIRROR);
    expect(own?.findings).to.deep.equal([]);
    expect(own?.facts.find(({ name }) => name === 'log compared')?.value).to.equal(
      'the same as that of 00.cortex',
    );
  });

  it('is not promoted', () => {
    const promote: Goal = { kind: 'promote', service: 'cortex', to: MIRROR };
    expect(codesOf(diverged(MIRROR), promote)).to.deep.equal([`diverged ${MIRROR}`]);
    expect(codesOf(diverged(), promote)).to.deep.equal([]);
  });

  it('is begun again, also when another one is to be begun again, too', () => {
    expect(codesOf(diverged(MIRROR), reseed(MIRROR))).to.deep.equal([]);
    const plan = planGoal(diverged(MIRROR), reseed(MIRROR), {});
    expect(plan.moves.map(({ kind, cause }) => `${kind}: ${cause}`)).to.deep.equal([
      'reseed: its log is another one than its leader’s; it begins again as a mirror',
    ]);
    expect(codesOf(diverged(MIRROR, '03.cortex'), reseed(MIRROR))).to.deep.equal([]);
    // It would copy what is wrong.
    expect(codesOf(diverged(MIRROR, '03.cortex'), reseed('03.cortex'))).to.deep.equal([
      `upstream-unhealthy ${MIRROR}`,
    ]);
  });
});

/** The leader has died; its agent told of its log before. */
function leaderless(...members: readonly string[]): Snapshot {
  const snapshot = diverged(...members);
  const alpha = snapshot.hosts.alpha;
  const known = alpha?.members['00.cortex'];
  if (alpha === undefined || known === undefined) throw new Error('the leader was not seen');
  const dead = { ...known.value, container: { state: 'exited' as const } };
  const value = { ...dead, engine: { answered: false } };
  const hosts = { ...alpha, members: { ...alpha.members, '00.cortex': { ...known, value } } };
  return { ...snapshot, hosts: { ...snapshot.hosts, alpha: hosts } };
}

describe('a failover among mirrors whose logs differ', () => {
  const failover = (to?: string): Goal => ({ kind: 'failover', service: 'cortex', to });

  it('leaves out whose log is known to be another one', () => {
    const plan = planGoal(leaderless(MIRROR), failover(), {});
    expect(plan.refusals).to.deep.equal([]);
    expect(plan.warnings).to.include(`${MIRROR} is not chosen and kept stopped: ${SAYS}`);
    const choose = plan.moves.find(({ kind }) => kind === 'choose');
    expect(choose).to.have.property('expected').that.does.not.equal(MIRROR);
  });

  it('is refused when nobody is left, but by an operator’s word', () => {
    const all = ['01.cortex', '02.cortex', '03.cortex'];
    const codes = codesOf(leaderless(...all), failover());
    expect(new Set(codes.map((code) => code.split(' ')[0]))).to.deep.equal(new Set(['diverged']));
    const named = planGoal(leaderless(...all), failover(MIRROR), {});
    expect(named.refusals).to.deep.equal([]);
    expect(named.warnings).to.include(`${MIRROR} leads by your word: ${SAYS}`);
  });
});
