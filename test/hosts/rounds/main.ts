// npm run rounds [-- --rounds N --seed N --json FILE --only NAME …]: random faults on three booted hosts with a service
// that fails over by itself. Ends with 1 if two led at once, a write vanished that had to stay, or a failover was false
// or missed. Needs root and what the suite `hosts` needs.
import { rename, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '@leafward/shared/errors.js';
import { missingFor } from '../../rig/requirements.js';
import { faults } from './faults.js';
import { openRounds, type Rounds } from './rounds.js';
import { renderReport, reportOf, type RoundsReport } from './report.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
    only: { type: 'string', multiple: true },
  },
});
const count = Number(values.rounds);
const seed = Number(values.seed);
const only = values.only ?? [''];
const chosen = faults.filter(({ name }) => only.some((part) => name.includes(part)));
if (!Number.isInteger(count) || count < 1 || !Number.isInteger(seed) || chosen.length === 0) {
  console.error(
    `rounds and seed are whole numbers; faults are: ${faults.map(({ name }) => name).join(', ')}`,
  );
  process.exit(2);
}
const missing = missingFor('hosts');
if (missing !== undefined) {
  console.error(missing);
  process.exit(2);
}

/** Of rounds that did not come to their end, one sentence each. */
const broken: string[] = [];
/** Broken ones in a row after which the hosts are given up. */
const MOST_BROKEN = 3;

/** Written after every round, so that what was found is not lost with what comes later. */
async function write(rounds: Rounds): Promise<RoundsReport> {
  const report = reportOf(rounds.results());
  if (values.json !== undefined) {
    const found = { seed, report, broken, rounds: rounds.results() };
    await writeFile(`${values.json}.new`, `${JSON.stringify(found, undefined, 2)}\n`);
    await rename(`${values.json}.new`, values.json);
  }
  return report;
}

/** One line of what came of it; false: it broke. */
async function playOne(rounds: Rounds, number: number): Promise<boolean> {
  const began = Date.now();
  const say = (what: string): void =>
    console.error(`${number}/${count} ${what}; ${((Date.now() - began) / 1000).toFixed(0)} s`);
  try {
    const result = await rounds.play();
    const how =
      result.newLeader === undefined
        ? `${result.leader} still leads`
        : `${result.newLeader} leads, writes after ${result.writableMs ?? '?'} ms`;
    const { twoLeadersMs, lostBefore } = result;
    const harm =
      twoLeadersMs + lostBefore > 0 ? `; TWO ${twoLeadersMs} ms, LOST ${lostBefore}` : '';
    say(`${result.fault} (${result.leader}): ${how}${harm}`);
    return true;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : undefined;
    broken.push(`${messageOf(error)}${cause === undefined ? '' : `: ${cause.message}`}`);
    say(`BROKEN: ${broken.at(-1) ?? ''}`);
    return false;
  }
}

const rounds = await openRounds(seed, chosen);
let report: RoundsReport;
try {
  let inARow = 0;
  for (let number = 1; number <= count && inARow < MOST_BROKEN; number += 1) {
    const isWell = await playOne(rounds, number);
    inARow = isWell ? 0 : inARow + 1;
    if (!isWell) await rounds.recover().catch((error: unknown) => console.error(messageOf(error)));
    await write(rounds);
  }
} finally {
  report = await write(rounds);
  await rounds.close();
}
console.log(renderReport(report));
for (const sentence of broken) console.log(`broken: ${sentence}`);
const { twoLeadersMs, lostBefore, falseFailovers, missedFailovers } = report;
const bad = twoLeadersMs + lostBefore + falseFailovers + missedFailovers + broken.length;
process.exitCode = bad > 0 ? 1 : 0;
