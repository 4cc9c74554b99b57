// When rules on space break: by hand for each rule, and that resets, prunes, larger volumes and clocks make no nonsense.
import { expect } from 'chai';
import fc from 'fast-check';
import type { SpaceRule } from '@leafward/shared/gen/domain.js';
import {
  daysUntilGone,
  forecastHost,
  type Verdict,
} from '@leafward/controller/planning/forecast.js';
import { growthOf, type SpaceSample } from '@leafward/controller/planning/forecast-samples.js';
import { buildStatus, explain } from '@leafward/controller/planning/index.js';
import type { Snapshot } from '@leafward/controller/snapshot.js';
import '../property-seed.js';
import {
  at,
  backup,
  DAY_MS,
  GiB,
  growing,
  growthAfter,
  hourly,
  HOUR_MS,
  keeping,
  NOW,
  STORAGE,
  withGrowth,
  type Filling,
} from './forecast-world.js';

const forecast = (snapshot: Snapshot) => {
  const host = snapshot.hosts['alpha'];
  const [found] = host === undefined ? [] : forecastHost(snapshot, host);
  if (found === undefined) throw new Error('no volume on alpha');
  return found;
};
const verdict = (snapshot: Snapshot, rule: SpaceRule): Verdict | undefined =>
  forecast(snapshot).rules.find((one) => one.rule === rule)?.verdict;
/** Days from now: expected, earliest, latest. */
const days = (snapshot: Snapshot, rule: SpaceRule): readonly (number | string)[] => {
  const found = verdict(snapshot, rule);
  if (found?.kind !== 'breaks') return [found?.kind ?? 'no rule'];
  return [found.expectedAt, found.earliestAt, found.latestAt ?? Infinity].map(
    (moment) => Math.round(((moment - snapshot.now) / DAY_MS) * 100) / 100,
  );
};

describe('the forecast of space', () => {
  it('finds the day of each rule by a steady growth', () => {
    // 10 GiB of data, 60 of 100 GiB free, 1 GiB a day.
    const snapshot = growing({ dataPerDay: GiB });
    expect(days(snapshot, 'boot')).to.eql([55, 55, 55]);
    // 60 - x >= 10 + x + 5
    expect(days(snapshot, 'backup')).to.eql([22.5, 22.5, 22.5]);
    expect(days(snapshot, 'half')).to.eql([40, 40, 40]);
  });

  it('counts what others take, for all rules but the 50 % rule', () => {
    const snapshot = growing({ dataPerDay: GiB, othersPerDay: GiB });
    expect(days(snapshot, 'boot')[0]).to.equal(27.5);
    expect(days(snapshot, 'backup')[0]).to.equal(15);
    expect(days(snapshot, 'half')[0]).to.equal(40);
  });

  it('says that a rule is broken now, whatever is known of growth', () => {
    const full: Filling = { dataPerDay: 0, freeBytes: 12 * GiB };
    expect(verdict(at(full, NOW), 'backup')).to.eql({ kind: 'broken' });
    expect(verdict(growing(full), 'backup')).to.eql({ kind: 'broken' });
    expect(verdict(growing(full), 'boot')).to.eql({ kind: 'beyond', earliestAt: undefined });
  });

  it('says nothing before two days, but since when it looks', () => {
    expect(verdict(at({ dataPerDay: GiB }, NOW), 'boot')).to.eql({
      kind: 'unknown',
      reason: 'too little is known yet',
      since: undefined,
    });
    expect(verdict(growing({ dataPerDay: GiB, days: 1 }), 'boot')).to.eql({
      kind: 'unknown',
      reason: 'too little is known yet',
      since: NOW - DAY_MS,
    });
  });

  it('says that data which does not grow fills nothing, and what shrinks frees nothing', () => {
    expect(verdict(growing({ dataPerDay: 0 }), 'boot')?.kind).to.equal('beyond');
    const shrinks = growing({ dataPerDay: -GiB / 10, othersPerDay: GiB });
    expect(days(shrinks, 'boot')[0]).to.equal(55);
  });

  it('lets kept backups whose number stays grow with the data only', () => {
    const backups = [1, 2, 3].map((day) => backup(`b${day}`, day * DAY_MS, { sizeBytes: 5 * GiB }));
    const filling: Filling = { dataPerDay: GiB / 4, backups };
    // Without retention: 5 GiB a day come, and 0.25 of data.
    expect(days(growing(filling), 'boot')[0]).to.be.below(15);
    // Three are kept: each becomes 0.25 GiB larger a day.
    expect(days(growing({ ...filling, keep: keeping(3) }), 'boot')).to.eql([55, 55, 55]);
  });

  it('lets them come at their pace until there are so many, and then stay', () => {
    const backups = [1, 2, 3].map((day) => backup(`b${day}`, day * DAY_MS, { sizeBytes: 5 * GiB }));
    const keep = keeping(6);
    const found = days(growing({ dataPerDay: GiB / 4, backups, keep }), 'boot')[0];
    // 15 GiB more until six are kept; from then on 7 x 0.25 GiB a day.
    expect(found).to.be.within(24, 30);
  });

  it('knows a backup directory on a volume of its own only when that is reported', () => {
    const elsewhere = growing({ dataPerDay: GiB, backupDirectory: '/backups/cortex' });
    expect(verdict(elsewhere, 'backup')).to.eql({
      kind: 'unknown',
      reason: 'how much is free at /backups/cortex, where its backups go, is not reported',
    });
    expect(days(elsewhere, 'boot')).to.eql([55, 55, 55]);
  });

  it('looks at a volume of the backups alone: what the next one needs is free there', () => {
    const backupDirectory = '/backups/cortex';
    const path = `${backupDirectory}/b`;
    const backups = [backup('b', 9 * DAY_MS, { path, sizeBytes: 10 * GiB })];
    const snapshot = growing({
      dataPerDay: GiB,
      backupDirectory,
      backupFreeBytes: 30 * GiB,
      backups,
      keep: keeping(1),
    });
    const alpha = snapshot.hosts['alpha'];
    const found = (alpha && forecastHost(snapshot, alpha)) ?? [];
    expect(found.map(({ volume, rules }) => [volume.name, rules.map(({ rule }) => rule)])).to.eql([
      [STORAGE, ['boot']],
      [backupDirectory, ['backup']],
    ]);
    // 30 - x >= 10 + x: the kept one grows with the data that the next one is a copy of.
    const verdict = found[1]?.rules[0]?.verdict;
    expect(verdict?.kind === 'breaks' && (verdict.expectedAt - NOW) / DAY_MS).to.equal(10);
  });

  it('counts from when a host was seen last, and never says a day that has passed', () => {
    const snapshot = growing({ dataPerDay: GiB });
    const later = { ...snapshot, now: NOW + 60 * DAY_MS };
    expect(days({ ...snapshot, now: NOW + 5 * DAY_MS }, 'boot')[0]).to.equal(50);
    expect(days(later, 'boot')).to.eql([0, 0, 0]);
  });
});

describe('what does not deceive the forecast', () => {
  const steady: Filling = { dataPerDay: GiB, days: 8 };
  const samples = (): readonly Snapshot[] => hourly(steady);
  const changed = (change: (snapshot: Snapshot, hour: number) => Snapshot) =>
    growthAfter(steady, samples().map(change));
  const perDay = (growth: ReturnType<typeof growthAfter>): number | undefined =>
    growth?.data[STORAGE]?.rate?.bytesPerDay;

  it('a directory that was emptied and filled again', () => {
    const growth = changed((_, hour) => {
      const dataBytes = hour < 80 ? 0 : hour < 84 ? -9.9 * GiB + (hour - 80) * 2 * GiB : -1 * GiB;
      const moment = NOW - 8 * DAY_MS + hour * HOUR_MS;
      return at({ ...steady, dataBytes: 10 * GiB + dataBytes }, moment);
    });
    expect(perDay(growth)).to.be.closeTo(GiB, GiB / 20);
  });

  it('a volume that was enlarged', () => {
    const growth = changed((_, hour) =>
      at(
        hour < 100 ? steady : { ...steady, totalBytes: 300 * GiB, freeBytes: 250 * GiB },
        NOW - 8 * DAY_MS + hour * HOUR_MS,
      ),
    );
    expect(growth?.others[STORAGE]?.rate?.bytesPerDay).to.be.closeTo(0, 1);
  });

  it('pruned backups, which are not growth of the data', () => {
    const inside = backup('b', 0, { sizeBytes: 4 * GiB, finishedAt: NOW - 9 * DAY_MS });
    const growth = changed((snapshot, hour) =>
      at({ ...steady, backups: hour % 24 < 12 ? [inside] : [] }, snapshot.now),
    );
    expect(perDay(growth)).to.be.closeTo(GiB, 1);
    expect(growth?.backups[`cortex in ${STORAGE}`]?.rate).to.satisfy(
      (rate: { bytesPerDay: number } | undefined) => rate === undefined || rate.bytesPerDay === 0,
    );
  });

  it('hours without a sample, and any order of them', () => {
    const all = samples().filter((_, hour) => hour % 24 < 9 || hour % 7 === 0);
    expect(perDay(growthAfter(steady, all))).to.be.closeTo(GiB, 1);
    expect(growthAfter(steady, [...all].reverse())).to.eql(growthAfter(steady, all));
  });

  it('a year that is long over', () => {
    const old: SpaceSample[] = Array.from({ length: 100 }, (_, day) => ({
      at: NOW - (300 - day) * DAY_MS,
      data: { [STORAGE]: (100 + 5 * day) * GiB },
      backups: {},
      others: {},
    }));
    const recent: SpaceSample[] = Array.from({ length: 20 }, (_, day) => ({
      at: NOW - (20 - day) * DAY_MS,
      data: { [STORAGE]: (700 + day) * GiB },
      backups: {},
      others: {},
    }));
    expect(perDay(growthOf([...old, ...recent]))).to.be.closeTo(GiB, 1);
    expect(growthOf([...old, ...recent])?.data[STORAGE]?.since).to.equal(NOW - 20 * DAY_MS);
  });
});

describe('the arithmetic of the forecast', () => {
  const pace = fc.record({
    bytesPerDay: fc.integer({ min: 0, max: 1e9 }),
    untilBytes: fc.option(fc.integer({ min: 0, max: 2e9 }), { nil: undefined }),
    thenBytesPerDay: fc.option(fc.integer({ min: 0, max: 1e9 }), { nil: undefined }),
  });
  const paces = fc.array(pace, { maxLength: 5 });
  const left = fc.integer({ min: 0, max: 2e9 });

  it('walks over the days on which a pace changes', () => {
    const kept = { bytesPerDay: 10, untilBytes: 50, thenBytesPerDay: 1 };
    expect(daysUntilGone(30, [kept])).to.equal(3);
    expect(daysUntilGone(60, [kept])).to.equal(15);
    expect(daysUntilGone(60, [kept, { bytesPerDay: 1 }])).to.equal(7.5);
    expect(daysUntilGone(60, [])).to.equal(undefined);
    expect(daysUntilGone(0, [{ bytesPerDay: 1 }])).to.equal(0);
    expect(daysUntilGone(366, [{ bytesPerDay: 1 }])).to.equal(undefined);
  });

  it('never goes back in time, and comes later with more room', () => {
    fc.assert(
      fc.property(left, left, paces, (one, more, found) => {
        const soon = daysUntilGone(one, found) ?? Infinity;
        expect(soon).to.be.at.least(0);
        expect(daysUntilGone(one + more, found) ?? Infinity).to.be.at.least(soon);
      }),
    );
  });

  it('does not depend on the order of what grows, or on the unit', () => {
    fc.assert(
      fc.property(left, paces, fc.integer({ min: 0, max: 10 }), (room, found, power) => {
        const unit = 2 ** power;
        const scaled = found.map(({ bytesPerDay, untilBytes, thenBytesPerDay }) => ({
          bytesPerDay: bytesPerDay * unit,
          untilBytes: untilBytes && untilBytes * unit,
          thenBytesPerDay: thenBytesPerDay && thenBytesPerDay * unit,
        }));
        const plain = daysUntilGone(room, found);
        expect(daysUntilGone(room * unit, scaled)).to.equal(plain);
        const reversed = daysUntilGone(room, [...found].reverse());
        if (plain === undefined || reversed === undefined)
          expect(plain ?? reversed ?? 365).to.be.closeTo(365, 1e-6);
        else expect(reversed).to.be.closeTo(plain, 1e-6);
      }),
    );
  });

  it('never says a day before now, and the expected one lies between the others', () => {
    const filling = fc.record({
      dataPerDay: fc.integer({ min: 0, max: 20 }).map((tenths) => (tenths * GiB) / 10),
      othersPerDay: fc.integer({ min: 0, max: 20 }).map((tenths) => (tenths * GiB) / 10),
      freeBytes: fc.integer({ min: 0, max: 90 }).map((size) => size * GiB),
      days: fc.integer({ min: 2, max: 4 }),
    });
    fc.assert(
      fc.property(filling, (found) => {
        for (const { verdict } of forecast(growing(found)).rules) {
          if (verdict.kind !== 'breaks') continue;
          expect(verdict.earliestAt).to.be.at.least(NOW);
          expect(verdict.expectedAt).to.be.at.least(verdict.earliestAt);
          expect(verdict.latestAt ?? Infinity).to.be.at.least(verdict.expectedAt);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('what an operator is told of space', () => {
  const problemsOf = (filling: Filling) => buildStatus(growing(filling)).problems;

  it('is a problem of the host within a fortnight, and an urgent one within three days', () => {
    const own = (problems: readonly string[]) => problems.filter((text) => text.includes('space'));
    expect(own(problemsOf({ dataPerDay: GiB }))).to.eql([]);
    expect(own(problemsOf({ dataPerDay: GiB, freeBytes: 35 * GiB }))).to.eql([
      'alpha: space will run out on /srv/cortex: the backup rule of 00.cortex breaks in about 10 d (between 10 d and 10 d); 35 GiB are free, 15 GiB are needed, data grow by 1 GiB a day',
    ]);
    expect(own(problemsOf({ dataPerDay: GiB, freeBytes: 19 * GiB }))).to.eql([
      'alpha: space runs out on /srv/cortex: the backup rule of 00.cortex breaks in about 2 d (between 2 d and 2 d); 19 GiB are free, 15 GiB are needed, data grow by 1 GiB a day',
      'alpha: space will run out on /srv/cortex: the boot limit breaks in about 14 d (between 14 d and 14 d); 19 GiB are free, 5 GiB are needed, data grow by 1 GiB a day',
    ]);
  });

  it('counts as a finding of the host and can be waived', () => {
    const snapshot = growing({ dataPerDay: GiB, freeBytes: 19 * GiB });
    const [alpha] = buildStatus(snapshot).hosts;
    expect([alpha?.warnings, alpha?.criticals]).to.eql([1, 1]);
    const until = NOW + DAY_MS;
    const waiver = { host: 'alpha', check: 'space-forecast', reason: '', madeBy: '', madeAt: NOW };
    const waived = buildStatus({ ...snapshot, waivers: [{ ...waiver, until }] });
    expect(waived.problems.filter((text) => text.includes('space'))).to.eql([]);
    expect(waived.hosts[0]?.warnings).to.equal(0);
  });

  it('is explained at the host and at the service', () => {
    const snapshot = growing({ dataPerDay: GiB, freeBytes: 35 * GiB });
    const [host] = explain(snapshot, 'alpha');
    expect(host?.findings.map(({ check, severity }) => [check, severity])).to.eql([
      ['space-forecast', 'warning'],
    ]);
    const [service] = explain(snapshot, 'cortex');
    expect(service?.findings).to.eql(host?.findings);
    expect(service?.facts.map(({ name, value }) => [name, value])).to.deep.include([
      'boot limit on /srv/cortex of alpha',
      'the boot limit breaks in about 30 d (between 30 d and 30 d)',
    ]);
  });

  it('is said once for a volume of which nothing is known yet', () => {
    const [host] = explain(growing({ dataPerDay: GiB, days: 1 }), 'alpha');
    const said = host?.facts.filter(({ name }) => name.includes('/srv/cortex')) ?? [];
    expect(said.map(({ name }) => name)).to.eql(['space on /srv/cortex']);
    expect(said[0]?.value).to.match(/^when its rules break is not known: too little is known yet/);
  });

  it('is nothing at all where nothing was measured', () => {
    const snapshot = at({ dataPerDay: GiB, freeBytes: GiB }, NOW);
    expect(buildStatus(snapshot).hosts[0]).to.include({ warnings: 0, criticals: 0 });
    expect(buildStatus(withGrowth(snapshot, undefined)).problems).to.not.match(/space/);
  });
});
