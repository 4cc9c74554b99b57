// Takes away by itself what the rules of keep let go, after each new backup and now and then, and what cut attempts and
// removals left. Leaves a service alone while an operation goes on with it, and a backup while it is read.
import type { Clock } from '@leafward/shared/clock.js';
import { messageOf } from '@leafward/shared/errors.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { startLoop, type Loop } from '@leafward/shared/loop.js';
import type { Catalogue } from './catalogue.js';
import { judgeService, keptServices, removeJudged, type KeepParts } from './keep.js';
import { backupDirectoryOf } from './place.js';
import { sweepStagings } from '../transfer/sweep.js';
import { createStillWritten, type WrittenParts } from './still-written.js';

export interface KeepLoopParts extends KeepParts, WrittenParts {
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly log: Logger;
  /** Of a service, as far as a controller was heard. */
  readonly operationOn: (service: string) => string | undefined;
  /** The list of backups is another one. */
  readonly onChange: () => void;
}

/** As often as backups are looked for; a new one wakes it at once. It costs a look at each directory. */
const EVERY_MS = 60_000;
/** What is not removed by then is swept in the next pass. */
const DEADLINE_MS = 30 * 60_000;

export function startKeepLoop(parts: KeepLoopParts): Loop {
  return startLoop({
    name: 'keep',
    clock: parts.clock,
    log: parts.log,
    everyMs: EVERY_MS,
    deadlineMs: DEADLINE_MS,
    pass: (signal) => keepPass(parts, signal),
  });
}

/** One sentence on what was removed, if anything. */
export async function keepPass(
  parts: KeepLoopParts,
  signal: AbortSignal,
): Promise<string | undefined> {
  const did = [...(await clean(parts, signal)), ...(await sweepArrivals(parts))];
  for (const service of keptServices(parts)) {
    if (parts.operationOn(service) === undefined)
      did.push(...(await prune(service, parts, signal)));
  }
  if (did.length === 0) return undefined;
  parts.onChange();
  return did.join('; ');
}

async function clean(parts: KeepLoopParts, signal: AbortSignal): Promise<readonly string[]> {
  const isWritten = createStillWritten(parts, signal);
  try {
    return await parts.catalogue.clean({ directories: directoriesOf(parts), isWritten }, signal);
  } catch (error) {
    // What cannot be taken away must not keep the rules from making room.
    parts.log.error({ err: error }, `remains of backups are left: ${messageOf(error)}`);
    return [];
  }
}

async function sweepArrivals(parts: KeepLoopParts): Promise<readonly string[]> {
  const requests = Object.values(parts.journal.state.requests);
  return sweepStagings({
    directories: directoriesOf(parts),
    isArriving: (name) =>
      requests.some(
        ({ request, outcome }) =>
          outcome === undefined && request?.kind === 'receive-backup' && request.backup === name,
      ),
    now: parts.clock.now(),
  });
}

async function prune(
  service: string,
  parts: KeepLoopParts,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const judged = await judgeService(service, parts);
  if (judged === undefined) return [];
  const removed: string[] = [];
  await removeJudged(
    judged,
    parts,
    ({ name, path, reason }) => {
      removed.push(`removed ${service}/${name} (${reason})`);
      parts.log.info({ path, service }, `removed the backup ${path}: ${reason}`);
      parts.onChange();
    },
    signal,
  );
  return removed;
}

/** Where the backups of this host's members lie. */
export function directoriesOf({ journal }: Pick<WrittenParts, 'journal'>): readonly string[] {
  const members: readonly MemberIntent[] = journal.state.intent?.members ?? [];
  return [...new Set(members.map(({ spec }) => backupDirectoryOf(spec)))];
}
