// Asks a member one thing in the words of its kind.
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { CommandName } from '@leafward/shared/manifest/abilities.js';
import { positionOf, valueOf } from './answer.js';
import {
  commandOf,
  has,
  requireSuccess,
  runCommand,
  type Ran,
  type RunOptions,
  type Talk,
} from './run-command.js';

/** From here on an exit code says that a program could not be run, or was killed: no answer (POSIX shells). */
const NO_ANSWER = 126;

/** @throws LeafwardError that names the command, what was run and what came back. */
export async function ask<T>(
  talk: Talk,
  name: CommandName,
  read: (value: string) => T,
  options: RunOptions,
  signal: AbortSignal,
): Promise<T> {
  const ran = await runCommand(talk, name, options, signal);
  return readAnswer(talk, name, ran, read);
}

/** Undefined where the kind has no such command. */
export async function askIfAble<T>(
  talk: Talk,
  name: CommandName,
  read: (value: string) => T,
  options: RunOptions,
  signal: AbortSignal,
): Promise<T | undefined> {
  return has(talk, name) ? ask(talk, name, read, options, signal) : undefined;
}

export function askPosition(
  talk: Talk,
  name: 'position' | 'storedPosition',
  options: RunOptions,
  signal: AbortSignal,
): Promise<number | undefined> {
  const read = (value: string): number => positionOf(value, talk.exec.positions);
  return askIfAble(talk, name, read, options, signal);
}

export function readAnswer<T>(
  talk: Talk,
  name: CommandName,
  ran: Ran,
  read: (value: string) => T,
): T {
  const command = commandOf(talk, name);
  if (command.format !== 'exit-code' || ran.result.exitCode >= NO_ANSWER) requireSuccess(talk, ran);
  const { result, what } = ran;
  try {
    return read(valueOf(command, result));
  } catch (error) {
    if (!(error instanceof LeafwardError)) throw error;
    const whose = command.of === undefined ? '' : ` as the answer of ${name}`;
    // Said of what is left without secrets: a text that was cut already may hold half of one (I14).
    const clean = { ...result, stdout: talk.parts.redact(result.stdout) };
    const text = objectionOf(() => read(valueOf(command, clean)));
    throw new LeafwardError('failed', `${what}${whose}: ${text}`, { retry: 'later' });
  }
}

function objectionOf(attempt: () => unknown): string {
  try {
    attempt();
    return 'answered something that is not what it should be';
  } catch (error) {
    return error instanceof LeafwardError ? error.text : messageOf(error);
  }
}
