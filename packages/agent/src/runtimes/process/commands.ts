// Commands of members as processes beside them: as the member's user, with its environment, in its storage. Knows
// which run, so that none is taken for somebody else on a storage (I9); ends those whose agent has died.
import type { Clock } from '@leafward/shared/clock.js';
import { endCommand, killAll } from '../command-end.js';
import {
  isOrphan,
  markedProcesses,
  markOf,
  storageInMark,
  type MarkedProcess,
} from '../command-mark.js';
import type { Command, CommandResult, ContainerSpec, ForeignContainer } from '../runtime.js';
import { runChild, type Begun } from './child.js';
import { groupLives, isAlive, livingInSession, readStat, type ProcessStat } from './proc.js';
import { resolveUser } from './user.js';
import { writesOf } from './member-files.js';
import { environmentOf } from './wrapper.js';

export interface ProcessCommands {
  /** `image`: the stored copy, in place of {image}. */
  run(
    container: ContainerSpec,
    command: Command,
    image: string | undefined,
    signal: AbortSignal,
  ): Promise<CommandResult>;
  /** Leaders of the sessions that are commands. */
  sessions(): readonly number[];
  list(): readonly ForeignContainer[];
  /** Leaves out what a command that runs has begun and put into a session of its own, as pg_ctl does. */
  withoutOwn<T extends Pick<ProcessStat, 'pid'>>(found: readonly T[]): Promise<readonly T[]>;
  /** Kills what an agent that has died left running. */
  endOrphans(): Promise<void>;
}

interface Running extends Begun {
  readonly container: ContainerSpec;
}

export function createCommands(clock: Clock): ProcessCommands {
  const running = new Set<Running>();
  let orphans: readonly MarkedProcess[] = [];
  const tidy = (): void => {
    for (const one of running) if (!isThere(one) && !leftSomething(one)) running.delete(one);
    orphans = orphans.filter(isThere);
  };
  return {
    async run(container, command, image, signal) {
      const { spec } = container;
      const user = process.getuid?.() === 0 ? await resolveUser(spec.user) : undefined;
      const argv = command.argv.map((word) => word.replaceAll('{image}', image ?? '{image}'));
      const { storage, environment } = spec;
      return runChild(
        {
          ...command,
          argv,
          user,
          environment: environmentOf({ environment, user, storage }),
          directory: storage,
          storage,
          clock,
          onBegin: (begun) => running.add({ ...begun, container }),
        },
        signal,
      ).finally(tidy);
    },
    sessions: () => [...running].map(({ pid }) => pid),
    list: () => {
      tidy();
      const own = [...running].map(({ pid, container }) => ({
        ...nameless,
        name: `process ${pid} (a command of ${container.member})`,
        member: container.member,
        command: true,
        writes: writesOf(container.spec),
      }));
      const left = orphans.map(({ pid, mark }) => ({
        ...nameless,
        name: `process ${pid} (a command of an agent that has ended)`,
        writes: [storageInMark(mark)],
      }));
      return [...own, ...left];
    },
    withoutOwn: async (found) => {
      const own = new Set<string | undefined>([...running].map(({ mark }) => mark));
      const marks = await Promise.all(found.map(({ pid }) => markOf(pid)));
      return found.filter((_, index) => !own.has(marks[index]));
    },
    endOrphans: async () => {
      orphans = await markedProcesses(isOrphan);
      killAll(orphans);
      for (const mark of new Set(orphans.map((one) => one.mark))) await endCommand({ mark, clock });
      tidy();
    },
  };
}

function isThere({ pid, startTicks }: Pick<ProcessStat, 'pid' | 'startTicks'>): boolean {
  const stat = readStat(pid);
  return stat?.startTicks === startTicks && isAlive(stat);
}

/** Its first process is gone, and its others would not end. */
function leftSomething({ pid, startTicks }: Begun): boolean {
  return groupLives(pid) && livingInSession(pid, startTicks).length > 0;
}

const nameless = { running: true, restartPolicy: 'no', networkMode: 'host' } as const;
