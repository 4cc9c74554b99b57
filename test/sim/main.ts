// npm run sim: one seed with its whole trace, many seeds on several threads, or a mutation until it is caught.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import { openFleets } from './fleets.js';
import { mutations } from './mutations.js';
import { isBad, told, type Verdict } from './verdict.js';

const USAGE = `npm run sim -- --seed N             one seed, with every event in a line
npm run sim -- --seeds N [--from N] [--jobs N]   many seeds
npm run sim -- --mutate NAME [--seeds N]         until the mistake is caught (default: 300 seeds)
npm run sim -- --list-mutations`;

interface Work {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly mutation: string | undefined;
}

/** Under two of them everything else of a small machine still runs. */
const MOST_JOBS = 2;
const MUTATION_SEEDS = 300;

async function work({ from, to, step, mutation }: Work): Promise<void> {
  const fleets = await openFleets(mutations.find(({ name }) => name === mutation));
  for (let seed = from; seed < to; seed += step) {
    const verdict = await fleets.run(seed);
    parentPort?.postMessage({ ...verdict, lines: isBad(verdict) ? verdict.lines : [] });
  }
}

/** Every verdict as it comes; ends early when `on` says so. */
async function spread(
  options: Omit<Work, 'step'> & { readonly jobs: number },
  on: (verdict: Verdict) => boolean,
): Promise<void> {
  const { from, to, jobs, mutation } = options;
  const ends = Array.from({ length: jobs }, (_, index) => {
    const data: Work = { from: from + index, to, step: jobs, mutation };
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: data });
    return {
      worker,
      done: new Promise<void>((resolve, reject) => {
        worker.on('message', (verdict: Verdict) => {
          if (on(verdict)) for (const end of ends) void end.worker.terminate();
        });
        worker.on('error', reject);
        worker.on('exit', () => resolve());
      }),
    };
  });
  await Promise.all(ends.map(({ done }) => done));
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
    return false;
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

async function untilCaught(
  options: Omit<Work, 'step'> & { readonly jobs: number },
): Promise<number> {
  let seeds = 0;
  let first: Verdict | undefined;
  await spread(options, (verdict) => {
    seeds += 1;
    // Several threads: the lowest seed that was seen, which need not be the lowest that there is.
    if (verdict.violations.length > 0) first = first ?? verdict;
    return first !== undefined;
  });
  if (first === undefined) {
    console.log(`${options.mutation ?? ''}: NOT caught in ${seeds} seeds`);
    return 1;
  }
  console.log(`${options.mutation ?? ''}: caught after ${seeds} seeds, ${told(first)}`);
  return 0;
}

async function one(seed: number, mutation: string | undefined): Promise<number> {
  const fleets = await openFleets(mutations.find(({ name }) => name === mutation));
  const verdict = await fleets.run(seed, console.log);
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
      'list-mutations': { type: 'boolean', default: false },
    },
  });
  if (values['list-mutations']) {
    for (const { name, file } of mutations) console.log(`${name.padEnd(28)} ${file}`);
    return 0;
  }
  const mutation = values.mutate;
  if (mutation !== undefined && !mutations.some(({ name }) => name === mutation)) {
    console.error(`no mutation ${mutation}; see --list-mutations`);
    return 2;
  }
  if (values.seed !== undefined) return one(Number(values.seed), mutation);
  const count = Number(values.seeds ?? (mutation === undefined ? NaN : MUTATION_SEEDS));
  const from = Number(values.from);
  const options = { from, to: from + count, jobs: Number(values.jobs), mutation };
  if (!Object.values(options).every((value) => !Number.isNaN(value))) {
    console.error(USAGE);
    return 2;
  }
  return mutation === undefined ? many(options) : untilCaught(options);
}

if (isMainThread) process.exitCode = await main();
else await work(workerData as Work);
