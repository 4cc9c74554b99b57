// That a member ended although its order wants it to run: since when, by whose word, and how long it is left alone so
// that a failover may begin first. In memory only. What this agent, or its dead-man, stopped has not died.
import { constants } from 'node:os';
import type { Clock } from '@leafward/shared/clock.js';
import type { ContainerFact, Death, MemberIntent } from '@leafward/shared/gen/domain.js';
import type { ObservedEnd } from '../plan/observed.js';
import { mayRun } from '../plan/stopped.js';

/** One look at a member's container. */
export interface Sight {
  readonly intent: MemberIntent;
  readonly container: ContainerFact;
  /** Monotonic milliseconds: when the runtime was asked. */
  readonly askedAtMs: number;
  /** Whether this agent left it running. Asked only of one that does not run. */
  readonly isExpected: () => boolean;
  /** This agent has begun after it: what it sees may be long over. */
  readonly isFirst: boolean;
}

export interface Deaths {
  /** True: it has died, and nobody knew. */
  saw(sight: Sight): boolean;
  started(member: string): void;
  /** Undefined: it lives, as far as is known, or is not to run. */
  of(intent: MemberIntent): (ObservedEnd & { readonly container: ContainerFact }) | undefined;
}

interface Known {
  readonly death: Death;
  readonly container: ContainerFact;
  readonly seenAtMs: number;
  /** The order under which it is left alone: another one holds nobody. */
  readonly heldUnder: string | undefined;
}

export function createDeaths(clock: Clock, orderKeyOf: (intent: MemberIntent) => string): Deaths {
  const known = new Map<string, Known>();
  return {
    saw({ intent, container, askedAtMs, isExpected, isFirst }) {
      const { member } = intent;
      const before = known.get(member);
      const isSince = before === undefined || askedAtMs >= before.seenAtMs;
      if (intent.run !== 'running' || (mayRun(container.state) && isSince)) known.delete(member);
      if (intent.run !== 'running' || before !== undefined) return false;
      const isGone = container.state === 'exited' || container.state === 'absent';
      if (!isGone || !isExpected()) return false;
      const death = deathOf(container, clock.now());
      // What was told to end with its host, or while no agent ran, starts with it.
      const heldUnder = isFirst && death.asked ? undefined : orderKeyOf(intent);
      known.set(member, { death, container, seenAtMs: clock.monotonic(), heldUnder });
      return true;
    },
    started: (member) => void known.delete(member),
    of(intent) {
      const died = known.get(intent.member);
      if (died === undefined || intent.run !== 'running') return undefined;
      const { death, container, seenAtMs, heldUnder } = died;
      const isLeader = intent.role === 'leader' && intent.mirrored;
      const isHeld = isLeader && heldUnder === orderKeyOf(intent);
      const untilMs = isHeld ? seenAtMs + (intent.restartAfterMs ?? 0) : 0;
      // Whole: it becomes a deadline, and deadlines are whole on the wire.
      const heldMs = Math.ceil(Math.max(0, untilMs - clock.monotonic()));
      return { death, heldMs, container };
    },
  };
}

/** 128 + SIGTERM, as shells and runtimes say it. */
const TERMINATED = 128 + constants.signals.SIGTERM;

/** One that ended in order, or by a signal that asks, was told to by somebody. */
export function deathOf(container: ContainerFact, now: number): Death {
  const { exitCode, state, error } = container;
  const asked = state === 'exited' && (exitCode === 0 || exitCode === TERMINATED);
  const why = error === undefined || state === 'absent' ? '' : `: ${error}`;
  return { seenAt: now, asked, word: `${endOf(container)}${why}` };
}

function endOf({ exitCode, state }: ContainerFact): string {
  if (state === 'absent') return 'what it ran in is gone';
  if (exitCode === undefined) return 'it is gone and left no exit code';
  const [name] =
    Object.entries(constants.signals).find(([, number]) => exitCode === 128 + number) ?? [];
  return `exit code ${exitCode}${name === undefined ? '' : ` (${name})`}`;
}
