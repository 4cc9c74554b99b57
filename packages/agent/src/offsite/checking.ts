// The repository read again by restic: what was found of the copies of one service. Changes nothing in it.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { OffsiteCopy } from '@leafward/shared/gen/domain.js';
import { filterOf } from './copy-tags.js';
import { createTeller } from './progress.js';
import type { Repository } from './repository.js';
import { wordsOf } from './restic-error.js';
import { parseProgress } from './restic-output.js';
import type { CopyTurn } from './copying.js';

export interface Checked {
  readonly at: number;
  /** Some of the data were read, and not only what lists them. */
  readonly hasReadData: boolean;
  /** What is wrong with the repository; undefined: nothing was found. */
  readonly problem: string | undefined;
  /** Ids of the service's snapshots that are there. */
  readonly snapshots: ReadonlySet<string>;
}

const DAMAGED =
  /repository contains errors|LoadIndex returned errors|invalid data returned|ciphertext verification failed/i;

/** @throws LeafwardError when it could not be checked, which says nothing of the copies. */
export async function checkRepository(
  repository: Repository,
  { service, dataPercent }: { readonly service: string; readonly dataPercent: number },
  { onProgress, signal }: Omit<CopyTurn, 'host'>,
): Promise<Checked> {
  const what = `check the copies in ${repository.shown}`;
  const { clock } = repository.parts;
  const tell = createTeller('checked', clock, onProgress);
  const errors: string[] = [];
  const subset = dataPercent === 0 ? [] : [`--read-data-subset=${Math.min(100, dataPercent)}%`];
  onProgress('reading what lists the data');
  const end = await repository.attempt(
    {
      what,
      arguments: ['check', ...subset],
      onLine: (line) => {
        if (DAMAGED.test(line) && errors.length < 5) errors.push(line);
        tell(parseProgress(line));
      },
      onProgress,
    },
    signal,
  );
  const isDamaged = end.exitCode !== 0 && (errors.length > 0 || DAMAGED.test(end.stderr));
  if (end.exitCode !== 0 && !isDamaged) throw await repository.failure(what, end);
  const problem = isDamaged ? `the repository is damaged: ${wordsOf(end)}` : undefined;
  const listed = await repository.snapshots({ tags: filterOf({ service }) }, signal);
  const snapshots = new Set(listed.map(({ id }) => id));
  return { at: clock.now(), hasReadData: dataPercent > 0, problem, snapshots };
}

/** A copy of that repository as it is known now. Undefined: it is there no more, and so it is no copy. */
export function checkedCopy(
  copy: OffsiteCopy,
  { at, hasReadData, problem, snapshots }: Checked,
): OffsiteCopy | undefined {
  if (![...snapshots].some((id) => id.startsWith(copy.snapshot))) return undefined;
  const { problem: _, ...rest } = copy;
  if (problem !== undefined) return { ...rest, problem: problem.slice(0, 900) };
  // What was found damaged in the data is found right by reading data only.
  if (!hasReadData) return copy;
  return { ...rest, checkedAt: at };
}

export function refuseDamaged(what: string, { problem }: Checked): void {
  if (problem === undefined) return;
  throw new LeafwardError(
    'failed',
    `${what}: ${problem}; copies to it count as damaged until a check finds nothing. Keep the repository for what can ` +
      'still be read of it, and copy to a new one, or repair it as restic’s manual says',
  );
}
