// Warnings in a member's log that something that is used is going away: which, how often, since when. In memory only, and
// since the container of this image was made: what an older version warned of is over.
import type { Clock } from '@leafward/shared/clock.js';
import type { ContainerFact, Deprecation, Deprecations } from '@leafward/shared/gen/domain.js';
import type { Runtime } from '../runtimes/runtime.js';
import { tail, withoutSecrets } from './output.js';

export interface DeprecationLook {
  readonly member: string;
  readonly runtime: Runtime;
  readonly container: ContainerFact;
  /** Takes the values of secrets out of a text. */
  readonly redact: (text: string) => string;
}

export interface DeprecationReader {
  /** Reads what is new in the log, once a minute at most. Undefined: there were none. Never throws. */
  look(look: DeprecationLook, signal: AbortSignal): Promise<Deprecations | undefined>;
}

/** Nobody needs to know sooner, and a log costs a call of the Engine. */
const EVERY_MS = 60_000;
/** A busy service warns often; what is older than these was never read. */
const MAX_LINES = 500;
/** Distinct ones; others are counted. */
const MAX_TEXTS = 20;
const MAX_CHARS = 200;
/** Read again and recognised: what was printed while the last look read. */
const OVERLAP_MS = 5000;
const MARK_LINES = 3;

interface Memory {
  readonly image: string;
  readonly texts: Map<string, Deprecation>;
  unlisted: number;
  readAtMs: number;
  /** Wall clock. */
  sinceMs: number;
  /** The last lines that were read. */
  mark: readonly string[];
}

export function createDeprecationReader(clock: Clock): DeprecationReader {
  const memories = new Map<string, Memory>();
  return {
    async look({ member, runtime, container, redact }, signal) {
      const memory = memoryFor(memories, member, container);
      const isDue = clock.monotonic() - memory.readAtMs >= EVERY_MS;
      if (container.state === 'running' && isDue) {
        memory.readAtMs = clock.monotonic();
        const { sinceMs } = memory;
        memory.sinceMs = clock.now() - OVERLAP_MS;
        const lines = await tail(runtime, { member, sinceMs, maxLines: MAX_LINES, signal });
        for (const line of newAfter(lines, memory.mark)) {
          const text = deprecationIn(line);
          if (text !== undefined) count(memory, redact(text), clock.now());
        }
        if (lines.length > 0) memory.mark = lines.slice(-MARK_LINES);
      }
      if (memory.texts.size === 0) return undefined;
      return { deprecations: [...memory.texts.values()], unlisted: memory.unlisted };
    },
  };
}

function memoryFor(
  memories: Map<string, Memory>,
  member: string,
  { imageDigest, startedAt }: ContainerFact,
): Memory {
  const known = memories.get(member);
  const image = imageDigest ?? known?.image ?? '';
  if (known?.image === image) return known;
  const fresh: Memory = {
    ...{ image, texts: new Map<string, Deprecation>(), unlisted: 0, mark: [] },
    ...{ readAtMs: -Infinity, sinceMs: startedAt ?? 0 },
  };
  memories.set(member, fresh);
  return fresh;
}

/** A log file gives lines that were read before: what comes after the last of them is new. */
function newAfter(lines: readonly string[], mark: readonly string[]): readonly string[] {
  if (mark.length === 0) return lines;
  for (let end = lines.length; end >= mark.length; end -= 1) {
    const isMark = mark.every((line, index) => lines[end - mark.length + index] === line);
    if (isMark) return lines.slice(end);
  }
  return lines;
}

function count(memory: Memory, text: string, now: number): void {
  const known = memory.texts.get(text);
  if (known === undefined && memory.texts.size >= MAX_TEXTS) {
    memory.unlisted += 1;
    return;
  }
  const { count: before, firstSeenAt } = known ?? { count: 0, firstSeenAt: now };
  memory.texts.set(text, { text, count: before + 1, firstSeenAt, lastSeenAt: now });
}

const STAMP = /^\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?\s*/;
const LEVEL = /^\[?(?:DEBUG|INFO|NOTICE|WARNING|WARN|ERROR)\]?:?\s+/;
/** Where it was logged from: [common.py:deprecated:MainThread:MainProcess] */
const ORIGIN = /\s*\[[^\]\s]*:[^\]]*\]\s*$/;

/** The warning's own words, of a plain line or a structured one; undefined: it is none. */
export function deprecationIn(line: string): string | undefined {
  if (!/\bdeprecat(?:ed|ion)\b/i.test(line)) return undefined;
  const said = messageIn(line).replace(STAMP, '').replace(LEVEL, '').replace(ORIGIN, '').trim();
  if (!/\bdeprecat(?:ed|ion)\b/i.test(said)) return undefined;
  return withoutSecrets(said).slice(0, MAX_CHARS);
}

function messageIn(line: string): string {
  if (!line.startsWith('{')) return line;
  try {
    const { message } = JSON.parse(line) as { readonly message?: unknown };
    return typeof message === 'string' ? message : line;
  } catch {
    return line;
  }
}
