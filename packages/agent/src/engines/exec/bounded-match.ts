// Regular expressions from a manifest, over text that a stranger's program printed: each line by itself, cut, and
// never longer than a moment, since some expressions need years for forty letters.
import { createContext, Script } from 'node:vm';
import { LeafwardError } from '@leafward/shared/errors.js';

/** A longer line is no answer; what comes after this is not looked at. */
const MAX_LINE = 1_000;
const MAX_LINES = 10_000;
/** A sane expression needs microseconds for a line. For the whole text. */
const LIMIT_MS = 200;
const TRIES = 5;

const SCRIPT = `
  (() => {
    const found = lines.map((line) => expression.exec(line)).find((match) => match !== null);
    return found === undefined ? undefined : (found[1] ?? found[0]);
  })()`;

let prepared: { readonly script: Script; readonly context: Record<string, unknown> } | undefined;

/**
 * The first group, or all where there is none, of the first line that matches. Undefined: none does.
 * @throws LeafwardError `timeout` for an expression that runs away, `invalid` for one that is none.
 */
export function matchIn(text: string, expression: string): string | undefined {
  // Made when it is first needed: few agents read a line of anybody's.
  prepared ??= {
    script: new Script(SCRIPT),
    context: createContext({}),
  };
  const { script, context } = prepared;
  context['expression'] = compiled(expression);
  context['lines'] = text.split(/\r?\n/, MAX_LINES).map((line) => line.slice(0, MAX_LINE));
  try {
    return withinLimit(() => script.runInContext(context, { timeout: LIMIT_MS })) as
      string | undefined;
  } catch (error) {
    throw new LeafwardError(
      'timeout',
      `the expression ${expression} was not done with its text after ${LIMIT_MS} ms; write one without ` +
        'repetitions within repetitions',
      { cause: error },
    );
  } finally {
    context['lines'] = [];
  }
}

/** The limit counts the time on the wall: a busy machine may have given this program next to none of it. */
function withinLimit(run: () => unknown): unknown {
  for (let left = TRIES; ; left -= 1) {
    const before = process.cpuUsage();
    try {
      return run();
    } catch (error) {
      const usedMs = process.cpuUsage(before).user / 1000;
      if (left <= 1 || usedMs > LIMIT_MS / 2) throw error;
    }
  }
}

function compiled(expression: string): RegExp {
  try {
    return new RegExp(expression);
  } catch (error) {
    throw new LeafwardError('invalid', `${expression} is no regular expression`, { cause: error });
  }
}
