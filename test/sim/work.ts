// What one thread of a run does, and how runs are spread over threads: seeds one after the other, or mistakes until each
// is caught. Ends in time: no seed is begun after the deadline, and one that does not end by itself is ended.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import { openFleets } from './fleets.js';
import { mutations, type Mistake } from './mutations.js';
import { complaintOf, isBad, type Verdict } from './verdict.js';

export interface Seeds {
  readonly from: number;
  /** Not this one any more. */
  readonly to: number;
  /** Kinds that every seed has beside its own. */
  readonly faults: readonly string[];
  /** Wall clock, milliseconds: no seed begins later. */
  readonly untilMs: number;
}

interface Work extends Seeds {
  readonly step: number;
  /** Instead of the seeds as they are: until each of these mistakes is caught. */
  readonly mistakes?: readonly string[];
}

export interface Caught {
  readonly name: string;
  readonly seeds: number;
  /** Undefined: nothing noticed it. */
  readonly by: string | undefined;
}

export type News =
  | { readonly kind: 'begun'; readonly seed: number }
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  | { readonly kind: 'caught'; readonly caught: Caught };

/** Little of an event outlives it, so the more of it is collected at once the less is copied. */
const YOUNG_MB = 64;
/** The slowest seed on a slow machine. */
const PATIENCE_MS = 60_000;

/** Every piece of news as it comes. Resolves with the seeds that did not end in time. */
export async function spread(
  works: readonly Omit<Work, 'step'>[],
  on: (news: News) => void,
): Promise<readonly number[]> {
  const unfinished: number[] = [];
  const ends = works.map((work, index) => {
    const step = work.mistakes === undefined ? works.length : 1;
    const from = work.mistakes === undefined ? work.from + index : work.from;
    return runOne({ ...work, from, step }, on, unfinished);
  });
  await Promise.all(ends);
  return unfinished;
}

async function runOne(work: Work, on: (news: News) => void, unfinished: number[]): Promise<void> {
  const worker = new Worker(fileURLToPath(import.meta.url), {
    workerData: work,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  let seed = work.from;
  const limit = Number.isFinite(work.untilMs)
    ? setTimeout(
        () => {
          unfinished.push(seed);
          void worker.terminate();
        },
        Math.max(0, work.untilMs - Date.now()) + PATIENCE_MS,
      )
    : undefined;
  await new Promise<void>((resolve, reject) => {
    worker.on('message', (news: News) => {
      if (news.kind === 'begun') seed = news.seed;
      else on(news);
    });
    worker.on('error', reject);
    worker.on('exit', () => resolve());
  }).finally(() => clearTimeout(limit));
}

/** Stacks are for the one seed that is looked at: errors are too frequent for them. */
async function work(own: Work): Promise<void> {
  Error.stackTraceLimit = 0;
  const tell = (news: News): void => parentPort?.postMessage(news);
  if (own.mistakes !== undefined) return untilCaught(own, tell);
  const fleets = await openFleets(own.faults);
  for (let seed = own.from; seed < own.to && Date.now() < own.untilMs; seed += own.step) {
    tell({ kind: 'begun', seed });
    const verdict = await fleets.run(seed);
    tell({ kind: 'verdict', verdict: { ...verdict, lines: isBad(verdict) ? verdict.lines : [] } });
  }
}

async function untilCaught(own: Work, tell: (news: News) => void): Promise<void> {
  const fleets = await openFleets(own.faults);
  for (const mutation of mutations.filter(({ name }) => own.mistakes?.includes(name))) {
    const mutated = await fleets.under(mutation);
    let by: string | undefined;
    let seeds = 0;
    for (; by === undefined && seeds < own.to - own.from; seeds += 1)
      by = noticed(await mutated.run(own.from + seeds), mutation);
    tell({ kind: 'caught', caught: { name: mutation.name, seeds, by } });
  }
}

/** That a fleet does not come right says something only of a mistake that does nothing else. */
const noticed = (verdict: Verdict, { showsByWaiting }: Mistake): string | undefined =>
  showsByWaiting === true ? complaintOf(verdict) : verdict.violations[0];

if (!isMainThread) await work(workerData as Work);
