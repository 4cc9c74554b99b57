// Which entries of its members' logs a host's agent is asked to tell, with the answer to its report. Reads, decides
// nothing (planning/histories.ts does); asked at every report, so it looks at the services of that host only.
import type { HistoryWish, HistoryWishes } from '@leafward/shared/gen/domain.js';
import type { Fleet } from './fleet.js';
import { compareEveryMs } from './planning/divergence.js';
import { wishesOf, type Watched } from './planning/histories.js';
import { FRESH_MS } from './planning/thresholds.js';
import type { ServiceState } from './snapshot.js';

type Known = Pick<Fleet, 'intent' | 'services' | 'operations' | 'host'>;

/** Undefined: nothing is asked. `now`: the controller's clock. */
export function wishesFor(fleet: Known, host: string, now: number): HistoryWishes | undefined {
  const members = fleet.intent(host)?.members ?? [];
  const names = new Set(members.map(({ service }) => service));
  const here = new Set(members.map(({ member }) => member));
  const wishes = [...names].flatMap((name): readonly HistoryWish[] => {
    const state = fleet.services()[name];
    if (state === undefined) return [];
    return Object.entries(wishesOfService(fleet, name, state, now))
      .filter(([member, offsets]) => here.has(member) && offsets.length > 0)
      .map(([member, offsets]) => ({ member, offsets }));
  });
  return wishes.length === 0 ? undefined : { wishes };
}

function wishesOfService(
  fleet: Known,
  service: string,
  { declaration, topology }: ServiceState,
  now: number,
): Readonly<Record<string, readonly number[]>> {
  const everyMs = compareEveryMs(declaration);
  const mirrors = Object.keys(topology.upstreams).filter((name) => name !== topology.leader);
  if (everyMs === 0 || mirrors.length === 0) return {};
  const watched = (member: string): Watched => {
    const host = declaration.members.find(({ name }) => name === member)?.host;
    const live = host === undefined ? undefined : fleet.host(host);
    const received = live?.members[member];
    return {
      member,
      fact: received?.value,
      isFresh:
        live?.session !== undefined &&
        received !== undefined &&
        now - received.receivedAt <= FRESH_MS,
      clockOffsetMs: live?.clockOffsetMs ?? 0,
    };
  };
  return wishesOf({
    service,
    everyMs,
    now,
    isBusy: fleet.operations().some(({ services }) => services.includes(service)),
    leader: watched(topology.leader),
    mirrors: mirrors.sort().map(watched),
  });
}
