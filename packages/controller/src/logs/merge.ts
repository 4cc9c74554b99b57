// In which order lines of several hosts are passed on. Pure.
import type { Source } from './source.js';

/** How long a new line waits for older ones that are still on their way from other hosts. */
export const HOLD_MS = 400;
/** An agent that has said nothing of its past for so long is not waited for. */
const PATIENCE_MS = 10_000;

/** Whose first line may be passed on now; undefined: nobody's yet. `now` is monotonic. */
export function nextSource(sources: readonly Source[], now: number): Source | undefined {
  const isAwaited = ({ state, queue, heardAt }: Source): boolean =>
    queue.length === 0 && (state === 'asked' || state === 'past') && now - heardAt < PATIENCE_MS;
  if (sources.some(isAwaited)) return undefined;
  let first: Source | undefined;
  for (const source of sources) {
    const [head] = source.queue;
    const [before] = first?.queue ?? [];
    if (head !== undefined && (before === undefined || head.key < before.key)) first = source;
  }
  const [head] = first?.queue ?? [];
  const isAlone = sources.length === 1;
  const isRipe =
    head !== undefined && (isAlone || first?.state !== 'live' || now - head.arrivedAt >= HOLD_MS);
  return isRipe ? first : undefined;
}
