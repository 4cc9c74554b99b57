// What a line of a member's output says of itself: when, how grave, by whom. Structured lines of Synapse are JSON
// objects (devops guide, "Configure Logging"); of plain ones only the time and the level are looked for. Pure.
import type { LogLevel, LogLine } from '@leafward/shared/gen/domain.js';

export type ParsedLine = Omit<LogLine, 'member'>;

/** Of a traceback; what comes after is cut. */
const MOST_DETAIL_CHARS = 8 * 1024;

const LEVELS: Readonly<Record<string, LogLevel>> = {
  DEBUG: 'debug',
  INFO: 'info',
  NOTICE: 'info',
  LOG: 'info',
  WARN: 'warning',
  WARNING: 'warning',
  ERROR: 'error',
  CRITICAL: 'critical',
  FATAL: 'critical',
  PANIC: 'critical',
};
const RANKS: Readonly<Record<LogLevel, number>> = {
  debug: 1,
  info: 2,
  warning: 3,
  error: 4,
  critical: 5,
};

/** `at`: when the runtime says that it was written; it wins over the line's own word. */
export function parseLine(text: string, at?: number): ParsedLine {
  const record = recordIn(text);
  if (record !== undefined) return structured(record, text, at);
  const head = text.slice(0, 80);
  const level = /(?:^|[\s[|])([A-Z]{3,8})(?=[\]:|\s]|$)/g;
  const found = [...head.matchAll(level)].find(([, word = '']) => word in LEVELS)?.[1];
  return without({
    at: at ?? timeIn(head),
    level: found === undefined ? undefined : LEVELS[found],
    message: text,
  });
}

/** True: it is at least as grave, or nobody knows how grave it is. */
export const isAtLeast = (line: ParsedLine, least: LogLevel | undefined): boolean =>
  least === undefined || line.level === undefined || RANKS[line.level] >= RANKS[least];

/** Indented: a part of what was said before it, as the lines of a traceback. */
export const continues = ({ level, logger, message }: ParsedLine): boolean =>
  level === undefined && logger === undefined && /^\s/.test(message);

/**
 * The time at the beginning, with the zone that it names or else this host's. `2021-06-28 15:47:54,825` is how
 * Python's logging writes it.
 */
export function timeIn(text: string): number | undefined {
  const found =
    /^\W?(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s?(Z|UTC|[+-]\d\d:?\d\d)?/.exec(
      text,
    );
  if (found === null) return undefined;
  const [, day = '', time = '', fraction = '', zone = ''] = found;
  const milliseconds = fraction.padEnd(3, '0').slice(0, 3);
  const at = Date.parse(`${day}T${time}.${milliseconds}${zone.replace('UTC', 'Z')}`);
  return Number.isNaN(at) ? undefined : at;
}

type JsonObject = Readonly<Record<string, unknown>>;

function recordIn(text: string): JsonObject | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    const isRecord = isObject(value) && typeof value['message'] === 'string';
    return isRecord ? value : undefined;
  } catch {
    return undefined;
  }
}

function structured(record: JsonObject, text: string, at: number | undefined): ParsedLine {
  const { logger } = record;
  const name = isObject(logger) ? logger['name'] : logger;
  return without({
    at: at ?? timeIn(textOf(record['time']) ?? ''),
    level: LEVELS[textOf(record['level']) ?? ''],
    logger: textOf(name) ?? '',
    message: textOf(record['message']) ?? '',
    detail: detailOf(record),
    record: text,
  });
}

/** `err` up to 2.2xx, `error` after it: the name of what was raised, its words, and where. */
function detailOf(record: JsonObject): string | undefined {
  const error = isObject(record['error']) ? record['error'] : record['err'];
  if (!isObject(error)) return undefined;
  const name = textOf(error['errname']) ?? textOf(error['code']) ?? textOf(error['ename']);
  const words = textOf(error['mesg']);
  const head = [name, words].filter((part) => part !== undefined && part !== '').join(': ');
  const trace = textOf(error['etb'])?.trimEnd() ?? traceOf(error['traceback']);
  const detail = [trace, head].filter((part) => part !== undefined && part !== '').join('\n');
  return detail === '' ? undefined : detail.slice(0, MOST_DETAIL_CHARS);
}

/** A list of [file, line, function, source]. */
function traceOf(value: unknown): string | undefined {
  if (!Array.isArray(value)) return undefined;
  return value
    .flatMap((one: unknown) =>
      Array.isArray(one) ? [`  ${String(one[0])}:${String(one[1])} in ${String(one[2])}`] : [],
    )
    .join('\n');
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined;

/** Without fields that are not known: they are not sent. */
function without(line: ParsedLine): ParsedLine {
  const entries = Object.entries(line).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as unknown as ParsedLine;
}
