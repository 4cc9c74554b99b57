// What every benchmark shares: rows of the table, medians, the machine's name. A figure stands beside a goal and
// beside a peer or raw limit of the same run, or it is not worth much.
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, release, totalmem, tmpdir } from 'node:os';
import { join } from 'node:path';

/** One line of the table. */
export interface Row {
  readonly what: string;
  readonly goal: string;
  readonly measured: string;
  /** The peer or the raw limit, measured in the same run. */
  readonly yardstick: string;
  readonly ratio: string;
  /** Undefined: it could not be measured here; the cause says why. */
  readonly met: boolean | undefined;
  /** Why a goal was missed or not measured, or what must be known to read the figures. */
  readonly note?: string;
}

export interface BenchContext {
  /** Shorter windows and fewer rounds: shows that it works, not what it costs. */
  readonly quick: boolean;
  /** Windows of an hour where there is a choice. */
  readonly long: boolean;
  /** A directory of this benchmark's own; removed after it, kept when it failed. */
  readonly dir: string;
  readonly say: (line: string) => void;
}

export interface Benchmark {
  readonly name: string;
  readonly run: (context: BenchContext) => Promise<readonly Row[]>;
}

export async function runBenchmark(
  benchmark: Benchmark,
  options: Pick<BenchContext, 'quick' | 'long' | 'say'>,
): Promise<readonly Row[]> {
  const dir = await mkdtemp(join(tmpdir(), 'lw-bench-'));
  try {
    const rows = await benchmark.run({ ...options, dir });
    await rm(dir, { recursive: true, force: true });
    return rows;
  } catch (error) {
    const note = error instanceof Error ? error.message : String(error);
    options.say(`${benchmark.name} failed, what it left is in ${dir}: ${note}`);
    return [notMeasured(benchmark.name, '', note.split('\n')[0] ?? note)];
  }
}

export const notMeasured = (what: string, goal: string, note: string): Row => ({
  what,
  goal,
  measured: '–',
  yardstick: '–',
  ratio: '–',
  met: undefined,
  note,
});

export function renderTable(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const word = row.met === undefined ? 'not measured' : row.met ? 'met' : '**missed**';
    const result = row.note === undefined ? word : `${word}: ${row.note}`;
    const cells = [row.what, row.goal, row.measured, row.yardstick, row.ratio, result];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return [
    '| what | goal | measured | peer or raw limit, same run | ratio | result |',
    '|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}

/** CPU model, cores, memory, Node, kernel, date and the load that others made when the run began. */
export function machineLine(): string {
  const [first] = cpus();
  const memoryGib = (totalmem() / 2 ** 30).toFixed(1);
  const load = loadavg()
    .map((value) => value.toFixed(2))
    .join(' ');
  return (
    `${first?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores, ${memoryGib} GiB; ` +
    `Node ${process.versions.node}; Linux ${release()}; ${new Date().toISOString().slice(0, 10)}; ` +
    `load at the start ${load}`
  );
}

/** The value below which this share of the values lies (nearest rank); NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

export function isInstalled(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export const ms = (value: number): string =>
  `${value.toFixed(value < 1 ? 2 : value < 100 ? 1 : 0)} ms`;
export const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
