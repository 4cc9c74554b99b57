// A database's own command-line client, kept open: a line in, its answer out. Must never wait for ever.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Conversation {
  /** Lines that the command printed. @throws Error when the client ended or was not answered in time */
  ask(command: string): Promise<readonly string[]>;
  close(): void;
}

export interface ConversationOptions {
  readonly argv: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** The client's own command that prints one word. */
  readonly echo: (word: string) => string;
  readonly deadlineMs: number;
}

export function converse(options: ConversationOptions): Conversation {
  const [program = '', ...words] = options.argv;
  const child = spawn(program, words, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', ...options.environment },
  });
  let printed = '';
  let complaint = '';
  let isOver = false;
  let wake = (): void => undefined;
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
    wake();
  });
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  child.stdin.on('error', () => undefined); // its end is told by `close`
  const closed = once(child, 'close').catch((error: unknown) => void (complaint += String(error)));
  void closed.then(() => {
    isOver = true;
    wake();
  });
  let number = 0;
  const answer = async (marker: string, command: string): Promise<readonly string[]> => {
    const deadline = performance.now() + options.deadlineMs;
    for (;;) {
      const lines = printed.split('\n');
      const end = lines.findIndex((line) => line.replaceAll('"', '').trim() === marker);
      if (end >= 0) {
        printed = lines.slice(end + 1).join('\n');
        return lines.slice(0, end);
      }
      if (isOver) throw new Error(`${program} ended at ${command}: ${complaint}${printed}`);
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Error(`${program} was not answered: ${command}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  return {
    ask: (command) => {
      number += 1;
      const marker = `answered-${number}`;
      child.stdin.write(`${command}\n${options.echo(marker)}\n`);
      return answer(marker, command);
    },
    close: () => void child.kill('SIGKILL'),
  };
}
