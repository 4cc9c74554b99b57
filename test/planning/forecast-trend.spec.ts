// How fast something grows: slopes by hand, and that noise, gaps, resets, order and units do not deceive it.
import { expect } from 'chai';
import fc from 'fast-check';
import {
  DAY_MS,
  runsOf,
  trendOf,
  type Point,
  type Rate,
} from '@leafward/controller/planning/forecast-trend.js';
import '../property-seed.js';

const HOUR_MS = 3_600_000;
const START = Date.UTC(2026, 10, 1);
const GiB = 2 ** 30;

const isLess = (before: Point, after: Point): boolean => after.bytes < before.bytes * 0.95;
const trend = (points: readonly Point[]) => trendOf(runsOf(points, isLess));
const rate = (points: readonly Point[]): Rate => {
  const found = trend(points)?.rate;
  if (found === undefined) throw new Error('no rate');
  return found;
};
const line = (hours: readonly number[], bytesPerDay: number, begin = 10 * GiB): readonly Point[] =>
  hours.map((hour) => ({
    at: START + hour * HOUR_MS,
    bytes: begin + (bytesPerDay * hour) / 24,
  }));
const hours = (count: number, step = 1): readonly number[] =>
  Array.from({ length: count }, (_, index) => index * step);

/** Distinct hours of 60 days, at least two days apart in all, with gaps of any length. */
const someHours = fc
  .uniqueArray(fc.integer({ min: 0, max: 60 * 24 }), { minLength: 12, maxLength: 200 })
  .map((found) => [...found].sort((a, b) => a - b))
  .filter((found) => (found.at(-1) ?? 0) - (found[0] ?? 0) >= 48);

describe('the trend of what is measured', () => {
  it('says nothing before two days and twelve samples, but since when it looks', () => {
    expect(trend([])).to.equal(undefined);
    expect(trend(line(hours(48), GiB))).to.eql({ since: START, samples: 48 });
    expect(trend(line(hours(11, 24), GiB))).to.eql({ since: START, samples: 11 });
    expect(trend(line(hours(49), GiB))?.rate?.bytesPerDay).to.be.closeTo(GiB, 1);
    expect(trend(line(hours(12, 24), GiB))?.rate?.bytesPerDay).to.be.closeTo(GiB, 1);
  });

  it('takes the middle slope, whatever single points say', () => {
    const points = line(hours(20, 6), GiB).map((point, index) =>
      index === 7 ? { ...point, bytes: point.bytes + 0.4 * GiB } : point,
    );
    expect(rate(points).bytesPerDay).to.be.closeTo(GiB, GiB / 100);
  });

  it('has an interval as wide as the noise', () => {
    const noisy = line(hours(96), GiB).map((point, index) => ({
      ...point,
      bytes: point.bytes + 0.3 * GiB * Math.sin(index * 7),
    }));
    const { bytesPerDay, lowBytesPerDay, highBytesPerDay } = rate(noisy);
    expect(lowBytesPerDay).to.be.below(GiB);
    expect(highBytesPerDay).to.be.above(GiB);
    expect(bytesPerDay).to.be.closeTo(GiB, 0.1 * GiB);
    expect(highBytesPerDay - lowBytesPerDay).to.be.below(GiB);
  });

  it('goes on over what begins anew, and takes no slope across it', () => {
    const first = line(hours(40), GiB);
    const second = line(hours(40), GiB, 1 * GiB).map(({ at, bytes }) => ({
      at: at + 40 * HOUR_MS,
      bytes,
    }));
    expect(runsOf([...first, ...second], isLess)).to.have.length(2);
    expect(rate([...first, ...second])).to.satisfy(
      (found: Rate) => Math.abs(found.lowBytesPerDay - GiB) < 1 && found.highBytesPerDay - GiB < 1,
    );
  });

  it('finds the slope of any line, whatever is missing of it', () => {
    fc.assert(
      fc.property(someHours, fc.integer({ min: 0, max: 10 * GiB }), (at, bytesPerDay) => {
        const found = rate(line(at, bytesPerDay));
        const tolerance = Math.max(1, bytesPerDay * 1e-6);
        expect(found.bytesPerDay).to.be.closeTo(bytesPerDay, tolerance);
        expect(found.lowBytesPerDay).to.be.at.most(bytesPerDay + tolerance);
        expect(found.highBytesPerDay).to.be.at.least(bytesPerDay - tolerance);
      }),
    );
  });

  it('is off by no more than the noise can explain', () => {
    const noise = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), {
      minLength: 168,
      maxLength: 168,
    });
    fc.assert(
      fc.property(noise, fc.integer({ min: 0, max: 4 * GiB }), (errors, bytesPerDay) => {
        const most = 0.1 * GiB;
        const points = line(hours(168), bytesPerDay).map(({ at, bytes }, index) => ({
          at,
          bytes: bytes + most * (errors[index] ?? 0),
        }));
        const found = rate(points);
        // More than half of all pairs are more than a quarter of the week apart.
        expect(Math.abs(found.bytesPerDay - bytesPerDay)).to.be.below((2 * most) / (7 / 4));
        expect(found.lowBytesPerDay).to.be.at.most(found.bytesPerDay);
        expect(found.highBytesPerDay).to.be.at.least(found.bytesPerDay);
      }),
    );
  });

  it('does not depend on the order of points, on the unit of bytes or on when it began', () => {
    const points = fc
      .tuple(someHours, fc.array(fc.integer({ min: 0, max: 2 ** 40 }), { minLength: 200 }))
      .map(([at, bytes]) =>
        at.map((hour, index) => ({ at: START + hour * HOUR_MS, bytes: bytes[index] ?? 0 })),
      );
    fc.assert(
      fc.property(points, fc.integer({ min: -5, max: 10 }), (found, power) => {
        expect(trend([...found].reverse())).to.eql(trend(found));
        const unit = 2 ** power;
        const scaled = trend(found.map(({ at, bytes }) => ({ at, bytes: bytes * unit })))?.rate;
        const plain = trend(found)?.rate;
        expect(scaled?.bytesPerDay).to.equal(plain && plain.bytesPerDay * unit);
        expect(scaled?.highBytesPerDay).to.equal(plain && plain.highBytesPerDay * unit);
        const later = found.map(({ at, bytes }) => ({ at: at + 30 * DAY_MS, bytes }));
        expect(trend(later)?.rate).to.eql(plain);
      }),
    );
  });
});
