// Runs every command that only reads and tells what each answered: how an operator sees what a manifest says. Never
// throws; changes nothing.
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { CommandAnswer } from '@leafward/shared/gen/domain.js';
import {
  READ_COMMANDS,
  WITNESS_COMMANDS,
  type CommandName,
} from '@leafward/shared/manifest/abilities.js';
import { booleanOf, bytesOf, positionOf, renderPosition, roleOf, urlOf } from './answer.js';
import { askPosition, readAnswer } from './ask.js';
import { has, requireSuccess, runCommand, type Look, type Ran, type Talk } from './run-command.js';

/** Not storedPosition: a database may tell it of a stopped member only, as it should. */
const TESTED: readonly CommandName[] = [...READ_COMMANDS, ...WITNESS_COMMANDS, 'storedUpstream'];
const MAX_OUTPUT = 2_000;

/** Shared runs once each; nobody's output is longer than a screen. */
export async function testCommands(
  talk: Talk,
  signal: AbortSignal,
): Promise<readonly CommandAnswer[]> {
  const look: Look = new Map();
  const answers: CommandAnswer[] = [];
  for (const name of TESTED) {
    if (!has(talk, name) || !hasWhomToAsk(talk, name)) continue;
    const leads = answers.some(({ command, value }) => command === 'role' && value === 'leader');
    const isMirrors = name === 'linked' && (leads || !has(talk, 'role'));
    answers.push(isMirrors ? notAsked(name) : await testOne(talk, name, look, signal));
  }
  return answers;
}

/** A look asks mirrors only; what a leader answers to it means nothing, and may well be an error. */
const notAsked = (command: CommandName): CommandAnswer => ({
  ...{ command, ok: true, output: '', tookMs: 0 },
  value: 'not asked: it leads',
});

/** A mirror can be a witness of its upstream; a leader's order names nobody. */
const hasWhomToAsk = ({ member }: Talk, name: CommandName): boolean =>
  member.upstreamUrl !== undefined || !(WITNESS_COMMANDS as readonly string[]).includes(name);

async function testOne(
  talk: Talk,
  command: CommandName,
  look: Look,
  signal: AbortSignal,
): Promise<CommandAnswer> {
  const beganAt = performance.now();
  let ran: Ran | undefined;
  try {
    const position =
      command === 'history' ? await askPosition(talk, 'position', { look }, signal) : undefined;
    const fill =
      position === undefined ? {} : { position: renderPosition(position, talk.exec.positions) };
    ran = await runCommand(talk, command, { look, fill }, signal);
    const value = meaningOf(talk, command, ran);
    return { command, ok: true, output: outputOf(talk, ran), value, tookMs: since(beganAt) };
  } catch (error) {
    const text = error instanceof LeafwardError ? error.text : messageOf(error);
    const output = ran === undefined ? '' : outputOf(talk, ran);
    const tookMs = since(beganAt);
    return { command, ok: false, output, error: talk.parts.redact(text), tookMs };
  }
}

/** As Leafward takes it. Undefined: others read parts of it. */
function meaningOf(talk: Talk, command: CommandName, ran: Ran): string | undefined {
  if (command === 'status') {
    requireSuccess(talk, ran);
    return undefined;
  }
  return talk.parts.redact(readAnswer(talk, command, ran, readers[command] ?? position));
  function position(value: string): string {
    return String(positionOf(value, talk.exec.positions));
  }
}

const asItIs = (value: string): string => value;
const yesOrNo = (value: string): string => String(booleanOf(value));
const url = (value: string): string => urlOf(value) ?? 'none, so it leads';

/** All but positions, which are read as their kind writes them. */
const readers: Readonly<Partial<Record<CommandName, (value: string) => string>>> = {
  identity: asItIs,
  role: roleOf,
  upstream: url,
  linked: yesOrNo,
  ready: yesOrNo,
  writable: yesOrNo,
  answers: yesOrNo,
  version: asItIs,
  dataSize: (value) => String(bytesOf(value)),
  history: asItIs,
  storedUpstream: url,
};

function outputOf({ parts }: Talk, { result }: Ran): string {
  const { stdout, stderr, truncated } = result;
  // Redacted before it is cut; the end of a cut output may hold half a secret.
  const whole = [stdout, stderr].map((text) =>
    parts.redact(truncated ? text.slice(0, text.lastIndexOf('\n') + 1) : text).trim(),
  );
  const text = whole.filter((part) => part !== '').join('\n');
  const isCut = truncated || text.length > MAX_OUTPUT;
  return isCut ? `${text.slice(0, MAX_OUTPUT)}\n(more was printed)` : text;
}

function since(beganAt: number): number {
  return Math.round(performance.now() - beganAt);
}
