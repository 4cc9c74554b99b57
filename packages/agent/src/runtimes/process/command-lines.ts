// The words of many processes, a few at a time: each takes several turns of a busy machine. Must never wait long for one.
import { within } from '../../checks/single-flight.js';
import { readCommandLine } from './proc.js';

const COMMAND_LINE_MS = 200;
/** What is made of them must still be about the same processes. */
const AT_ONCE = 16;

export async function* commandLines(
  pids: readonly number[],
): AsyncGenerator<readonly [pid: number, words: readonly string[]]> {
  for (let index = 0; index < pids.length; index += AT_ONCE)
    yield* await Promise.all(pids.slice(index, index + AT_ONCE).map(wordsOf));
}

/** One that hangs in the kernel says nothing; it is no wrapper, which only waits. */
async function wordsOf(pid: number): Promise<readonly [number, readonly string[]]> {
  const limit = { what: `command line of ${pid}`, deadlineMs: COMMAND_LINE_MS };
  return [pid, await within(readCommandLine(pid), limit).catch(() => [])];
}
