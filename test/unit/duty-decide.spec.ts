// When an agent backs up by itself: once for each time of the schedule, whatever the clock does and whoever is away.
import { expect } from 'chai';
import fc from 'fast-check';
import { decideDrill, type DrillView } from '@leafward/agent/duty/decide-drill.js';
import { MOST_ATTEMPTS } from '@leafward/agent/duty/decide.js';
import { momentsOf } from '@leafward/agent/duty/moments.js';
import type { Backup } from '@leafward/shared/gen/domain.js';
import {
  at,
  DAY,
  dutyOf,
  end,
  HOUR,
  hostOf,
  live,
  look,
  MINUTE,
  type DutyHost,
} from './duty-world.js';

const DUE = at('2026-11-21T02:00:00');
const BEFORE = DUE - 12 * HOUR;

/** It knows its schedule since the day before. */
const settled = (...args: Parameters<typeof hostOf>): DutyHost => {
  const host = hostOf(...args);
  look(host, BEFORE);
  return host;
};

describe('the moments of a schedule', () => {
  it('are the same for the same member, spread over the jitter, before the next time', () => {
    const spread = ['00.cortex', '01.cortex', '00.axon'].map((seed) => {
      const { beginOf } = momentsOf('* * * * *', { timeZone: 'UTC', jitterMs: HOUR }, seed);
      expect(beginOf(DUE)).to.equal(beginOf(DUE));
      return (beginOf(DUE) ?? 0) - DUE;
    });
    expect(new Set(spread).size).to.equal(3);
    for (const ms of spread) expect(ms).to.be.within(0, MINUTE - 1);
  });

  it('wait for the window, also past midnight, in the time zone of the duty', () => {
    const window = { fromMinute: 22 * 60 + 30, toMinute: 60 };
    const times = { timeZone: 'Europe/Vienna', jitterMs: 0, window };
    const { beginOf, openAt } = momentsOf('0 12 * * *', times, 'x');
    const noon = at('2026-11-21T11:00:00');
    expect(beginOf(noon)).to.equal(at('2026-11-21T21:30:00'));
    const inside = at('2026-11-21T23:59:00');
    expect(openAt(inside)).to.equal(inside);
    expect(openAt(at('2026-11-22T00:00:00'))).to.equal(at('2026-11-22T21:30:00'));
  });

  it('do not leave the window by their jitter', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 0, max: 10 * HOUR }), (seed, jitterMs) => {
        const window = { fromMinute: 60, toMinute: 125 };
        const times = { timeZone: 'UTC', jitterMs, window };
        const begin = momentsOf('0 2 * * *', times, seed).beginOf(DUE) ?? 0;
        expect(begin - DUE).to.be.within(0, 5 * MINUTE - 1);
      }),
    );
  });
});

describe('a scheduled backup', () => {
  it('begins at its time, once, and says when the next one comes', () => {
    const host = settled();
    expect(host.fact?.nextAt).to.equal(DUE);
    expect(look(host, DUE - 1)).to.deep.include({ kind: 'wait' });
    expect(look(host, DUE)).to.deep.equal({ kind: 'begin', due: DUE, attempt: 1 });
    expect(look(host, DUE + MINUTE)).to.include({ kind: 'wait', reason: 'one is being taken' });
    expect(host.fact).to.deep.include({ dueAt: DUE, doneAt: undefined, code: undefined });
    end(host, 'succeeded', DUE + 2 * MINUTE);
    look(host, DUE + 3 * MINUTE);
    expect(host.fact).to.deep.include({
      nextAt: DUE + DAY,
      dueAt: DUE,
      doneAt: DUE + 2 * MINUTE,
      failures: 0,
    });
  });

  it('is not due for what passed before the schedule was known', () => {
    const host = hostOf();
    look(host, DUE + HOUR);
    expect(look(host, DUE + 2 * HOUR).kind).to.equal('wait');
    expect(host.fact?.dueAt).to.equal(undefined);
  });

  it('begins anew with another schedule', () => {
    const host = settled();
    host.duty = dutyOf({ schedule: '0 1 * * *' });
    look(host, DUE);
    expect(look(host, DUE + MINUTE).kind).to.equal('wait');
    expect(look(host, DUE + 23 * HOUR).kind).to.equal('begin');
  });

  it('that fails is tried again with pauses, and counts as failed after the last', () => {
    const host = settled();
    for (let now = DUE; now < DUE + 3 * HOUR; now += 5000) {
      look(host, now);
      end(host, now < DUE + HOUR && host.begun.length === 2 ? 'unknown' : 'failed', now + 1000);
    }
    expect(host.begun.map(({ id }) => id)).to.deep.equal([
      `scheduled-00.cortex-${DUE}`,
      `scheduled-00.cortex-${DUE}-2`,
      `scheduled-00.cortex-${DUE}-3`,
    ]);
    const [first = 0, second = 0, third = 0] = host.begun.map((one) => one.at);
    expect(second - first).to.be.within(MINUTE, 2 * MINUTE);
    expect(third - second).to.be.within(10 * MINUTE, 11 * MINUTE);
    expect(host.fact).to.deep.include({ code: 'failed', failures: 1, dueAt: DUE });
    expect(host.fact?.problem).to.equal(
      'the backup that was due at 2026-11-21T02:00:00.000Z failed 3 times: the disk is full',
    );
    look(host, DUE + DAY);
    end(host, 'succeeded', DUE + DAY + MINUTE);
    look(host, DUE + DAY + 2 * MINUTE);
    expect(host.fact).to.deep.include({ code: undefined, failures: 1 });
  });

  it('that cannot begin is late, with the reason, and missed once the next one is due', () => {
    const host = settled();
    const obstacle = 'operation op-1 is going on (I10)';
    look(host, DUE + 10 * MINUTE, { obstacle });
    expect(host.fact?.code).to.equal(undefined);
    look(host, DUE + 40 * MINUTE, { obstacle });
    expect(host.fact).to.deep.include({ code: 'late', nextAt: DUE });
    expect(host.fact?.problem).to.include(obstacle);
    look(host, DUE + DAY + MINUTE, { obstacle });
    expect(host.fact).to.deep.include({ code: 'missed', failures: 1 });
    expect(look(host, DUE + DAY + 2 * MINUTE)).to.deep.include({ kind: 'begin', due: DUE + DAY });
    end(host, 'succeeded', DUE + DAY + 3 * MINUTE);
    look(host, DUE + DAY + 4 * MINUTE);
    expect(host.fact).to.deep.include({ code: undefined, failures: 1 });
  });

  it('of an agent that was off is taken up once, unless another member did it', () => {
    const host = settled();
    const back = DUE + 5 * DAY + HOUR;
    expect(look(host, back, { hears: false, isFresh: true }).kind).to.equal('wait');
    expect(look(host, back, { newestElsewhere: DUE + 5 * DAY }).kind).to.equal('wait');
    expect(host.fact?.failures).to.equal(0);
    live(host, { from: back + MINUTE, to: back + 3 * HOUR, stepMs: MINUTE });
    expect(host.begun.map(({ due }) => due)).to.deep.equal([DUE + 5 * DAY]);
    expect(host.fact).to.deep.include({ code: undefined, failures: 1 });
  });

  it('does not begin outside its window, and what fell into that is no missed one', () => {
    const window = { fromMinute: 180, toMinute: 300 };
    const host = settled('00.cortex', { schedule: '0 * * * *', window });
    live(host, { from: BEFORE, to: DUE + 2 * DAY, stepMs: 5 * MINUTE });
    expect(host.begun.map((one) => new Date(one.at).toISOString().slice(11, 16))).to.deep.equal([
      '03:00',
      '04:00',
      '03:00',
      '04:00',
    ]);
    expect(host.fact).to.deep.include({ code: undefined, failures: 0 });
  });

  it('that was kept from beginning until its window closed waits for the next one', () => {
    const window = { fromMinute: 60, toMinute: 180 };
    const host = settled('00.cortex', { window });
    look(host, DUE + 30 * MINUTE, { obstacle: '00.cortex does not answer' });
    expect(look(host, DUE + HOUR)).to.include({ kind: 'wait', until: DUE + 23 * HOUR });
    expect(look(host, DUE + 23 * HOUR)).to.deep.include({ kind: 'begin', due: DUE });
  });

  it('of a leader stands back behind all mirrors', () => {
    const host = settled('00.cortex', { leaderRank: 3 });
    expect(look(host, DUE + 89 * MINUTE, { standsBack: true }).kind).to.equal('wait');
    expect(look(host, DUE + 90 * MINUTE, { standsBack: true }).kind).to.equal('begin');
  });

  it('is taken over when it stays away, also where times come faster than that', () => {
    for (const schedule of ['0 * * * *', '*/5 * * * *']) {
      const host = settled('01.cortex', { schedule, rank: 1, takeoverMs: 20 * MINUTE });
      const from = DUE - 11 * HOUR;
      for (let now = from; now < from + 5 * MINUTE; now += MINUTE)
        expect(look(host, now, { newestElsewhere: from }).kind).to.equal('wait');
      live(host, { from, to: from + 2 * HOUR, stepMs: MINUTE }, { newestElsewhere: from });
      expect(host.begun[0]?.at).to.be.within(from + 20 * MINUTE, from + 81 * MINUTE);
    }
  });
});

describe('whatever the clock does', () => {
  const schedules = fc.constantFrom(
    '* * * * *',
    '*/7 * * * *',
    '0 * * * *',
    '0 2 * * *',
    '0 3 1 * *',
  );
  const jumps = fc.array(
    fc.oneof(
      fc.integer({ min: 0, max: 10 * MINUTE }),
      fc.integer({ min: -2 * HOUR, max: 2 * HOUR }),
      fc.integer({ min: -40 * DAY, max: 400 * DAY }),
    ),
    { maxLength: 40 },
  );
  type End = 'succeeded' | 'failed' | 'unknown' | undefined;
  const ends = fc.infiniteStream(
    fc.constantFrom<End[]>('succeeded', 'failed', 'unknown', undefined),
  );

  it('never begins twice for one time, nor more than one for one look, and bounds its attempts', () => {
    fc.assert(
      fc.property(
        schedules,
        jumps,
        ends,
        fc.integer({ min: 0, max: 2 }),
        (schedule, by, how, rank) => {
          const host = settled('00.cortex', { schedule, jitterMs: 5 * MINUTE, rank });
          let now = BEFORE;
          for (const ms of by) {
            now += ms;
            const before = host.begun.length;
            for (let round = 0; round < 4; round += 1) look(host, now); // throws for an id that was there
            expect(host.begun.length - before).to.be.at.most(1);
            const { value: state } = how.next() as { readonly value: End };
            if (state !== undefined) end(host, state, now + 1000);
          }
          const perDue = new Map<number, number>();
          for (const { due } of host.begun) perDue.set(due, (perDue.get(due) ?? 0) + 1);
          for (const count of perDue.values()) expect(count).to.be.at.most(MOST_ATTEMPTS);
        },
      ),
    );
  });

  it('takes no time again that it has done', () => {
    fc.assert(
      fc.property(schedules, jumps, (schedule, by) => {
        const host = settled('00.cortex', { schedule });
        let now = BEFORE;
        for (const ms of by) {
          now += ms;
          look(host, now);
          end(host, 'succeeded', now + 1000);
        }
        const dues = host.begun.map(({ due }) => due);
        expect(new Set(dues).size).to.equal(dues.length);
      }),
    );
  });

  it('remembers what it has done when requests are forgotten and backups are gone', () => {
    const host = settled();
    live(host, { from: BEFORE, to: BEFORE + 3 * DAY, stepMs: HOUR });
    host.requests = {};
    host.backups = [];
    const begun = host.begun.length;
    live(host, { from: DUE + MINUTE, to: DUE + 2 * DAY, stepMs: HOUR });
    expect(host.begun.length).to.equal(begun);
  });

  it('begins a schedule anew that it first saw with a clock that was ahead', () => {
    const host = hostOf();
    look(host, BEFORE + 365 * DAY);
    live(host, { from: BEFORE, to: BEFORE + DAY, stepMs: HOUR });
    expect(host.begun.map(({ due }) => due)).to.deep.equal([DUE]);
  });

  it('goes on by the clock as it is, after one that was a year ahead for a while', () => {
    const host = settled();
    live(host, { from: DUE + 365 * DAY, to: DUE + 366 * DAY, stepMs: HOUR });
    const begun = host.begun.length;
    live(host, { from: BEFORE, to: BEFORE + 3 * DAY, stepMs: 10 * MINUTE });
    expect(host.begun.slice(begun).map(({ due }) => due)).to.deep.equal([
      DUE,
      DUE + DAY,
      DUE + 2 * DAY,
    ]);
  });
});

describe('without a controller', () => {
  it('no time is lost while the member of rank 0 lives', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('*/15 * * * *', '0 * * * *', '30 2,14 * * *'),
        fc.integer({ min: 0, max: 10 * MINUTE }),
        (schedule, jitterMs) => {
          const host = settled('00.cortex', { schedule, jitterMs });
          const span = { from: BEFORE, to: BEFORE + DAY, stepMs: MINUTE };
          live(host, span, { hears: false });
          const { nextDue, beginOf } = momentsOf(schedule, host.duty, host.member);
          const dues: number[] = [];
          let due = nextDue(BEFORE);
          while (due !== undefined && (beginOf(due) ?? Infinity) <= span.to - MINUTE) {
            dues.push(due);
            due = nextDue(due);
          }
          expect(host.begun.map(({ due }) => due)).to.include.members(dues);
          expect(host.fact?.failures).to.equal(0);
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('members of one service', () => {
  it('back up once for each time, by the first that lives, as far as they hear of each other', () => {
    fc.assert(
      fc.property(fc.subarray([0, 1, 2], { minLength: 1 }), (living) => {
        const hosts = living.map((rank) =>
          settled(`0${rank}.cortex`, { rank, jitterMs: 5 * MINUTE, schedule: '0 */6 * * *' }),
        );
        for (let now = BEFORE; now < BEFORE + 2 * DAY; now += 2 * MINUTE) {
          const starts = hosts.flatMap(({ backups }) => backups.map(({ startedAt }) => startedAt));
          const newestElsewhere = starts.length === 0 ? undefined : Math.max(...starts);
          for (const host of hosts) {
            look(host, now, { newestElsewhere });
            end(host, 'succeeded', now + 1000);
          }
        }
        const [first, ...others] = hosts;
        expect(first?.begun.length).to.be.within(7, 8);
        expect(others.flatMap(({ begun }) => begun)).to.deep.equal([]);
        for (const { fact } of hosts)
          expect(fact).to.deep.include({ code: undefined, failures: 0 });
      }),
      { numRuns: 10 },
    );
  });
});

describe('a scheduled drill', () => {
  const backup = (name: string, changes: Partial<Backup> = {}): Backup =>
    ({ name, path: `/srv/backups/${name}`, ...changes }) as Backup;
  const proven = { drill: { ok: true } } as Partial<Backup>;
  const duty = dutyOf({ drillSchedule: '0 4 * * *' });
  const moments = momentsOf('0 4 * * *', duty, 'x');
  const memory = { member: 'x', schedule: '0 4 * * * UTC', since: BEFORE, over: [], failures: 0 };
  const due = at('2026-11-21T04:00:00');
  const view = (changes: Partial<DrillView>): DrillView => ({
    now: due + MINUTE,
    member: 'x',
    duty,
    moments,
    memory,
    begun: [],
    backups: [],
    ...changes,
  });

  it('takes the newest backup that is not proven yet, else the newest', () => {
    const chosen = (backups: readonly Backup[]): string | undefined =>
      decideDrill(view({ backups })).begin?.backup.name;
    expect(chosen([backup('c', proven), backup('b'), backup('a')])).to.equal('b');
    expect(chosen([backup('c', proven), backup('b', proven)])).to.equal('c');
    const damaged = { verification: { ok: false } } as Partial<Backup>;
    expect(chosen([backup('c', damaged), backup('b')])).to.equal('b');
    expect(chosen([])).to.equal(undefined);
  });

  it('is ordered once for each time, and waits for its turn on the host', () => {
    const backups = [backup('a')];
    expect(decideDrill(view({ backups, now: due - 1 })).begin).to.equal(undefined);
    expect(decideDrill(view({ backups, obstacle: 'busy' })).begin).to.equal(undefined);
    expect(decideDrill(view({ backups })).begin?.due).to.equal(due);
    const begun = decideDrill(view({ backups, begun: [due] }));
    expect(begun.begin).to.equal(undefined);
    expect(begun.records).to.deep.equal([{ kind: 'due-over', member: 'x', of: 'drill', due }]);
    expect(begun.nextAt).to.equal(due + DAY);
    const over = { ...memory, over: [due] };
    expect(decideDrill(view({ backups, memory: over })).records).to.deep.equal([]);
  });
});
