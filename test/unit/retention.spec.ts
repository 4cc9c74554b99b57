// Which backups stay: the rules as users of restic and borg expect them, time zones and daylight saving, and that no
// rule takes what must stay (I13).
import { expect } from 'chai';
import fc from 'fast-check';
import type { Backup, Keep, KeepVerdict } from '@leafward/shared/gen/domain.js';
import { freedBytes, judgeBackups, type KeepQuestion } from '@leafward/shared/retention.js';
import { periodsIn } from '@leafward/shared/retention-periods.js';
import '../property-seed.js';

const HOUR_MS = 3_600_000;
const NONE: Keep = { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, minFreeBytes: 0 };
const verification = (ok: boolean): NonNullable<Backup['verification']> => ({
  ...{ at: 1, ok, files: 1, bytes: 1, tookMs: 1, problems: [] },
});
const drill = (ok: boolean): NonNullable<Backup['drill']> => ({
  ...{ at: 1, ok, image: { reference: 'x', digest: 'x' }, tookMs: 1, copyMs: 1, migrationMs: 1 },
  ...{ bytes: 1, problems: [] },
});
const backup = (time: string | number, changes: Partial<Backup> = {}): Backup => {
  const startedAt = typeof time === 'number' ? time : Date.parse(time);
  const name = typeof time === 'number' ? `b${time}` : time.replace(/:00Z$/, '');
  return {
    ...{ name, service: 'cortex', member: '00.cortex', host: 'alpha', path: `/b/${name}` },
    ...{ sizeBytes: 100, files: 1, term: 1, startedAt, finishedAt: startedAt + 1000 },
    manifestSha256: '',
    ...changes,
  };
};
const question = (keep: Partial<Keep>, more: Partial<KeepQuestion> = {}): KeepQuestion => ({
  keep: { ...NONE, ...keep },
  timeZone: 'UTC',
  now: Date.parse('2027-01-01T00:00:00Z'),
  freeBytes: undefined,
  pinned: new Map(),
  ...more,
});
const asText = (verdicts: readonly KeepVerdict[]): readonly string[] =>
  verdicts.map(({ name, keeps, reason }) => `${keeps ? '+' : '-'} ${name}: ${reason}`);
const judge = (
  backups: readonly Backup[],
  keep: Partial<Keep>,
  more: Partial<KeepQuestion> = {},
): readonly string[] => asText(judgeBackups(backups, question(keep, more)));

describe('retention', () => {
  it('keeps the newest of each period that has one, and leaves gaps uncounted', () => {
    const backups = [
      backup('2026-03-01T04:00:00Z'),
      backup('2026-11-02T04:00:00Z'),
      backup('2026-11-19T04:00:00Z'),
      backup('2026-11-19T16:00:00Z'),
      backup('2026-11-21T04:00:00Z'),
      backup('2026-11-21T04:30:00Z'),
      backup('2026-11-21T05:00:00Z'),
    ];
    expect(judge(backups, { last: 1, hourly: 2, daily: 2, weekly: 2, monthly: 2 })).to.deep.equal([
      '+ 2026-11-21T05:00: the newest, last, hourly 2026-11-21 05:00 +00:00, daily 2026-11-21, weekly 2026-W47, monthly 2026-11',
      '+ 2026-11-21T04:30: hourly 2026-11-21 04:00 +00:00',
      '- 2026-11-21T04:00: no rule keeps it',
      '+ 2026-11-19T16:00: daily 2026-11-19',
      '- 2026-11-19T04:00: no rule keeps it',
      '+ 2026-11-02T04:00: weekly 2026-W45',
      '+ 2026-03-01T04:00: monthly 2026-03',
    ]);
  });

  it('never takes the newest, nor the last proven, nor the last verified where none is proven (I13)', () => {
    const [old, middle, newest] = [
      '2026-01-01T00:00:00Z',
      '2026-02-01T00:00:00Z',
      '2026-03-01T00:00:00Z',
    ];
    const proven = [backup(old, { drill: drill(true) }), backup(middle), backup(newest)];
    expect(judge(proven, {})).to.deep.equal([
      '+ 2026-03-01T00:00: the newest',
      '- 2026-02-01T00:00: no rule keeps it',
      '+ 2026-01-01T00:00: the last proven',
    ]);
    const verified = [
      backup(old, { verification: verification(true) }),
      backup(middle),
      backup(newest),
    ];
    expect(judge(verified, {})[2]).to.equal(
      '+ 2026-01-01T00:00: the last verified, none is proven',
    );
    expect(
      judge([...verified.slice(0, 2), backup(newest, { drill: drill(true) })], {}),
    ).to.deep.equal([
      '+ 2026-03-01T00:00: the newest, the last proven',
      '- 2026-02-01T00:00: no rule keeps it',
      '- 2026-01-01T00:00: no rule keeps it',
    ]);
  });

  it('counts a damaged one for no period, and keeps it until a newer one is known to be whole', () => {
    const damaged = { verification: verification(false), drill: drill(true) };
    const backups = [
      backup('2026-11-19T00:00:00Z'),
      backup('2026-11-20T00:00:00Z', damaged),
      backup('2026-11-21T00:00:00Z', damaged),
    ];
    expect(judge(backups, { last: 1, daily: 1 })).to.deep.equal([
      '+ 2026-11-21T00:00: the newest, damaged, and no newer one is known to be whole',
      '+ 2026-11-20T00:00: damaged, and no newer one is known to be whole',
      '+ 2026-11-19T00:00: the newest that is not damaged, last, daily 2026-11-19',
    ]);
    const next = backup('2026-11-22T00:00:00Z', { verification: verification(true) });
    expect(judge([...backups, next], { last: 1 })).to.deep.equal([
      '+ 2026-11-22T00:00: the newest, last',
      '+ 2026-11-21T00:00: the last that a drill has booted',
      '- 2026-11-20T00:00: damaged: it counts for no rule',
      '- 2026-11-19T00:00: no rule keeps it',
    ]);
  });

  it('keeps what is named by hand, and what is of a time to come', () => {
    const [held, old, now, later] = ['2026-01-01', '2026-02-01', '2026-03-01', '2028-01-01'].map(
      (day) => backup(`${day}T00:00:00Z`),
    );
    const all = [held, old, now, later].filter((one) => one !== undefined);
    const pinned = new Map([['/b/2026-01-01T00:00', 'it is being copied']]);
    expect(judge(all, { last: 1 }, { pinned })).to.deep.equal([
      '+ 2028-01-01T00:00: it is of a time to come (clock set back)',
      '+ 2026-03-01T00:00: the newest, last',
      '- 2026-02-01T00:00: no rule keeps it',
      '+ 2026-01-01T00:00: it is being copied',
    ]);
  });

  it('takes the oldest that only rules keep for minFree, and no more than needed', () => {
    const backups = [1, 2, 3, 4, 5].map((day) =>
      backup(`2026-11-0${day}T00:00:00Z`, day === 1 ? { drill: drill(true) } : {}),
    );
    const verdicts = (freeBytes: number): readonly string[] =>
      judge(backups, { last: 4, minFreeBytes: 1000 }, { freeBytes }).map((line) =>
        line.slice(0, 12),
      );
    expect(verdicts(1000).filter((line) => line.startsWith('-'))).to.deep.equal([]);
    expect(verdicts(801)).to.deep.equal([
      '+ 2026-11-05',
      '+ 2026-11-04',
      '- 2026-11-03',
      '- 2026-11-02',
      '+ 2026-11-01',
    ]);
    // Even then the newest and the last proven stay.
    expect(verdicts(0).filter((line) => line.startsWith('+'))).to.have.length(2);
  });

  it('begins days where the operator lives, and knows the hour that comes twice', () => {
    const backups = [backup('2026-11-20T22:30:00Z'), backup('2026-11-20T23:30:00Z')];
    const kept = (timeZone: string): number =>
      judge(backups, { daily: 5 }, { timeZone }).filter((line) => line.startsWith('+')).length;
    expect(kept('UTC')).to.equal(1);
    expect(kept('Europe/Vienna')).to.equal(2);
    const vienna = periodsIn('Europe/Vienna');
    const hours = ['00:30', '01:30'].map((time) => vienna(Date.parse(`2026-10-25T${time}:00Z`)));
    expect(hours.map(({ hourly }) => hourly)).to.deep.equal([
      '2026-10-25 02:00 +02:00',
      '2026-10-25 02:00 +01:00',
    ]);
    expect(hours.map(({ daily }) => daily)).to.deep.equal(['2026-10-25', '2026-10-25']);
    expect(periodsIn('Asia/Kolkata')(0).hourly).to.equal('1970-01-01 05:00 +05:30');
    const weeks = ['2024-12-30', '2027-01-01', '2026-12-31', '2021-01-03'].map(
      (day) => periodsIn('UTC')(Date.parse(`${day}T12:00:00Z`)).weekly,
    );
    expect(weeks).to.deep.equal(['2025-W01', '2026-W53', '2026-W53', '2020-W53']);
  });
});

// ---- properties ------------------------------------------------------------------------------------------------

const few = fc.integer({ min: 0, max: 4 });
const keeps = fc.record({
  ...{ last: few, hourly: few, daily: few, weekly: few, monthly: few },
  minFreeBytes: fc.integer({ min: 0, max: 2000 }),
});
const truths = fc.option(fc.boolean(), { nil: undefined });
const lists = fc
  .array(
    fc.record({ hour: fc.integer({ min: 0, max: 5000 }), verified: truths, drilled: truths }),
    { maxLength: 25 },
  )
  .map((all) =>
    all.map(({ hour, verified, drilled }, index) =>
      backup(hour * HOUR_MS, {
        ...{ name: `b${index}`, path: `/b/${index}` },
        ...(verified === undefined ? {} : { verification: verification(verified) }),
        ...(drilled === undefined ? {} : { drill: drill(drilled) }),
      }),
    ),
  );
const shuffled = lists.chain((all) =>
  fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
);
const questions = fc.record({
  keep: keeps,
  timeZone: fc.constantFrom('UTC', 'Europe/Vienna', 'Australia/Lord_Howe', 'America/St_Johns'),
  now: fc.integer({ min: 0, max: 5000 }).map((hour) => hour * HOUR_MS),
  freeBytes: fc.option(fc.integer({ min: 0, max: 2000 }), { nil: undefined }),
  pinned: fc
    .subarray(
      Array.from({ length: 25 }, (_, index) => `/b/${index}`),
      { maxLength: 3 },
    )
    .map((paths) => new Map(paths.map((path) => [path, 'held']))),
});
const whatStays = (all: readonly Backup[], asked: KeepQuestion): readonly Backup[] => {
  const kept = new Set(
    judgeBackups(all, asked).flatMap(({ keeps: stays, path }) => (stays ? [path] : [])),
  );
  return all.filter(({ path }) => kept.has(path));
};
const newestOf = (all: readonly Backup[]): Backup | undefined =>
  [...all].sort((a, b) => b.startedAt - a.startedAt)[0];

describe('retention, whatever is asked', () => {
  it('takes no more when it is asked again', () => {
    fc.assert(
      fc.property(lists, questions, (all, asked) => {
        const verdicts = judgeBackups(all, asked);
        const { freeBytes } = asked;
        const free = freeBytes === undefined ? undefined : freeBytes + freedBytes(verdicts);
        const left = whatStays(all, asked);
        expect(whatStays(left, { ...asked, freeBytes: free })).to.deep.equal(left);
      }),
    );
  });

  it('leaves the newest, the last proven and what is named (I13)', () => {
    fc.assert(
      fc.property(lists, questions, (all, asked) => {
        const left = whatStays(all, asked);
        const past = all.filter(({ startedAt }) => startedAt <= asked.now);
        const same = (is: (one: Backup) => boolean): void => {
          const [kept, known] = [newestOf(left.filter(is)), newestOf(past.filter(is))];
          expect(kept?.startedAt).to.equal(known?.startedAt);
        };
        const isPast = ({ startedAt }: Backup): boolean => startedAt <= asked.now;
        same(isPast);
        same((one) => isPast(one) && one.verification?.ok !== false);
        same((one) => isPast(one) && one.drill?.ok === true);
        same((one) => isPast(one) && one.drill?.ok === true && one.verification?.ok !== false);
        for (const one of all) if (asked.pinned.has(one.path)) expect(left).to.include(one);
        // A clock that was set back costs nothing.
        for (const one of all) if (!isPast(one)) expect(left).to.include(one);
        const isGood = (one: Backup): boolean => one.verification?.ok !== false;
        if (past.some((one) => one.drill?.ok === true && isGood(one))) return;
        same((one) => isPast(one) && one.verification?.ok === true);
      }),
    );
  });

  it('says the same in whatever order they come, and judges each once', () => {
    fc.assert(
      fc.property(shuffled, questions, ([all, mixed], asked) => {
        const verdicts = judgeBackups(all, asked);
        expect(judgeBackups(mixed, asked)).to.deep.equal(verdicts);
        expect(verdicts.map(({ path }) => path).sort()).to.deep.equal(
          all.map(({ path }) => path).sort(),
        );
      }),
    );
  });

  it('loses nothing by a clock that is set back and forth', () => {
    fc.assert(
      fc.property(lists, questions, fc.integer({ min: 1, max: 5000 }), (all, asked, hours) => {
        const back = whatStays(all, { ...asked, now: asked.now - hours * HOUR_MS });
        const newest = newestOf(all.filter(({ startedAt }) => startedAt <= asked.now));
        if (newest !== undefined)
          expect(back.map(({ startedAt }) => startedAt)).to.include(newest.startedAt);
      }),
    );
  });
});
