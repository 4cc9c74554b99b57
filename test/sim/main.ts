// npm run sim: one seed with its whole trace, many seeds on several threads, or a mutation until it is caught.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import { faults as known } from './faults.js';
import { openFleets } from './fleets.js';
import type { Mutation } from './load.js';
import { mutations } from './mutations.js';
import { isBad, told, type Verdict } from './verdict.js';

const USAGE = `npm run sim -- --seed N             one seed, with every event in a line
npm run sim -- --seeds N [--from N] [--jobs N]   many seeds
npm run sim -- --mutate NAME|all [--seeds N]     until the mistake is caught (default: 60 seeds)
npm run sim -- … --with FAULT                    that kind of fault in every seed
npm run sim -- --list-mutations`;

interface Work {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly faults: readonly string[];
}

/** Under two of them everything else of a small machine still runs. */
const MOST_JOBS = 2;
const MUTATION_SEEDS = 60;
const YOUNG_MB = 64;

/** Stacks are for the one seed that is looked at: errors are too frequent for them. */
async function work({ from, to, step, faults }: Work): Promise<void> {
  Error.stackTraceLimit = 0;
  const fleets = await openFleets(faults);
  for (let seed = from; seed < to; seed += step) {
    const verdict = await fleets.run(seed);
    parentPort?.postMessage({ ...verdict, lines: isBad(verdict) ? verdict.lines : [] });
  }
}

/** Every verdict as it comes. */
async function spread(
  options: Omit<Work, 'step'> & { readonly jobs: number },
  on: (verdict: Verdict) => void,
): Promise<void> {
  const { from, to, jobs, faults } = options;
  const ends = Array.from({ length: jobs }, (_, index) => {
    const data: Work = { from: from + index, to, step: jobs, faults };
    const worker = new Worker(fileURLToPath(import.meta.url), {
      workerData: data,
      // Little of an event outlives it, so the more of it is collected at once the less is copied.
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    return new Promise<void>((resolve, reject) => {
      worker.on('message', on);
      worker.on('error', reject);
      worker.on('exit', () => resolve());
    });
  });
  await Promise.all(ends);
}

async function many(options: Omit<Work, 'step'> & { readonly jobs: number }): Promise<number> {
  const started = performance.now();
  const bad: Verdict[] = [];
  const sum = { seeds: 0, events: 0, virtualMs: 0, failovers: 0, handovers: 0, operations: 0 };
  let excused = 0;
  await spread(options, (verdict) => {
    sum.seeds += 1;
    sum.events += verdict.events;
    sum.virtualMs += verdict.virtualMs;
    for (const key of ['failovers', 'handovers', 'operations'] as const)
      sum[key] += verdict.counts[key];
    if (isBad(verdict)) {
      bad.push(verdict);
      console.log(told(verdict));
    } else if (verdict.waits.length > 0) excused += 1;
    if (sum.seeds % 500 === 0) console.log(`${sum.seeds} seeds, ${bad.length} bad`);
  });
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `${sum.seeds} seeds in ${seconds.toFixed(0)} s (${(sum.seeds / seconds).toFixed(1)} a second): ` +
      `${(sum.virtualMs / 3_600_000).toFixed(1)} virtual hours, ${sum.events} events, ` +
      `${sum.operations} operations, ${sum.failovers} failovers, ${sum.handovers} hand-overs; ` +
      `${excused} left with lasting harm; ${bad.length} bad`,
  );
  for (const { seed } of bad) console.log(`again with: npm run sim -- --seed ${seed}`);
  return bad.length > 0 ? 1 : 0;
}

/** One row of a table for each mistake: how many seeds it took, and what caught it. */
async function untilCaught(
  wanted: readonly Mutation[],
  { from, to, faults }: Omit<Work, 'step'>,
): Promise<number> {
  Error.stackTraceLimit = 0;
  const fleets = await openFleets(faults);
  let missed = 0;
  for (const mutation of wanted) {
    const mutated = await fleets.under(mutation);
    let caught: Verdict | undefined;
    let seed = from;
    for (; caught === undefined && seed < to; seed += 1) {
      const verdict = await mutated.run(seed);
      if (verdict.violations.length > 0) caught = verdict;
    }
    if (caught === undefined) missed += 1;
    const after = caught === undefined ? `not in ${to - from}` : String(seed - from);
    console.log(`| ${mutation.name} | ${after} | ${caught?.violations[0] ?? ''} |`);
  }
  return missed > 0 ? 1 : 0;
}

async function one(
  seed: number,
  mutation: Mutation | undefined,
  faults: readonly string[],
): Promise<number> {
  const fleets = await openFleets(faults);
  const under = mutation === undefined ? fleets : await fleets.under(mutation);
  const verdict = await under.run(seed, console.log);
  console.log(told(verdict));
  for (const line of [...verdict.violations, ...verdict.waits]) console.log(`  ${line}`);
  return isBad(verdict) ? 1 : 0;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      from: { type: 'string', default: '1' },
      jobs: { type: 'string', default: String(Math.min(MOST_JOBS, availableParallelism())) },
      mutate: { type: 'string' },
      with: { type: 'string', multiple: true, default: [] },
      'list-mutations': { type: 'boolean', default: false },
    },
  });
  if (values['list-mutations']) {
    for (const { name, file } of mutations) console.log(`${name.padEnd(28)} ${file}`);
    return 0;
  }
  const { mutate, with: faults } = values;
  const wanted = mutations.filter(({ name }) => mutate === 'all' || name === mutate);
  const unknown = faults.filter((kind) => !(kind in known));
  if ((mutate !== undefined && wanted.length === 0) || unknown.length > 0) {
    console.error(`not known: ${[mutate ?? '', ...unknown].join(' ')}; see --list-mutations`);
    return 2;
  }
  if (values.seed !== undefined) return one(Number(values.seed), wanted[0], faults);
  const count = Number(values.seeds ?? (mutate === undefined ? NaN : MUTATION_SEEDS));
  const from = Number(values.from);
  const jobs = Number(values.jobs);
  if (![count, from, jobs].every((value) => Number.isSafeInteger(value))) {
    console.error(USAGE);
    return 2;
  }
  const work = { from, to: from + count, faults };
  return mutate === undefined ? many({ ...work, jobs }) : untilCaught(wanted, work);
}

if (isMainThread) process.exitCode = await main();
else await work(workerData as Work);
