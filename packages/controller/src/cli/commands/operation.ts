// leafward operation: what is being carried out, and its control.
import { Option, type Command } from 'commander';
import type { OperationControl } from '@leafward/shared/gen/domain.js';
import { addCommand, durationOption, type Tree } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { renderOperations } from '../render/lists.js';
import { renderEvents, renderOperation } from '../render/operation.js';
import { watchOperation } from '../watch/watch-operation.js';

export function addOperation(program: Command, tree: Tree): void {
  const operation = program
    .command('operation')
    .description('plans being carried out: list, show, watch, pause, resume, abort');
  addReads(operation, tree);
  addControl(operation, tree, 'pause', 'stop before the next move');
  addControl(operation, tree, 'resume', 'go on; the failed move is tried again');
  addControl(operation, tree, 'abort', 'end it at the next safe point; what is done stays done');
}

function addReads(operation: Command, tree: Tree): void {
  addCommand<{ all?: boolean }>(operation, tree, {
    usage: 'list',
    summary: 'operations that have not ended',
    options: [new Option('-a, --all', 'ended ones too')],
    async act(run, { all }) {
      const client = await run.client();
      const { operations } = await client.listOperations({ all: all === true }, run.call);
      run.show(operations, renderOperations);
    },
  });
  addCommand<{ events?: boolean }>(operation, tree, {
    usage: 'show <id>',
    summary: 'one operation, move by move',
    options: [new Option('-e, --events', 'all that happened, with its time')],
    async act(run, options, id = '') {
      const found = await (await run.client()).getOperation({ id }, run.call);
      run.show(found, ({ operation: each, events }, style) =>
        [
          renderOperation(each, style),
          ...(events.length === 0 || options.events !== true
            ? []
            : ['', style.paint('bold', 'events (UTC)'), renderEvents(events, style)]),
        ].join('\n'),
      );
    },
  });
  addCommand<{ timeout?: number }>(operation, tree, {
    usage: 'watch <id>',
    summary: 'follow it until it ends or pauses; the exit code says how',
    options: [durationOption('--timeout <duration>', 'stop watching after this')],
    async act(run, { timeout }, id = '') {
      return (await watchOperation(run, id, { timeoutMs: timeout, documents: true })).code;
    },
  });
}

function addControl(
  operation: Command,
  tree: Tree,
  control: OperationControl,
  summary: string,
): void {
  addCommand<{ reason?: string; watch?: boolean; timeout?: number }>(operation, tree, {
    usage: `${control} <id>`,
    summary,
    options: [
      new Option('--reason <text>', 'kept with the operation and in the audit log'),
      new Option('-w, --watch', 'then follow it'),
      durationOption('--timeout <duration>', 'with --watch: stop watching after this'),
    ],
    async act(run, { reason, watch, timeout }, id = '') {
      const client = await run.client();
      const { operation: now } = await client.controlOperation(
        { id, control, reason: reason ?? '' },
        run.call,
      );
      if (watch === true)
        return (await watchOperation(run, id, { timeoutMs: timeout, documents: true })).code;
      run.show(now, renderOperation);
      return EXIT.done;
    },
  });
}
