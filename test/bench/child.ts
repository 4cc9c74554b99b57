// A part of a benchmark in a process of its own, asked over Node's own channel: what is measured must not share
// its event loop, its heap or its processor time with whoever measures.
import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Question {
  readonly id: number;
  readonly method: string;
  readonly input: unknown;
}
interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

export interface Child {
  readonly pid: number;
  /** @throws Error with the child's own words, or when it ends before it answers. */
  call<T>(method: string, input?: unknown): Promise<T>;
  /** Ends it and waits for that; SIGKILL after five seconds. */
  stop(): Promise<void>;
}

const folder = join(dirname(fileURLToPath(import.meta.url)), 'children');

/** `name` is a file of children/. With LEAFWARD_BENCH_PROFILE=DIR each child leaves V8's processor and heap profiles there. */
export function startChild(name: string, logPath: string): Child {
  const profileDir = process.env['LEAFWARD_BENCH_PROFILE'];
  const profiling = ['--cpu-prof', '--heap-prof'].flatMap((kind) => [
    kind,
    `${kind}-dir=${profileDir ?? ''}`,
  ]);
  const log = openSync(logPath, 'a');
  const child = fork(join(folder, `${name}.js`), [], {
    serialization: 'advanced',
    stdio: ['ignore', log, log, 'ipc'],
    execArgv: profileDir === undefined ? [] : profiling,
  });
  closeSync(log);
  return asChild(child, name);
}

function asChild(child: ChildProcess, name: string): Child {
  const waiting = new Map<number, (answer: Answer) => void>();
  let nextId = 1;
  let isOver = false;
  const ended = new Promise<void>((resolve) =>
    child.once('exit', (code, signal) => {
      isOver = true;
      for (const [id, settle] of waiting)
        settle({ id, error: `the process ended with ${code ?? signal ?? 'no word'}` });
      resolve();
    }),
  );
  child.on('message', (answer: Answer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  return {
    pid: child.pid ?? -1,
    call: <T>(method: string, input: unknown = undefined) =>
      new Promise<T>((resolve, reject) => {
        if (isOver) return reject(new Error(`${method} of ${name}: the process has ended`));
        const id = nextId++;
        waiting.set(id, ({ value, error }) =>
          error === undefined
            ? resolve(value as T)
            : reject(new Error(`${method} of ${name}: ${error}`)),
        );
        child.send({ id, method, input } satisfies Question);
      }),
    stop: async () => {
      if (!isOver) child.disconnect();
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(timer);
    },
  };
}

export type Methods = Readonly<Record<string, (input: never) => unknown>>;

/** The child's side: answers questions until the parent goes, then cleans up and ends. */
export function serveParent(methods: Methods, cleanUp: () => Promise<void> | void): void {
  process.on('message', (question: Question) => {
    const { id, method, input } = question;
    void (async () => {
      try {
        const value = await methods[method]?.(input as never);
        process.send?.({ id, value } satisfies Answer);
      } catch (error) {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        process.send?.({ id, error: text } satisfies Answer);
      }
    })();
  });
  process.once('disconnect', () => {
    void (async () => {
      await cleanUp();
      process.exit(0);
    })();
  });
}
