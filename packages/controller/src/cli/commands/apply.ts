// leafward apply: carries a reviewed plan out and, unless told otherwise, watches it to its end.
import { Option, type Command } from 'commander';
import type { Operation, Plan } from '@leafward/shared/gen/domain.js';
import { addCommand, durationOption, type Tree } from '../command.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { renderOperation } from '../render/operation.js';
import { isRefused, renderPlan } from '../render/plan.js';
import type { Run } from '../run.js';
import { watchOperation } from '../watch/watch-operation.js';

export interface ApplyOptions {
  readonly watch?: boolean;
  readonly timeout?: number;
}

/** The planner runs again on the whole fleet before anything begins. */
const APPLY_DEADLINE_MS = 60_000;

export const watchOptions = (): readonly Option[] => [
  new Option('--no-watch', 'begin it and do not wait for its end'),
  durationOption('--timeout <duration>', 'stop watching after this; the operation runs on'),
];

export function addApply(program: Command, tree: Tree): void {
  addCommand<ApplyOptions & { yes?: boolean }>(program, tree, {
    usage: 'apply <plan>',
    summary: 'carry a plan out; refused when what it relied on has changed',
    options: [...watchOptions(), new Option('-y, --yes', 'do not show it again and ask')],
    async act(run, options, id = '') {
      const asks = run.context.terminal.interactive && run.format === 'table';
      if (asks && options.yes !== true) {
        const { plan } = await (await run.client()).getPlan({ id }, run.call);
        run.show(plan, (data, style) => renderPlan(data, style, { asksNow: true }));
        if (isRefused(plan)) return EXIT.refused;
        if (!(await run.confirm('Carry it out?', false))) return EXIT.refused;
      }
      const applied = await applyPlan(run, { id }, options);
      if (run.format !== 'table') run.show(applied.operation, renderOperation);
      return applied.code;
    },
  });
}

/** The operation as it was last seen, and the exit code that this means. */
export async function applyPlan(
  run: Run,
  plan: Pick<Plan, 'id'>,
  options: ApplyOptions,
): Promise<{ readonly operation: Operation; readonly code: ExitCode }> {
  const client = await run.client();
  const { operation } = await client.applyPlan(
    { id: plan.id },
    { ...run.call, deadlineMs: APPLY_DEADLINE_MS },
  );
  if (options.watch === false) {
    run.say(`${operation.id} has begun; watch it with: leafward operation watch ${operation.id}`);
    return { operation, code: EXIT.done };
  }
  const watched = await watchOperation(run, operation.id, {
    timeoutMs: options.timeout,
    documents: false,
  });
  return { operation: watched.operation ?? operation, code: watched.code };
}
