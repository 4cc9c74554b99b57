// One volley of fdatasync on one volume, measured in a child process: a disk that hangs then holds
// a child, never the agent, its loop, its libuv pool or its exit. Its file has no name while it is
// used, and is gone with it.
import { spawn } from 'node:child_process';
import { LeafwardError } from '@leafward/shared/errors.js';

export interface ProbeLimits {
  /** Measured syncs at most. */
  readonly samples: number;
  /** The volley ends after this, however few samples there are. */
  readonly budgetMs: number;
}

/**
 * 128 × 4 KiB: half a megabyte a volley, 20 ms on an SSD; on a bad disk the second is over first.
 */
export const PROBE_LIMITS: ProbeLimits = { samples: 128, budgetMs: 1000 };

export interface ProbeResult {
  readonly samplesMs: readonly number[];
}

export interface Probe {
  /**
   * Resolves when the child runs and turns to the disk; a hang is counted from here. Never rejects.
   */
  readonly begun: Promise<void>;
  /** @throws LeafwardError `failed` (what the file system said) or `aborted`. */
  readonly result: Promise<ProbeResult>;
  /** Asks the child to die; one that is stuck in the kernel does so when the disk comes back. */
  kill(): void;
}

/** More than any volley prints. */
const MAX_OUTPUT_BYTES = 65_536;
const MAX_ERROR_CHARS = 300;

/**
 * What the child runs, as text: so that it works from one bundled file as well as from many, with
 * any Node. Plain CommonJS. The file is made in the directory and unlinked at once, so it has no
 * name while it is used; it is written through first, so that the measured syncs overwrite and move
 * no metadata, like a database's. The first syncs warm up the code and the file and are not
 * counted. A child that was killed inside open() may leave the name: the next one removes it, and
 * never opens what is there already (it could be a link).
 */
const CHILD = `
const fs = require('node:fs');
const [directory, samples, budgetMs] = process.argv.slice(1);
const BLOCK = 4096, BLOCKS = 64, WARM_UP = 16;
fs.writeSync(1, 'begun\\n');
const name = directory + '/.leafward-probe';
fs.rmSync(name, { force: true });
const file = fs.openSync(name, 'wx+', 0o600);
fs.unlinkSync(name);
fs.writeSync(file, Buffer.alloc(BLOCK * BLOCKS), 0, BLOCK * BLOCKS, 0);
fs.fsyncSync(file);
const block = Buffer.alloc(BLOCK, 0x6c);
const measured = [];
const end = performance.now() + Number(budgetMs);
for (let at = 0; measured.length < Number(samples); at += 1) {
  fs.writeSync(file, block, 0, BLOCK, (at % BLOCKS) * BLOCK);
  const from = performance.now();
  fs.fdatasyncSync(file);
  const to = performance.now();
  if (at >= WARM_UP || to > end) measured.push(Number((to - from).toFixed(4)));
  if (to > end) break;
}
fs.closeSync(file);
fs.writeSync(1, JSON.stringify(measured) + '\\n');
`;

export function startProbe(directory: string, limits: ProbeLimits = PROBE_LIMITS): Probe {
  const child = spawn(
    process.execPath,
    [
      '--max-semi-space-size=1',
      '-e',
      CHILD,
      '--',
      directory,
      String(limits.samples),
      String(limits.budgetMs),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: {}, detached: false },
  );
  let output = '';
  let errors = '';
  let killed = false;
  let onBegun: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (onBegun = resolve));
  child.stdout.on('data', (chunk: Buffer) => {
    if (output.length < MAX_OUTPUT_BYTES) output += chunk.toString('latin1');
    if (output.startsWith('begun\n')) onBegun();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    if (errors.length < MAX_OUTPUT_BYTES) errors += chunk.toString('utf8');
  });
  const result = new Promise<ProbeResult>((resolve, reject) => {
    child.on('error', (error) => reject(failure(directory, error.message)));
    child.on('close', (code) => {
      onBegun();
      if (killed) return reject(new LeafwardError('aborted', `probe ${directory}: stopped`));
      const samplesMs = code === 0 ? parseSamples(output) : undefined;
      if (samplesMs !== undefined) resolve({ samplesMs });
      else
        reject(
          failure(directory, reasonIn(errors) ?? `the probe ended with ${code ?? 'a signal'}`),
        );
    });
  });
  result.catch(() => undefined);
  const kill = (): void => {
    killed = true;
    child.kill('SIGKILL');
    // An agent that ends does not wait for a disk that hangs.
    child.unref();
    child.stdout.destroy();
    child.stderr.destroy();
  };
  return { begun, result, kill };
}

function parseSamples(output: string): readonly number[] | undefined {
  try {
    const parsed: unknown = JSON.parse(output.split('\n')[1] ?? '');
    if (!Array.isArray(parsed)) return undefined;
    return (parsed as unknown[]).filter((value): value is number => typeof value === 'number');
  } catch {
    return undefined;
  }
}

function reasonIn(errors: string): string | undefined {
  return /^Error: (.*)$/m.exec(errors)?.[1]?.slice(0, MAX_ERROR_CHARS);
}

function failure(directory: string, reason: string): LeafwardError {
  return new LeafwardError(
    'failed',
    `probe fdatasync in ${directory}: ${reason}; its latency is not known until a later probe succeeds`,
    { retry: 'later' },
  );
}
