// Runs the probe's own benchmark as the program that it is, and takes the line that it prints.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { dirname } from 'node:path';
import type { Benchmark, Row } from './harness.js';
import { notMeasured } from './harness.js';

const run = promisify(execFile);
const TIMEOUT_MS = 300_000;
const WHAT = 'fdatasync probe against fio --fdatasync=1';
const GOAL = "p50 within 5 %, p99 within fio's own spread";

export const fdatasync: Benchmark = {
  name: 'fdatasync',
  run: async () => {
    const script = fileURLToPath(new URL('fdatasync.js', import.meta.url));
    // Beside the program, on a real disk: temporary directories are often in memory.
    const options = { cwd: dirname(script), timeout: TIMEOUT_MS };
    const { stdout } = await run(process.execPath, [script], options);
    return [rowOf(stdout.trim())];
  },
};

function rowOf(line: string): Row {
  const cells = line.split('|').map((cell) => cell.trim());
  const [, what, goal, measured, yardstick, ratio, result] = cells;
  if (what === undefined || result === undefined) return notMeasured(WHAT, GOAL, line);
  return {
    what,
    goal: goal ?? '',
    measured: measured ?? '',
    yardstick: `fio: ${yardstick ?? ''}`,
    ratio: ratio ?? '',
    met: result === 'met',
  };
}
