// Permits and the dead-man that keeps them, put together: whoever renews a permit moves a deadline, and what is seen of
// members decides for whom there is one. Nothing else knows of both.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock } from '@leafward/shared/clock.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import type { Journal } from '../journal.js';
import type { Observer } from '../observe.js';
import { hostMonotonicMs, openPermits, type Permits } from '../permits.js';
import { createDeadman, type Deadman } from './deadman.js';
import { deadmanDirectory } from './directory.js';
import { createKeeper } from './keeper.js';

/** Who keeps the deadlines, and where. */
export interface DeadmanPlace {
  /** Default: below the state directory. */
  readonly directory?: string | undefined;
  /** Started when nobody looks at the deadlines; undefined: nobody is. */
  readonly program?: string | undefined;
  /** How long to wait for somebody else to start it. Default 0. */
  readonly patienceMs?: number | undefined;
}

export interface Guard {
  readonly permits: Permits;
  readonly deadman: Deadman;
  /** The same observer, whose looks the dead-man is told of. */
  watching(observer: Observer): Observer;
}

export interface GuardParts {
  readonly config: { readonly stateDirectory: string };
  readonly bootId: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly journal: Journal;
  readonly deadman?: DeadmanPlace | undefined;
}

export function openGuard(parts: GuardParts, isBusy: (member: string) => boolean): Guard {
  const { bootId, clock, log, journal, deadman: place = {} } = parts;
  const { stateDirectory } = parts.config;
  const monotonic = hostMonotonicMs;
  const permits = openPermits({
    monotonic,
    path: join(stateDirectory, 'permits.json'),
    bootId,
  });
  const directory = deadmanDirectory(place.directory ?? join(stateDirectory, 'run'), bootId);
  const { program, patienceMs = 0 } = place;
  const deadman = createDeadman({
    directory,
    keeper: createKeeper({ directory, monotonic, log, program, patienceMs }),
    stateDirectory,
    bootId,
    permits,
    intents: (): readonly MemberIntent[] => journal.state.intent?.members ?? [],
    isBusy,
    monotonic,
    now: () => clock.now(),
    log,
  });
  return {
    permits: armingPermits(permits, deadman),
    deadman,
    watching: (observer) => ({
      ...observer,
      observe: async (waitingSince, signal) => {
        const observed = await observer.observe(waitingSince, signal);
        deadman.looked(observed.members);
        return observed;
      },
    }),
  };
}

function armingPermits(permits: Permits, deadman: Deadman): Permits {
  const expected = new Map<string, number>();
  return {
    ...permits,
    renew(given, sentAt) {
      const refused = permits.renew(given, sentAt);
      if (given.length > 0) deadman.rearm();
      return refused;
    },
    expect(member, term) {
      permits.expect(member, term);
      // Said at every look, new once a term.
      if (expected.get(member) !== term) deadman.rearm();
      expected.set(member, term);
    },
  };
}

/** A unit of its own keeps the deadlines: it is up within this, or the agent does it. */
const UNIT_PATIENCE_MS = 5000;

/**
 * Under systemd in the unit's runtime directory, which lies in memory and which leafward-deadman.service looks at; else
 * below the state directory, with a dead-man that the agent starts itself.
 */
export function deadmanPlace(
  environment: Readonly<Record<string, string | undefined>>,
  agentProgram: string | undefined,
): DeadmanPlace {
  const [directory] = (environment['RUNTIME_DIRECTORY'] ?? '').split(':');
  const beside = agentProgram === undefined ? [] : besideOf(dirname(agentProgram));
  const program = [environment['LEAFWARD_DEADMAN'], ...beside].find(
    (path) => path !== undefined && existsSync(path),
  );
  return directory === undefined || directory === ''
    ? { program }
    : { directory, program, patienceMs: UNIT_PATIENCE_MS };
}

/** Installed beside the bundled agent; in the source tree beside what is built. */
const besideOf = (directory: string): readonly string[] => [
  join(directory, 'leafward-deadman'),
  join(directory, '../deadman/leafward-deadman'),
];
