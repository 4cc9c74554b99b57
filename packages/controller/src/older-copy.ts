// Whether this controller's store is an older copy that was put back: an agent knows an order, a term or a controller
// that the store has forgotten. What was forgotten decides nothing: from the first such word on nothing is ordered, and
// only leaders that run in a term that nobody contradicts are confirmed. In memory: agents say it again.
import type { Hello, Permit, Report } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import type { Fleet } from './fleet.js';
import { permitsFor } from './permits.js';
import type { OlderCopy } from './snapshot.js';

export interface OlderCopies {
  found(): OlderCopy | undefined;
  /** The first word counts. */
  note(copy: OlderCopy): void;
}

export function createOlderCopies(): OlderCopies {
  let found: OlderCopy | undefined;
  return { found: () => found, note: (copy) => void (found ??= copy) };
}

type Known = Pick<Fleet, 'epoch' | 'intent' | 'services' | 'rebuild' | 'olderCopy'>;

export interface ToldOptions {
  readonly fleet: Known;
  readonly log: Logger;
  /** Wall clock. */
  readonly now: () => number;
}

/** What agents have said of terms since this controller started, and what follows from it. */
export interface Told {
  hello(hello: Hello): void;
  report(host: string, report: Report): void;
  /** Of this host, whose newest report this is. */
  permits(host: string, report: Report): readonly Permit[];
}

export function createTold({ fleet, log, now }: ToldOptions): Told {
  /** By service: the newest term that an agent has said it lives in. */
  const terms = new Map<string, number>();
  const note = (host: string, what: string | undefined): void => {
    if (what === undefined || fleet.olderCopy.found() !== undefined) return;
    fleet.olderCopy.note({ host, what, at: now() });
    log.error(
      { host },
      `the store is an older copy that was put back: ${what}; nothing is ordered any more until it is made anew: leafward-controller rebuild --set-aside`,
    );
  };
  return {
    hello: (hello) => note(hello.host, forgottenByHello(fleet, hello)),
    report(host, { members }) {
      for (const { service, term } of members)
        terms.set(service, Math.max(term, terms.get(service) ?? 0));
      note(host, forgottenByReport(fleet, host, members));
    },
    permits: (host, { members }) =>
      permitsFor(fleet.intent(host), fleet.services(), fleet.epoch).filter((permit) => {
        if ((terms.get(permit.service) ?? 0) > permit.term) return false;
        if (fleet.olderCopy.found() === undefined) return true;
        const fact = members.find(({ member }) => member === permit.member);
        return fact?.term === permit.term && fact.container.state === 'running';
      }),
  };
}

/** What a lost store does not know it asks for; that is no older copy. */
const isRebuilding = ({ rebuild }: Known): boolean => {
  const state = rebuild();
  return state !== undefined && state.endedAt === undefined;
};

/** Of a host that was never ordered anything, an agent may remember an earlier life. */
function forgottenByHello(fleet: Known, hello: Hello): string | undefined {
  const known = fleet.intent(hello.host);
  if (known === undefined || isRebuilding(fleet)) return undefined;
  const epoch = Math.max(hello.epoch, hello.newestEpoch ?? 0);
  if (hello.generation > known.generation)
    return `${hello.host} has order ${hello.generation}, and the store knows none after ${known.generation}`;
  return epoch > fleet.epoch
    ? `${hello.host} has heard of controller epoch ${epoch}, and the store has come to ${fleet.epoch}`
    : undefined;
}

function forgottenByReport(
  fleet: Known,
  host: string,
  members: Report['members'],
): string | undefined {
  if (isRebuilding(fleet)) return undefined;
  const orders = fleet.intent(host)?.members ?? [];
  for (const { member, service, term } of members) {
    const begun = fleet.services()[service]?.topology.term;
    // A fence is ordered in the term that begins when somebody was chosen.
    const ordered = orders.find((one) => one.member === member)?.term ?? 0;
    if (begun !== undefined && term > Math.max(begun, ordered))
      return `${member} lives in term ${term} of ${service}, and the store knows none after ${begun}`;
  }
  return undefined;
}
