// Follows an operation to its end, its pause or the end of the patience: redrawn on a terminal, else lines.
import type { Operation, WatchOperationResponse } from '@leafward/shared/gen/domain.js';
import { EXIT, exitCodeOfOperation, type ExitCode } from '../exit-codes.js';
import { operationChanges, renderOperation } from '../render/operation.js';
import { cleanData } from '../render/text.js';
import { formatClock } from '../render/units.js';
import type { Run } from '../run.js';
import { follow } from './follow.js';
import { startRedraw } from './redraw.js';

export interface WatchOptions {
  readonly timeoutMs?: number | undefined;
  /** False: json and yaml print nothing on the way, the caller prints the end. */
  readonly documents: boolean;
}

export interface Watched {
  readonly operation: Operation | undefined;
  readonly code: ExitCode;
}

export async function watchOperation(
  run: Run,
  id: string,
  options: WatchOptions,
): Promise<Watched> {
  const client = await run.client();
  const patience = options.timeoutMs === undefined ? [] : [AbortSignal.timeout(options.timeoutMs)];
  const signal = AbortSignal.any([run.context.signal, ...patience]);
  const view = openView(run, options.documents);
  let last: WatchOperationResponse | undefined;
  try {
    const stream = follow<WatchOperationResponse>(
      {
        open: (until) => client.watchOperation({ id }, { signal: until }),
        isLast: ({ operation }) => operation.state !== 'running',
        onBreak: (text) => view.trouble(text),
        clock: run.context.clock,
      },
      signal,
    );
    for await (const item of stream) {
      last = item;
      view.show(item);
    }
  } finally {
    view.close();
  }
  if (signal.aborted && last?.operation.state !== 'done')
    run.remark(
      `${id} runs on without being watched; leafward operation watch ${id} goes on watching`,
    );
  return {
    operation: last?.operation,
    code: last === undefined ? EXIT.waiting : exitCodeOfOperation(last.operation),
  };
}

interface View {
  show(item: WatchOperationResponse): void;
  trouble(text: string): void;
  close(): void;
}

function openView(run: Run, documents: boolean): View {
  const trouble = (text: string): void => run.remark(text);
  const close = (): void => undefined;
  if (run.format !== 'table')
    return {
      show: ({ operation }) => {
        if (documents) run.showNext(operation);
      },
      trouble,
      close,
    };
  if (run.context.terminal.interactive)
    return startRedraw<WatchOperationResponse>(
      run.context.terminal,
      run.context.clock,
      ({ operation, now }, ageMs) =>
        renderOperation(cleanData(operation), run.style(now + ageMs), true),
    );
  return lineView(run, trouble);
}

function lineView(run: Run, trouble: (text: string) => void): View {
  let before: Operation | undefined;
  return {
    show({ operation, now }) {
      for (const line of operationChanges(before, operation))
        run.say(cleanData(`${formatClock(now)}  ${line}`));
      if (operation.state !== 'running')
        run.show(operation, (data, style) => `\n${renderOperation(data, style)}`, now);
      before = operation;
    },
    trouble,
    close: () => undefined,
  };
}
