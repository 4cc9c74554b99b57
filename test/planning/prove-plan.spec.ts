// The proof after every planning is fed plans that no planner may make: each must be caught, and named.
import { expect } from 'chai';
import { assertPlanSafe } from '@leafward/controller/planning/prove-plan.js';
import type { Goal, Move, Plan } from '@leafward/shared/gen/domain.js';
import { deployed, described, imageOf, stacked, stackManifest } from './model.js';

const update: Goal = { kind: 'update', service: 'cortex', image: 'cortex:2.150.0' };
const failover: Goal = { kind: 'failover', service: 'cortex', leaderIsOff: 'burnt' };

const world = deployed();
const good = world.plan(update);
const named = <K extends Move['kind']>(kind: K): Extract<Move, { kind: K }> => {
  const plans = [good, world.plan(failover), world.plan({ ...promote, to: '01.cortex' })];
  const move = plans.flatMap((plan) => plan.moves).find((one) => one.kind === kind);
  return move as Extract<Move, { kind: K }>;
};
const promote = { kind: 'promote', service: 'cortex' } as const;
const recreates = good.moves.filter((move) => move.kind === 'recreate');
const of = (member: string) => recreates.find((move) => move.member === member)!;
const intentOf = (member: string) =>
  Object.values(world.intents)
    .flatMap((intent) => intent.members)
    .find((intent) => intent.member === member)!;
const base = { service: 'cortex', cause: 'because', host: 'alpha' };
const place = (member: string, more: object): Omit<Extract<Move, { kind: 'place' }>, 'id'> => ({
  ...base,
  kind: 'place',
  intent: { ...intentOf(member), ...more },
});
const remove = (member: string): Omit<Extract<Move, { kind: 'remove' }>, 'id'> => ({
  ...base,
  kind: 'remove',
  member,
});
const [fence, choose, force] = [named('fence'), named('choose'), named('force-promote')];
const handOver = named('hand-over');

const [halt, restore, reseed] = world
  .plan({ kind: 'restore', service: 'cortex', backup: 'b1', wipe: false, id: 'r1' })
  .moves.filter(({ kind }) => kind !== 'send') as [
  Extract<Move, { kind: 'halt' }>,
  Extract<Move, { kind: 'restore' }>,
  Extract<Move, { kind: 'reseed' }>,
];

type WithoutId<M> = M extends Move ? Omit<M, 'id'> : never;
type Unnumbered = WithoutId<Move>;
const planOf = (moves: readonly Unnumbered[]): Plan => ({
  ...good,
  moves: moves.map((move, index) => ({ ...move, id: `m${index + 1}` })),
});

const broken: readonly (readonly [string, readonly Unnumbered[], RegExp])[] = [
  ['the leader first', [of('00.cortex')], /is not updated before it \(I3\)/],
  ['a mirror before its own mirror', [of('01.cortex')], /03.cortex below 01.cortex.*\(I3\)/],
  [
    'an older image',
    [{ ...of('03.cortex'), spec: { ...of('03.cortex').spec, image: imageOf('cortex:2.1.0') } }],
    /03.cortex would go down from 2.113.0 to 2.1.0 \(I5\)/,
  ],
  [
    'an older image by being placed',
    [place('03.cortex', { spec: { ...of('03.cortex').spec, image: imageOf('cortex:2.1.0') } })],
    /03.cortex would go down.*\(I5\)/,
  ],
  [
    'a new mirror that is older than its upstream',
    [
      place('03.cortex', {
        member: '09.cortex',
        spec: { ...of('03.cortex').spec, image: imageOf('cortex:2.1.0') },
      }),
    ],
    /09.cortex under 01.cortex would be older than its upstream \(I3\)/,
  ],
  [
    'a second leader in the same term',
    [place('01.cortex', { role: 'leader', upstream: undefined })],
    /01.cortex would lead beside 00.cortex \(I1\)/,
  ],
  [
    'a second leader in a newer term',
    [place('01.cortex', { role: 'leader', upstream: undefined, term: 9 })],
    /01.cortex would lead beside 00.cortex \(I1\)/,
  ],
  ['an older term', [place('01.cortex', { term: 0 })], /older term \(I11\)/],
  ['the leader removed', [remove('00.cortex')], /00.cortex leads and would be removed/],
  ['an upstream removed', [remove('01.cortex')], /01.cortex has mirrors and would be removed/],
  ['a hand-over to a mirror of a mirror', [{ ...handOver, to: '03.cortex' }], /no direct mirror/],
  ['a hand-over in a term that skips', [{ ...handOver, term: 7 }], /must follow 1 \(I1\)/],
  [
    'a hand-over from whoever does not lead',
    [{ ...handOver, from: '02.cortex' }],
    /02.cortex does not lead/,
  ],
  ['two hand-overs in one term', [handOver, handOver], /\(I1\)/],
  [
    'a hand-over to a newer mirror',
    [of('03.cortex'), of('01.cortex'), handOver],
    /00.cortex under 01.cortex would be older than its upstream \(I3\)/,
  ],
  ['a choice before the fence', [choose], /choosing before the leader is fenced \(I1\)/],
  ['a promotion by force before the fence', [force], /before the leader is fenced \(I1\)/],
  ['a promotion by force of nobody', [fence, force], /before anybody was chosen \(I1\)/],
  ['a fence of a mirror', [{ ...fence, member: '02.cortex' }, choose], /before the leader/],
  ['a fence in an old term', [{ ...fence, term: 1 }], /must follow 1 \(I1\)/],
  ['a promotion in a skipped term', [fence, choose, { ...force, term: 9 }], /must follow 1/],
  [
    'a retired leader made anew',
    [fence, choose, force, of('00.cortex')],
    /00.cortex is retired \(I2\)/,
  ],
  [
    'a retired leader placed again',
    [fence, choose, force, place('00.cortex', { term: 2, role: 'mirror' })],
    /00.cortex is retired \(I2\)/,
  ],
  [
    'a hand-over by stopping of a kind that passes leadership on by itself',
    [{ ...handOver, byStopping: true }],
    /synapse cannot hand-over-by-stopping/,
  ],
  ['a halt that nobody ends', [{ ...halt, members: ['03.cortex'] }], /03.cortex.*never started/],
  [
    'an upstream stopped before its mirror',
    [{ ...halt, members: ['00.cortex', '01.cortex', '02.cortex', '03.cortex'] }],
    /00.cortex would be stopped before 01.cortex/,
  ],
  ['a restore beside a leader', [restore], /00.cortex may lead while 02.cortex.*\(I1\)/],
  [
    'a restore of one that runs',
    [{ ...halt, members: ['00.cortex'] }, restore],
    /02.cortex would be restored while it runs/,
  ],
  ['a restore in a skipped term', [halt, { ...restore, term: 5 }], /must follow 1 \(I1\)/],
  [
    'a restore of a retired member',
    [fence, choose, force, { ...halt, members: [] }, { ...restore, member: '00.cortex', term: 3 }],
    /\(I[12]\)/,
  ],
  ['a restore without its reseeds', [halt, restore], /never started again/],
  ['a leader that is emptied', [{ ...reseed, member: '00.cortex' }], /leads and would be emptied/],
  [
    'a mirror that is filled from its own mirror',
    [{ ...reseed, member: '01.cortex', upstream: '03.cortex' }],
    /03.cortex mirrors 01.cortex itself/,
  ],
  [
    'a mirror that is filled from a stopped one',
    [
      { ...halt, members: ['01.cortex'] },
      { ...reseed, member: '03.cortex', upstream: '01.cortex' },
    ],
    /01.cortex is stopped: nothing to copy from/,
  ],
  [
    'a mirror that is filled from a retired one',
    [fence, choose, force, { ...reseed, member: '03.cortex', upstream: '00.cortex' }],
    /does not follow|is retired/,
  ],
];

const stack = stacked();
const stackUpdate = stack.plan({ kind: 'update', service: 'chat', image: 'chat:1.59.0' });
const [pullAll, down, ...up] = stackUpdate.moves;
const upOf = (member: string): Move =>
  up.find((move) => move.kind === 'recreate' && move.member === member)!;

const brokenStacks: readonly (readonly [string, readonly (Move | undefined)[], RegExp])[] = [
  ['a new main process beside its old workers', [upOf('main')], /while sync, its worker, runs/],
  ['a new worker beside the old main process', [upOf('sync')], /another image than main/],
  [
    'a worker before its main process',
    [pullAll, down, upOf('sync'), upOf('main'), upOf('media')],
    /sync would start before main/,
  ],
  ['a worker that is left down', [down, upOf('main'), upOf('sync')], /media would be stopped and/],
  [
    'a main process that is stopped before its workers',
    [{ ...down, members: ['main', 'sync', 'media'] } as Move],
    /main would be stopped before sync/,
  ],
];

describe('the proof of a plan', () => {
  for (const [what, moves, reason] of brokenStacks)
    it(`catches ${what}`, () => {
      const plan = {
        ...stackUpdate,
        moves: moves.flatMap((move, index) => (move ? [{ ...move, id: `m${index + 1}` }] : [])),
      };
      expect(() => assertPlanSafe(stack.snapshot(), plan)).to.throw(reason);
    });

  it('catches a hand-over that a kind cannot do by itself', () => {
    const other = described();
    const plan = other.plan({ ...promote, to: '01.cortex' });
    const moves = plan.moves.map((move) => ({ ...move, byStopping: undefined }) as Move);
    expect(() => assertPlanSafe(other.snapshot(), { ...plan, moves })).to.throw(
      /pg cannot promote-gracefully/,
    );
    assertPlanSafe(other.snapshot(), plan);
  });

  it('lets pass what the planners make of a stack', () => {
    const manifest = stackManifest({ extra: '    environment: { LEVEL: INFO }' });
    for (const goal of [stackUpdate.goal, { kind: 'deploy', manifest } as const])
      assertPlanSafe(stack.snapshot(), stack.plan(goal));
  });

  for (const [what, moves, reason] of broken)
    it(`catches ${what}`, () => {
      expect(() => assertPlanSafe(world.snapshot(), planOf(moves))).to.throw(reason);
    });

  it('catches two moves of one name', () => {
    const twice = { ...good, moves: [of('03.cortex'), of('03.cortex')] };
    expect(() => assertPlanSafe(world.snapshot(), twice)).to.throw(/has two moves/);
  });

  it('lets pass what the planners make', () => {
    for (const goal of [update, failover, { ...promote, to: '01.cortex' }])
      assertPlanSafe(world.snapshot(), world.plan(goal));
  });

  it('lets a plan make an older mirror newer, although the tree is wrong when it begins', () => {
    const late = deployed();
    const cell = late.cell('03.cortex');
    const image = imageOf('cortex:2.100.0');
    cell.intent = { ...cell.intent, spec: { ...cell.intent.spec, image } };
    for (const host of late.machines.keys()) late.report(host);
    assertPlanSafe(late.snapshot(), planOf([of('03.cortex')]));
  });
});
