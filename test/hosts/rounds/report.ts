// What many rounds came to, in the figures that operators compare: false failovers, split time, lost writes, times.
import { quantile } from '../../bench/harness.js';
import type { RoundResult } from './round.js';

export interface RoundsReport {
  readonly rounds: number;
  readonly falseFailovers: number;
  readonly missedFailovers: number;
  readonly twoLeadersMs: number;
  readonly lostBefore: number;
  readonly lostAtTheEnd: number;
  readonly acknowledged: number;
  /** Per fault: times in milliseconds, sorted. */
  readonly byFault: Readonly<Record<string, Times>>;
}

export interface Times {
  readonly rounds: number;
  readonly detectedMs: readonly number[];
  readonly fencedMs: readonly number[];
  readonly writableMs: readonly number[];
}

export function reportOf(results: readonly RoundResult[]): RoundsReport {
  const sum = (valueOf: (result: RoundResult) => number): number =>
    results.reduce((total, result) => total + valueOf(result), 0);
  const names = [...new Set(results.map(({ fault }) => fault))].sort();
  return {
    rounds: results.length,
    falseFailovers: results.filter(
      (one) => one.shouldFailOver === false && one.newLeader !== undefined,
    ).length,
    missedFailovers: results.filter(
      (one) => one.shouldFailOver === true && one.newLeader === undefined,
    ).length,
    twoLeadersMs: sum((one) => one.twoLeadersMs),
    lostBefore: sum((one) => one.lostBefore),
    lostAtTheEnd: sum((one) => one.lostAtTheEnd),
    acknowledged: sum((one) => one.acknowledged),
    byFault: Object.fromEntries(names.map((name) => [name, timesOf(results, name)])),
  };
}

function timesOf(results: readonly RoundResult[], name: string): Times {
  const own = results.filter(({ fault }) => fault === name);
  const sorted = (valueOf: (result: RoundResult) => number | undefined): readonly number[] =>
    own
      .map(valueOf)
      .filter((value) => value !== undefined)
      .sort((a, b) => a - b);
  return {
    rounds: own.length,
    detectedMs: sorted((one) => one.detectedMs),
    fencedMs: sorted((one) => one.fencedMs),
    writableMs: sorted((one) => one.writableMs),
  };
}

/** A table for people. */
export function renderReport(report: RoundsReport): string {
  const rows = Object.entries(report.byFault).map(
    ([name, { rounds, detectedMs, fencedMs, writableMs }]) =>
      `| ${name} | ${rounds} | ${figures(detectedMs)} | ${figures(fencedMs)} | ${figures(writableMs)} |`,
  );
  return [
    `${report.rounds} rounds: two leaders for ${report.twoLeadersMs} ms, ${report.falseFailovers} false and ${report.missedFailovers} missed failovers, of ${report.acknowledged} acknowledged writes ${report.lostAtTheEnd} lost at the end of an old leader's log and ${report.lostBefore} before it`,
    '',
    '| fault | rounds | detected, p50 / p95 / max | fenced | another one takes writes |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

function figures(values: readonly number[]): string {
  if (values.length === 0) return '–';
  const at = (share: number): string => `${(quantile(values, share) / 1000).toFixed(1)} s`;
  return `${at(0.5)} / ${at(0.95)} / ${at(1)}`;
}
