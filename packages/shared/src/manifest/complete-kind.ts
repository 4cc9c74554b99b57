// From a kind as written to the commands that an agent runs: defaults made explicit, units turned into numbers,
// everything that no shape can say told with its path. Pure; never throws.
import type { CommandStep, ExecCommand, ExecEngine } from '../gen/domain.js';
import { COMMANDS, isAct, type CommandName } from './abilities.js';
import { checkAnswer, checkOf, type CommandAt } from './check-command.js';
import type { Tell } from './complete.js';
import { commandSchema, kindSchema, type CommandText } from './kinds-schema.js';
import { isBuiltIn } from './kinds.js';
import type { Path } from './locate.js';
import { objectionTo, placeholdersIn, placeholdersOf } from './placeholders.js';
import { parseDuration, parseSize, renderDuration, renderSize } from './units.js';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** A look is repeated every few seconds; an act may copy terabytes. */
const LOOK_MS = { default: 5 * SECOND_MS, most: 5 * MINUTE_MS };
const ACT_MS = { default: MINUTE_MS, most: 24 * 7 * HOUR_MS };
const COPY_MS = { default: 12 * HOUR_MS, most: 24 * 7 * HOUR_MS };
const LEAST_DEADLINE_MS = 100;
export const MOST_LOOK_MS = LOOK_MS.most;
const DEFAULT_OUTPUT_BYTES = 64 * 2 ** 10;
export const MOST_OUTPUT_BYTES = 2 ** 20;

const COPIES: readonly CommandName[] = ['backup', 'restore', 'seed', 'coldBackup', 'optimize'];

export type Kinds = Readonly<Record<string, ExecEngine>>;

/** All kinds of a manifest. One that is partly wrong is here too, so that one slip does not hide the others. */
export function completeKinds(raw: unknown, tell: Tell): Kinds {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return {};
  return Object.fromEntries(
    Object.entries(raw as Record<string, unknown>).map(([name, kind]) => {
      const at: Path = ['kinds', name];
      if (isBuiltIn(name) || name === 'exec')
        tell(at, `${name} is built in: give this kind another name`);
      return [name, completeKind(kind, at, tell)];
    }),
  );
}

/** Undefined: it is not said, or wrong, which the shape tells. */
export function lagOfKind(raw: unknown, kind: string): number | undefined {
  const kinds = recordOf(raw);
  const text = Object.hasOwn(kinds, kind) ? recordOf(kinds[kind]) : {};
  return kindSchema.shape.lag.safeParse(text['lag']).data;
}

function completeKind(raw: unknown, at: Path, tell: Tell): ExecEngine {
  const shape = kindSchema.shape;
  const kind = recordOf(raw);
  const texts = recordOf(kind['commands']);
  const commands: Record<string, CommandText | undefined> = {};
  for (const name of COMMANDS)
    if (Object.hasOwn(texts, name)) commands[name] = commandSchema.safeParse(texts[name]).data;
  const migration = shape.migration.safeParse(kind['migration']).data;
  for (const key of ['running', 'done'] as const)
    if (migration !== undefined) checkPattern(migration[key], [...at, 'migration', key], tell);
  return {
    commands: Object.fromEntries(
      Object.keys(commands).map((name) => [
        name,
        completeCommand(
          { name: name as CommandName, commands, at: [...at, 'commands', name] },
          tell,
        ),
      ]),
    ),
    positions: shape.positions.safeParse(kind['positions']).data ?? 'number',
    ...(migration === undefined
      ? {}
      : { migrationRunning: migration.running, migrationDone: migration.done }),
  };
}

function completeCommand(command: CommandAt, tell: Tell): ExecCommand {
  const { name, commands, at } = command;
  const text = commands[name];
  if (text === undefined) return { steps: [], format: 'plain' };
  const sources = (['run', 'steps', 'of'] as const).filter((key) => text[key] !== undefined);
  if (sources.length !== 1)
    tell(
      at,
      sources.length === 0
        ? 'a command needs one of run, steps or of'
        : `a command has one of run, steps or of; this one has ${sources.join(' and ')}`,
    );
  checkOf(command, text, tell);
  const format =
    text.result ?? (text.of === undefined ? undefined : commands[text.of]?.result) ?? 'plain';
  checkAnswer(command, { ...text, result: format }, tell);
  if (name === 'answers') checkAsksLeader(command, text, tell);
  if (text.match !== undefined) checkPattern(text.match, [...at, 'match'], tell, 'group');
  return {
    steps: stepsOf(command, text, tell),
    ...(text.of === undefined ? {} : { of: text.of }),
    format,
    ...(text.field === undefined ? {} : { field: text.field }),
    ...(text.match === undefined ? {} : { match: text.match }),
    ...(text.words === undefined ? {} : { words: { words: wordsOf(text.words) } }),
  };
}

const wordsOf = (words: NonNullable<CommandText['words']>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(words).map(([said, meant]) => [said, String(meant)]));

function stepsOf({ name, at }: CommandAt, text: CommandText, tell: Tell): readonly CommandStep[] {
  const written =
    text.steps?.map((step, index) => ({ step, path: [...at, 'steps', index] })) ??
    (text.run === undefined ? [] : [{ step: { run: text.run }, path: at }]);
  return written.map(({ step, path }) => {
    const own = { where: text.where, deadline: text.deadline, maxOutput: text.maxOutput, ...step };
    checkWords(name, own.run, [...path, 'run'], tell);
    return {
      run: own.run,
      place: own.where ?? 'member',
      deadlineMs: deadlineOf(
        name,
        own.deadline,
        [...('deadline' in step ? path : at), 'deadline'],
        tell,
      ),
      maxOutputBytes: outputOf(
        own.maxOutput,
        [...('maxOutput' in step ? path : at), 'maxOutput'],
        tell,
      ),
    };
  });
}

function checkWords(name: CommandName, run: readonly string[], at: Path, tell: Tell): void {
  if (run[0]?.trim() === '') tell([...at, 0], 'the first word is the program; this one is empty');
  run.forEach((word, index) => {
    for (const placeholder of placeholdersIn([word])) {
      const objection = objectionTo(placeholder, name);
      if (objection !== undefined) tell([...at, index], objection);
    }
  });
}

/** One that does not say whom would ask the member beside it, which is well while its leader is not. */
function checkAsksLeader(
  { at }: CommandAt,
  { run = [], steps = [] }: CommandText,
  tell: Tell,
): void {
  const words = [...run, ...steps.flatMap((one) => one.run)];
  const leaders = placeholdersOf('answers').filter((key) => key.startsWith('upstream'));
  if (words.length === 0 || placeholdersIn(words).some((key) => leaders.includes(key))) return;
  const known = leaders.map((key) => `{${key}}`).join(', ');
  tell(at, `answers asks the leader, and none of its words says where that is: ${known}`);
}

function deadlineOf(name: CommandName, text: string | undefined, at: Path, tell: Tell): number {
  const limits = COPIES.includes(name) ? COPY_MS : isAct(name) ? ACT_MS : LOOK_MS;
  const ms = text === undefined ? undefined : parseDuration(text);
  if (ms === undefined) return limits.default;
  if (ms < LEAST_DEADLINE_MS || ms > limits.most)
    tell(
      at,
      `a deadline of ${name} is ${renderDuration(LEAST_DEADLINE_MS)} to ${renderDuration(limits.most)}`,
    );
  return ms;
}

function outputOf(text: string | undefined, at: Path, tell: Tell): number {
  const bytes = text === undefined ? undefined : parseSize(text);
  if (bytes === undefined) return DEFAULT_OUTPUT_BYTES;
  if (bytes < 1 || bytes > MOST_OUTPUT_BYTES)
    tell(at, `maxOutput is 1B to ${renderSize(MOST_OUTPUT_BYTES)}`);
  return bytes;
}

function checkPattern(text: string, at: Path, tell: Tell, needs?: 'group'): void {
  try {
    new RegExp(text, 'm');
    // With an empty alternative it matches anything, and the answer has a place for each group.
    const groups = (new RegExp(`${text}|`, 'm').exec('')?.length ?? 1) - 1;
    if (needs === 'group' && groups === 0)
      tell(at, 'the first group is the value: put one part in parentheses');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    tell(at, `not a regular expression: ${why.slice(why.lastIndexOf(': ') + 2)}`);
  }
}

const recordOf = (raw: unknown): Readonly<Record<string, unknown>> =>
  typeof raw === 'object' && raw !== null ? (raw as Record<string, unknown>) : {};
