// npm run bench [-- NAME... --quick --long --json FILE]: runs the benchmarks one after the other and prints one
// table. Never part of a test: times are for people to judge.
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { machineLine, renderTable, runBenchmark, type Row } from './harness.js';
import { benchmarks } from './registry.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const unknown = positionals.filter((name) => !benchmarks.some((one) => one.name === name));
if (unknown.length > 0) {
  const known = benchmarks.map((one) => one.name).join(', ');
  console.error(`no benchmark ${unknown.join(', ')}; there are: ${known}`);
  process.exit(2);
}

const machine = machineLine();
const say = (line: string): void => console.error(line);
const results: { readonly name: string; readonly rows: readonly Row[] }[] = [];
for (const benchmark of benchmarks) {
  if (positionals.length > 0 && !positionals.includes(benchmark.name)) continue;
  const began = Date.now();
  say(`${benchmark.name} …`);
  const rows = await runBenchmark(benchmark, { quick: values.quick, long: values.long, say });
  say(`${benchmark.name}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
  results.push({ name: benchmark.name, rows });
}
const length = values.quick ? 'quick: shows that it works, not what it costs' : 'full windows';
console.log(`${renderTable(results.flatMap(({ rows }) => rows))}\n\n${machine}; ${length}`);
if (values.json !== undefined)
  await writeFile(
    values.json,
    `${JSON.stringify({ machine, quick: values.quick, results }, undefined, 2)}\n`,
  );
