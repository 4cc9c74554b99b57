// npm run rounds [-- --rounds N --seed N --json FILE --only NAME]: random faults on three booted hosts with a service
// that fails over by itself. Ends with 1 if two led at once, a write vanished that had to stay, or a failover was false
// or missed. Needs root and what the suite `hosts` needs.
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { missingFor } from '../../rig/requirements.js';
import { faults } from './faults.js';
import { openRounds } from './rounds.js';
import { renderReport, reportOf } from './report.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
    only: { type: 'string' },
  },
});
const count = Number(values.rounds);
const seed = Number(values.seed);
const chosen = faults.filter(({ name }) => values.only === undefined || name.includes(values.only));
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

const rounds = await openRounds(seed, chosen);
try {
  for (let number = 1; number <= count; number += 1) {
    const began = Date.now();
    const result = await rounds.play();
    const seconds = ((Date.now() - began) / 1000).toFixed(0);
    const how =
      result.newLeader === undefined
        ? `${result.leader} still leads`
        : `${result.newLeader} leads, writes after ${result.writableMs ?? '?'} ms`;
    console.error(`${number}/${count} ${result.fault} (${result.leader}): ${how}; ${seconds} s`);
  }
} finally {
  await rounds.close();
}
const report = reportOf(rounds.results());
console.log(renderReport(report));
if (values.json !== undefined)
  await writeFile(
    values.json,
    `${JSON.stringify({ seed, report, rounds: rounds.results() }, undefined, 2)}\n`,
  );
const { twoLeadersMs, lostBefore, falseFailovers, missedFailovers } = report;
process.exitCode = twoLeadersMs + lostBefore + falseFailovers + missedFailovers > 0 ? 1 : 0;
