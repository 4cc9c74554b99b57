// How a command is added to the tree: common options, an action that returns an exit code. Commands are thin.
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { renderError } from './errors.js';
import { exitCodeOf } from '@leafward/shared/errors.js';
import type { CliContext } from './context.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { parseDuration, parseMoment } from './render/units.js';
import { Run, type RunOptions } from './run.js';

export interface Tree {
  readonly context: CliContext;
  /** Called once by the command that ran. */
  readonly end: (code: ExitCode) => void;
}

export interface Definition<Options extends object> {
  /** 'invite <name>' */
  readonly usage: string;
  readonly summary: string;
  readonly options?: readonly Option[];
  /** Text below the help: examples. */
  readonly more?: string;
  readonly act: (
    run: Run,
    options: Options,
    ...args: readonly (string | undefined)[]
  ) => Promise<ExitCode | void>;
}

export function addCommand<Options extends object = object>(
  parent: Command,
  tree: Tree,
  definition: Definition<Options>,
): void {
  const command = parent.command(definition.usage).description(definition.summary);
  for (const option of definition.options ?? []) command.addOption(option);
  command
    .addOption(
      new Option('-o, --output <format>', 'how to print it')
        .choices(['table', 'json', 'yaml'])
        .default('table'),
    )
    .addOption(new Option('--no-color', 'print without colours (as NO_COLOR=1 does)'));
  if (definition.more !== undefined) command.addHelpText('after', `\n${definition.more}`);
  command.action(async (...all: unknown[]) => {
    const args = all.slice(0, -2) as (string | undefined)[];
    const options = command.opts<Options & RunOptions>();
    const coloured = options.color !== false && parent.optsWithGlobals()['color'] !== false;
    const run = new Run(tree.context, { ...options, color: coloured });
    try {
      tree.end((await definition.act(run, options, ...args)) ?? EXIT.done);
    } catch (error) {
      run.remark(renderError(pathOf(command), error, run.style()));
      const { environment } = tree.context;
      if (environment['LEAFWARD_DEBUG'] === '1' && error instanceof Error)
        run.remark(error.stack ?? error.message);
      tree.end(exitCodeOf(error));
    } finally {
      run.close();
    }
  });
}

/** leafward host check */
export function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

export function durationOption(flags: string, text: string): Option {
  return new Option(flags, `${text} (90s, 30m, 2h, 7d)`).argParser((value) => {
    const ms = parseDuration(value);
    if (ms === undefined || ms <= 0)
      throw new InvalidArgumentError('It must be a duration such as 90s, 30m, 2h or 7d.');
    return ms;
  });
}

export function momentOption(flags: string, text: string, now: () => number): Option {
  return new Option(flags, `${text} (7d from now, or a date: 2026-12-31)`).argParser((value) => {
    const at = parseMoment(value, now());
    if (at === undefined || at <= now())
      throw new InvalidArgumentError('It must be a duration such as 7d or a date to come.');
    return at;
  });
}

export function required(option: Option): Option {
  option.description += ' (required)';
  return option.makeOptionMandatory();
}
