// Stops whoever must not lead any more, without looking at the host first: whatever a look is waiting for, a fence is
// not (I1). What was seen running last is stopped; everything else about it is left to the next pass.
import type { ContainerState, HostIntent, MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Chains } from './chains.js';
import type { Permits } from './permits.js';
import { isIsolated, isolationGraceMs } from './plan/start.js';
import { mayRun } from './plan/stopped.js';

export interface FencesOptions {
  readonly intents: () => readonly MemberIntent[];
  readonly permits: Pick<Permits, 'of'>;
  readonly chains: Pick<Chains, 'begin' | 'isBusy'>;
  /** Of a member's container, as it was seen last. */
  readonly stateOf: (member: string) => ContainerState | undefined;
}

export interface Fences {
  /**
   * Stops those whom this order retires and the one before did not, be it that it can be remembered or not. One that
   * was retired before and runs is for the pass, which counts it.
   */
  retire(order: HostIntent, before: readonly MemberIntent[]): void;
  /** While a leader has a lease: stops it when that has run out. Begins anew at each call. */
  watch(): void;
  stop(): void;
}

/** Timers stand still in a suspended host, and the lease does not: it is looked at so soon after. */
const LOOK_EVERY_MS = 1000;

export function createFences(options: FencesOptions): Fences {
  const { intents, permits, chains, stateOf } = options;
  let timer: NodeJS.Timeout | undefined;

  const fence = (
    mustStop: (intent: MemberIntent) => boolean,
    cause: string,
    graceOf: (intent: MemberIntent) => number,
  ): void => {
    for (const intent of intents()) {
      const { member } = intent;
      if (!mayRun(stateOf(member) ?? 'absent') || !mustStop(intent)) continue;
      // False: steps are at work on it already. They end soon, and the next pass goes on from there.
      chains.begin(intent, [{ kind: 'stop', member, graceMs: graceOf(intent), cause }]);
    }
  };
  const watch = (): void => {
    clearTimeout(timer);
    const leftMs = intents()
      .filter(({ isolation, role, mirrored }) => {
        return isolation.onIsolation === 'stop' && role === 'leader' && mirrored;
      })
      .map(({ member, term, isolation }) => isolation.leaseMs - permits.of(member, term).ageMs);
    if (leftMs.length === 0) return;
    timer = setTimeout(
      () => {
        fence(
          (intent) => isIsolated({ intent, permit: permits.of(intent.member, intent.term) }),
          'no controller has confirmed its term for its whole lease',
          isolationGraceMs,
        );
        watch();
      },
      Math.min(LOOK_EVERY_MS, ...leftMs.filter((ms) => ms > 0)),
    );
  };
  return {
    retire(order, before) {
      const retiredIn = (members: readonly MemberIntent[]): readonly string[] =>
        members.filter(({ run }) => run === 'retired').map(({ member }) => member);
      const known = new Set(retiredIn(before));
      const fresh = new Set(retiredIn(order.members).filter((member) => !known.has(member)));
      fence(
        ({ member }) => fresh.has(member),
        'an order retires it',
        ({ spec }) => spec.stopGraceMs,
      );
    },
    watch,
    stop: () => clearTimeout(timer),
  };
}
