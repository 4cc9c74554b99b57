// Runs one command of a kind: its steps in order, each where it belongs, up to the first failure. Every error says
// which command of which member it was and what was run; what was printed is shown without secrets (I14).
import { systemClock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { CommandStep, ExecCommand, ExecEngine } from '@leafward/shared/gen/domain.js';
import type { CommandName } from '@leafward/shared/manifest/abilities.js';
import { runChild } from '../../runtimes/process/child.js';
import { environmentOf } from '../../runtimes/process/wrapper.js';
import type { Command, CommandResult, ContainerSpec } from '../../runtimes/runtime.js';
import type { EngineMember, EngineParts } from '../engine.js';
import { fillWords, type Fill } from './placeholders.js';

/** Talking to one member in the words of its kind. */
export interface Talk {
  readonly parts: EngineParts;
  readonly member: EngineMember;
  readonly exec: ExecEngine;
}

/** Runs that one look has begun, by command: what reads the answer of another command begins none. */
export type Look = Map<string, Promise<Ran>>;

export interface RunOptions {
  readonly fill?: Fill | undefined;
  readonly look?: Look | undefined;
  readonly onLine?: ((line: string) => void) | undefined;
  /** Ends each step before its own deadline. */
  readonly timeoutMs?: number | undefined;
  /** In place of the member's own. */
  readonly container?: ContainerSpec | undefined;
}

export interface Ran {
  /** Of the last step. */
  readonly result: CommandResult;
  /** For errors: which command of whom, and what was run. */
  readonly what: string;
}

const MAX_SHOWN_WORDS = 200;
const MAX_SHOWN_LINES = 3;
const MAX_SHOWN_OUTPUT = 400;

export const has = ({ exec }: Pick<Talk, 'exec'>, name: CommandName): boolean =>
  Object.hasOwn(exec.commands, name);

/** @throws LeafwardError `invalid` when the kind has no such command. */
export function commandOf({ exec, member }: Talk, name: string): ExecCommand {
  const command = Object.hasOwn(exec.commands, name) ? exec.commands[name] : undefined;
  if (command !== undefined) return command;
  throw new LeafwardError(
    'invalid',
    `the kind ${member.spec.kind} of ${member.member} has no command ${name}; describe it in the manifest`,
  );
}

/** Whatever its last step's exit code; one that fails before it is an error. */
export function runCommand(
  talk: Talk,
  name: string,
  options: RunOptions,
  signal: AbortSignal,
): Promise<Ran> {
  const source = commandOf(talk, name).of ?? name;
  const begun = options.look?.get(source);
  if (begun !== undefined) return begun;
  const run = runSteps(talk, source, options, signal);
  options.look?.set(source, run);
  return run;
}

/** For what is to be done: any exit code but 0 is an error. */
export async function act(
  talk: Talk,
  name: CommandName,
  options: RunOptions,
  signal: AbortSignal,
): Promise<Ran> {
  const ran = await runCommand(talk, name, options, signal);
  requireSuccess(talk, ran);
  return ran;
}

export function requireSuccess({ parts }: Talk, { result, what }: Ran): void {
  if (result.exitCode === 0) return;
  throw new LeafwardError('failed', `${what}: exit code ${result.exitCode}${said(result, parts)}`, {
    retry: 'later',
  });
}

async function runSteps(
  talk: Talk,
  name: string,
  options: RunOptions,
  signal: AbortSignal,
): Promise<Ran> {
  const { steps } = commandOf(talk, name);
  let ran: Ran | undefined;
  for (const [index, step] of steps.entries()) {
    if (ran !== undefined) requireSuccess(talk, ran);
    const nth = steps.length === 1 ? '' : `, step ${index + 1} of ${steps.length}`;
    const what = `the command ${name} of ${talk.member.member}${nth}`;
    ran = await runStep(talk, { step, what }, options, signal);
  }
  if (ran !== undefined) return ran;
  throw new LeafwardError('invalid', `the command ${name} of ${talk.member.member} has no words`);
}

async function runStep(
  talk: Talk,
  { step, what }: { readonly step: CommandStep; readonly what: string },
  options: RunOptions,
  signal: AbortSignal,
): Promise<Ran> {
  const { parts, member } = talk;
  const deadlineMs = Math.min(step.deadlineMs, options.timeoutMs ?? Infinity);
  let whole = what;
  try {
    const filling = { ...options.fill, member, place: step.place, timeoutMs: deadlineMs };
    const argv = fillWords(step.run, filling);
    whole = `${what} (${parts.redact(argv.join(' ')).slice(0, MAX_SHOWN_WORDS)})`;
    const { maxOutputBytes } = step;
    const command = { argv, deadlineMs, maxOutputBytes, onLine: options.onLine };
    const container = options.container ?? parts.containerOf(member);
    const result =
      step.place === 'host'
        ? await runOnHost(container, command, signal)
        : await parts.runtimeOf(member.spec).run(container, command, signal);
    return { result, what: whole };
  } catch (error) {
    if (!(error instanceof LeafwardError)) throw error;
    // Without its cause, which may hold what is taken out here.
    const { code, retry } = error;
    throw new LeafwardError(code, `${whole}: ${parts.redact(error.text)}`, { retry });
  }
}

/** As the agent itself, also for a member in a container. */
function runOnHost(
  { spec }: ContainerSpec,
  command: Command,
  signal: AbortSignal,
): Promise<CommandResult> {
  const { storage, environment } = spec;
  return runChild(
    {
      ...command,
      environment: environmentOf({ environment, storage }),
      directory: '/',
      storage,
      clock: systemClock,
    },
    signal,
  );
}

/** The first lines of what it complained, or else of what it said. */
function said({ stderr, stdout, truncated }: CommandResult, parts: EngineParts): string {
  const source = stderr.trim() === '' ? stdout : stderr;
  // Redacted before it is cut: half a secret would not be found. The last line of a cut output may hold half of one.
  const whole = parts.redact(truncated ? source.slice(0, source.lastIndexOf('\n') + 1) : source);
  const lines = whole
    .split(/[\r\n]+/)
    .map((line) => line.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim())
    .filter((line) => line !== '');
  const head = lines.slice(0, MAX_SHOWN_LINES).join('; ').slice(0, MAX_SHOWN_OUTPUT);
  return head === '' ? '; it printed nothing' : `: ${head}`;
}
