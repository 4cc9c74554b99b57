// Whether the answer of a kind's command can be what Leafward reads in it. Pure; tells with paths.
import { isAct, isLiveLook, type CommandName } from './abilities.js';
import type { Tell } from './complete.js';
import type { CommandText } from './kinds-schema.js';
import type { Path } from './locate.js';

export interface CommandAt {
  readonly name: CommandName;
  /** All of its kind. Undefined: of a wrong shape, which is told by its own problem. */
  readonly commands: Readonly<Record<string, CommandText | undefined>>;
  readonly at: Path;
}

const YES_OR_NO: readonly CommandName[] = ['linked', 'ready', 'writable', 'answers'];
export const BOOLEAN_WORDS = [
  ...['true', 'yes', 'on', 't', '1'],
  ...['false', 'no', 'off', 'f', '0'],
] as const;

export function checkOf({ name, commands, at }: CommandAt, text: CommandText, tell: Tell): void {
  const { of } = text;
  if (of === undefined) return;
  const path = [...at, 'of'];
  for (const key of ['where', 'deadline', 'maxOutput'] as const)
    if (text[key] !== undefined)
      tell([...at, key], `${name} reads the answer of ${of}: say ${key} there`);
  if (isAct(name)) tell(path, `${name} acts, so it cannot be the answer of another command`);
  else if (name === 'answers' || of === 'answers')
    tell(path, 'answers asks the leader from another host: it shares no look with other commands');
  else if (of === name) tell(path, 'a command cannot read its own answer');
  else if (!Object.hasOwn(commands, of))
    tell(path, `there is no command ${of}; this kind has ${Object.keys(commands).join(', ')}`);
  else if (commands[of]?.of !== undefined)
    tell(path, `${of} reads the answer of ${commands[of].of} itself: say of: ${commands[of].of}`);
  else if (isAct(of)) tell(path, `${of} acts: nobody runs it to look`);
  else if (isLiveLook(of) !== isLiveLook(name))
    tell(
      path,
      `${name} and ${of} do not share a look: one is at the running member, one at its storage`,
    );
}

export function checkAnswer({ name, at }: CommandAt, text: CommandText, tell: Tell): void {
  const { result, field, match, words } = text;
  if (field !== undefined && result !== 'json')
    tell([...at, 'field'], `a field is of a json result, and this one is ${result ?? 'plain'}`);
  if (match !== undefined && result !== 'plain')
    tell([...at, 'match'], `match is for a plain result, and this one is ${result ?? 'plain'}`);
  if (result === 'exit-code' && !mayBeYesOrNo(name, words))
    tell(
      [...at, 'result'],
      `an exit code answers yes or no; ${name} answers ${name === 'role' ? 'leader or mirror: add words: { true: leader, false: mirror }' : 'more than that'}`,
    );
  for (const [said, meant] of Object.entries(words ?? {}))
    checkWord(name, String(meant), (message) => tell([...at, 'words', said], message));
}

const mayBeYesOrNo = (name: CommandName, words: CommandText['words']): boolean =>
  isAct(name) ||
  name === 'status' ||
  YES_OR_NO.includes(name) ||
  (name === 'role' && words !== undefined);

function checkWord(name: CommandName, meant: string, tell: (message: string) => void): void {
  if (name === 'role' && meant !== 'leader' && meant !== 'mirror')
    tell(`a role is leader or mirror, not ${JSON.stringify(meant)}`);
  if (
    YES_OR_NO.includes(name) &&
    !(BOOLEAN_WORDS as readonly string[]).includes(meant.toLowerCase())
  )
    tell(`${name} is true or false, not ${JSON.stringify(meant)}`);
}
