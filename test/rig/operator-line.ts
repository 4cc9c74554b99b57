// Asks through operator-child.ts, one question after the other.
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Peer } from './network.js';
import { plainEnvironment, startTicks } from './processes.js';

/** About an operation, or else about the fleet's status. */
export interface Question {
  readonly operation?: string;
}

type Answer = { readonly value: unknown } | { readonly error: string };

export interface OperatorLine {
  /** @throws Error with the controller's text */
  ask<T>(question: Question): Promise<T>;
}

/** It ends with this process, or by the rig's record. */
export function openOperatorLine(options: {
  readonly network: Pick<Peer, 'inNetwork'>;
  readonly home: string;
  readonly recordPath: string;
}): OperatorLine {
  const program = join(import.meta.dirname, 'operator-child.js');
  const [file = '', ...words] = options.network.inNetwork([
    process.execPath,
    program,
    options.home,
  ]);
  const child = spawn(file, words, { stdio: ['pipe', 'pipe', 'inherit'], env: plainEnvironment });
  const { pid = -1 } = child;
  appendFileSync(options.recordPath, `${pid} ${startTicks(pid) ?? 0}\n`);
  const waiting: ((answer: Answer) => void)[] = [];
  let end = '';
  const isOver = (how: string): void => {
    end = `the operator's connection ended: ${how}`;
    for (const settle of waiting.splice(0)) settle({ error: end });
  };
  child.on('error', (error) => isOver(error.message));
  child.on('exit', (code, signal) => isOver(String(code ?? signal)));
  child.stdin.on('error', () => undefined); // told by its end
  createInterface({ input: child.stdout }).on('line', (line) =>
    waiting.shift()?.(JSON.parse(line) as Answer),
  );
  return {
    ask: async <T>(question: Question) => {
      if (end !== '') throw new Error(end);
      const answered = new Promise<Answer>((resolve) => waiting.push(resolve));
      child.stdin.write(`${JSON.stringify(question)}\n`);
      const answer = await answered;
      if ('error' in answer) throw new Error(answer.error);
      return answer.value as T;
    },
  };
}
