// A line of a member's log for a terminal: structured ones with their time, level and logger, plain ones as they are.
// Pure.
import type { LogLevel, LogLine } from '@leafward/shared/gen/domain.js';
import type { Colour, Style } from './style.js';
import { padEnd } from './text.js';

const COLOURS: Readonly<Record<LogLevel, Colour | undefined>> = {
  debug: 'dim',
  info: undefined,
  warning: 'yellow',
  error: 'red',
  critical: 'red',
};

/** `width`: of the column of members. */
export function renderLogLine(line: LogLine, width: number, { paint }: Style): string {
  const { member, level, logger, message, detail } = line;
  const prefix = paint('dim', `${padEnd(member, width)} |`);
  const colour = level === undefined ? undefined : COLOURS[level];
  const text =
    logger === undefined
      ? message
      : `${timeOf(line.at)} ${(level ?? '').toUpperCase().padEnd(8)} ${logger}: ${message}`;
  const below = (detail ?? '').split('\n').filter((one) => one !== '');
  return [text, ...below.map((one) => `    ${one}`)]
    .map((one) => `${prefix} ${colour === undefined ? one : paint(colour, one)}`.trimEnd())
    .join('\n');
}

/** UTC, as all times here. */
const timeOf = (at: number | undefined): string =>
  at === undefined ? ' '.repeat(23) : new Date(at).toISOString().slice(0, 23).replace('T', ' ');
