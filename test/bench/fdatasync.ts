// The disk probe against `fio --fdatasync=1` on the same file system: a few short runs, one after
// the other in turn. Goal: p50 within 5 %, p99 within the spread of two fio runs.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startProbe } from '@leafward/agent/checks/disk-probe.js';
import { quantileOf } from '@leafward/agent/checks/latency-samples.js';

const run = promisify(execFile);

const ROUNDS = 9;
/**
 * Syncs of one run; the probe and fio do as many, over a file of the same 256 KiB, in blocks of 4
 * KiB.
 */
const SYNCS = 512;

interface Quantiles {
  readonly p50Us: number;
  readonly p99Us: number;
}

/**
 * Prints one row of a markdown table (what, goal, probe, fio, result), or one line when fio is
 * missing.
 */
export async function benchFdatasync(parent = process.cwd()): Promise<void> {
  const directory = await mkdtemp(join(parent, '.bench-fdatasync-'));
  try {
    console.log(await compare(directory));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function compare(directory: string): Promise<string> {
  const probes: Quantiles[] = [];
  const fios: Quantiles[] = [];
  const others: Quantiles[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const fio = await runFio(directory);
    if (fio === undefined) return 'fdatasync probe: skipped, fio is not installed';
    fios.push(fio);
    probes.push(await runProbe(directory));
    others.push((await runFio(directory)) ?? fio);
  }
  return toRow(probes, fios, others);
}

function toRow(
  probes: readonly Quantiles[],
  fios: readonly Quantiles[],
  others: readonly Quantiles[],
): string {
  const median = (runs: readonly Quantiles[], key: keyof Quantiles): number =>
    quantileOf(
      runs.map((one) => one[key]),
      0.5,
    );
  const fioRuns = [...fios, ...others];
  const p50 = ratio(probes, fios, others, 'p50Us');
  const p99 = ratio(probes, fios, others, 'p99Us');
  // Spread: how far two runs of fio, side by side in one round, are from each other.
  const spread = quantileOf(
    fios.map((one, at) => {
      const other = others[at] ?? one;
      return Math.max(one.p99Us, other.p99Us) / Math.min(one.p99Us, other.p99Us);
    }),
    0.9,
  );
  const met = Math.abs(p50 - 1) <= 0.05 && p99 <= spread && p99 >= 1 / spread;
  const figures = (runs: readonly Quantiles[]): string =>
    `p50 ${median(runs, 'p50Us').toFixed(0)} µs, p99 ${median(runs, 'p99Us').toFixed(0)} µs`;
  return (
    `| fdatasync probe against fio --fdatasync=1 | p50 within 5 %, p99 within fio's own spread | ` +
    `${figures(probes)} | ${figures(fioRuns)} | p50 × ${p50.toFixed(3)}, p99 × ${p99.toFixed(2)} ` +
    `(fio against itself up to × ${spread.toFixed(2)}) | ${met ? 'met' : 'missed'} |`
  );
}

/**
 * Median over the rounds of probe / mean of the two fio runs around it: a load that drifts hits all
 * three.
 */
function ratio(
  probes: readonly Quantiles[],
  fios: readonly Quantiles[],
  others: readonly Quantiles[],
  key: keyof Quantiles,
): number {
  const ratios = probes.map((probe, at) => {
    const [before, after] = [fios[at] ?? probe, others[at] ?? probe];
    return probe[key] / ((before[key] + after[key]) / 2);
  });
  return quantileOf(ratios, 0.5);
}

async function runProbe(directory: string): Promise<Quantiles> {
  const { samplesMs } = await startProbe(directory, { samples: SYNCS, budgetMs: 10_000 }).result;
  return { p50Us: quantileOf(samplesMs, 0.5) * 1000, p99Us: quantileOf(samplesMs, 0.99) * 1000 };
}

/** Undefined when there is no fio. */
async function runFio(directory: string): Promise<Quantiles | undefined> {
  const options = ['--name=probe', '--rw=write', '--bs=4k', '--size=256k', '--loops=8', '--thread'];
  const more = ['--fdatasync=1', '--overwrite=1', '--ioengine=psync', '--output-format=json'];
  try {
    const { stdout } = await run('fio', [`--directory=${directory}`, ...options, ...more], {
      timeout: 60_000,
    });
    const report = JSON.parse(stdout) as {
      jobs: { sync: { lat_ns: { percentile: Record<string, number> } } }[];
    };
    const percentile = report.jobs[0]?.sync.lat_ns.percentile ?? {};
    return {
      p50Us: (percentile['50.000000'] ?? NaN) / 1000,
      p99Us: (percentile['99.000000'] ?? NaN) / 1000,
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await benchFdatasync();
