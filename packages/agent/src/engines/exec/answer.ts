// What a command's output means: its value as text, then as a role, a position, a yes or no. Pure. An answer that is
// not what it should be is an error, never a guess.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { ExecCommand, PositionFormat } from '@leafward/shared/gen/domain.js';
import type { CommandResult } from '../../runtimes/runtime.js';
import { matchIn } from './bounded-match.js';

/** The value by the command's format, field, expression and words. @throws Error, whose text ends a sentence. */
export function valueOf(command: ExecCommand, result: CommandResult): string {
  const value = rawValueOf(command, result);
  const words = command.words?.words ?? {};
  return Object.hasOwn(words, value) ? (words[value] ?? value) : value;
}

function rawValueOf(command: ExecCommand, { exitCode, stdout, truncated }: CommandResult): string {
  if (command.format === 'exit-code') return exitCode === 0 ? 'true' : 'false';
  if (truncated) throw objection('printed more than its maxOutput; what was kept is no answer');
  if (command.format === 'json') return fieldOf(stdout, command.field);
  if (command.match === undefined) return stdout.trim();
  const found = matchIn(stdout, command.match);
  if (found === undefined)
    throw objection(`answered ${shown(stdout)}, in which nothing matches ${command.match}`);
  return found.trim();
}

/** `a.b`, `list.0.name`; null is an empty text. */
function fieldOf(stdout: string, field: string | undefined): string {
  let value: unknown;
  try {
    value = JSON.parse(stdout);
  } catch (error) {
    throw objection(`answered ${shown(stdout)}, which is no JSON`, error);
  }
  for (const key of field?.split('.') ?? []) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key))
      throw objection(`answered ${shown(stdout)}, which has no ${field}`);
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  if (value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export function roleOf(value: string): 'leader' | 'mirror' {
  if (value === 'leader' || value === 'mirror') return value;
  throw objection(`answered ${shown(value)}, which is neither leader nor mirror; see its words`);
}

const YES: Readonly<Record<string, boolean>> = {
  ...{ true: true, yes: true, on: true, t: true, 1: true },
  ...{ false: false, no: false, off: false, f: false, 0: false },
};

export function booleanOf(value: string): boolean {
  const word = value.toLowerCase();
  const meant = Object.hasOwn(YES, word) ? YES[word] : undefined;
  if (meant === undefined) throw objection(`answered ${shown(value)}, which is no yes or no`);
  return meant;
}

/** Bytes of a log as PostgreSQL writes them: 32 bits each side of the slash, hexadecimal. */
const LSN = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i;

export function positionOf(value: string, format: PositionFormat): number {
  const lsn = format === 'lsn' ? LSN.exec(value) : null;
  const position =
    format === 'lsn'
      ? parseInt(lsn?.[1] ?? '', 16) * 2 ** 32 + parseInt(lsn?.[2] ?? '', 16)
      : wholeOf(value);
  if (Number.isSafeInteger(position)) return position;
  const wanted = format === 'lsn' ? 'a position like 16/B374D848' : 'a whole number';
  throw objection(`answered ${shown(value)}, which is not ${wanted}`);
}

export function renderPosition(position: number, format: PositionFormat): string {
  if (format === 'number') return String(position);
  const half = (value: number): string => value.toString(16).toUpperCase();
  return `${half(Math.floor(position / 2 ** 32))}/${half(position % 2 ** 32)}`;
}

export function bytesOf(value: string): number {
  const bytes = wholeOf(value);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw objection(`answered ${shown(value)}, which is no number of bytes`);
}

function wholeOf(value: string): number {
  return /^\d{1,16}$/.test(value) ? Number(value) : NaN;
}

/** Undefined: none, so that it leads. Without a password. */
export function urlOf(value: string): string | undefined {
  if (value === '') return undefined;
  if (/\s/.test(value) || value.length > MAX_URL)
    throw objection(`answered ${shown(value)}, which is no URL`);
  return value.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/@:]*):[^/@]*@/i, '$1@');
}
const MAX_URL = 2_000;

/** One short line, whatever came. */
export function shown(text: string): string {
  if (text.trim() === '') return 'nothing';
  const line = text.replace(/[\u0000-\u001f\u007f\s]+/g, ' ').trim();
  return JSON.stringify(line.length > MAX_SHOWN ? `${line.slice(0, MAX_SHOWN)}…` : line);
}
const MAX_SHOWN = 120;

/** Whoever catches it says which command of which member. */
function objection(text: string, cause?: unknown): LeafwardError {
  return new LeafwardError('failed', text, { cause, retry: 'later' });
}
