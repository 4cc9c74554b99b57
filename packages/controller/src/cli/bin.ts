#!/usr/bin/env node
// The program `leafward`: wires the command tree to this process and ends with its exit code.
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { text } from 'node:stream/consumers';
import { systemClock } from '@leafward/shared/clock.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { CliContext, Terminal } from './context.js';
import { readSecret } from './hidden-input.js';
import { runLeafward } from './main.js';

/** What may linger after the last line (a half-open connection) is cut off after this. */
const LINGER_MS = 1_000;

const { stdin, stdout, stderr, env } = process;
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    if (interrupted.signal.aborted) process.exit(130); // asked twice: at once
    interrupted.abort();
  });
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0); // `leafward … | head` has seen enough
  throw error;
});

const terminal: Terminal = {
  write: (line) => void stdout.write(line),
  writeError: (line) => void stderr.write(line),
  interactive: stdout.isTTY === true && env['TERM'] !== 'dumb',
  size: () => (stdout.isTTY ? { columns: stdout.columns, rows: stdout.rows } : undefined),
};

const context: CliContext = {
  clock: systemClock,
  terminal,
  environment: env,
  // Half of what a start costs: loaded by who talks to the controller, while nothing else is to be done.
  connect: async (signal) => {
    const { connectOperator } = await import('./connection.js');
    const warn = (line: string): void => terminal.writeError(`${line}\n`);
    return connectOperator({ environment: env, warn }, signal);
  },
  enroll: async (url, signal) => {
    const { enroll } = await import('./connection.js');
    return enroll(url, env, signal);
  },
  readInput,
  readSecret,
  confirm,
  signal: interrupted.signal,
};

// No top-level await: it is bundled into one CommonJS file as well.
void runLeafward(process.argv.slice(2), context).then((code) => {
  process.exitCode = code;
  setTimeout(() => process.exit(), LINGER_MS).unref();
});

async function readInput(path: string, signal: AbortSignal): Promise<string> {
  try {
    return path === '-' ? await text(stdin) : await readFile(path, { encoding: 'utf8', signal });
  } catch (error) {
    throw new LeafwardError('invalid', `read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

async function confirm(question: string, signal: AbortSignal): Promise<boolean> {
  if (!stdin.isTTY)
    throw new LeafwardError('invalid', `nobody can answer "${question}"; say --yes`);
  const lines = createInterface({ input: stdin, output: stderr });
  try {
    const answer = await lines.question(`${question} [y/N] `, { signal });
    return /^y(es)?$/i.test(answer.trim());
  } catch {
    return false; // Ctrl-C, Ctrl-D
  } finally {
    lines.close();
  }
}
