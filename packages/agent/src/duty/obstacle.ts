// Why no backup of a member, or no drill on its host, may begin at this moment (I10). Pure. An act that would be refused or
// fail at once is no attempt: it waits, and another member takes over when it waits too long.
import type { MemberFact, MemberIntent, Request } from '@leafward/shared/gen/domain.js';
import type { RequestRecord } from '../journal/records.js';

export interface Surroundings {
  readonly requests: Readonly<Record<string, RequestRecord>>;
  readonly facts: readonly MemberFact[];
  /** True while a chain of steps works on the member. */
  readonly isBusy: (member: string) => boolean;
  /** An operation on the service, as far as its controller was heard. */
  readonly operation?: string | undefined;
}

/** Read or write a whole backup: two at once would take twice as long, and room that nobody has reckoned. */
const HEAVY: ReadonlySet<Request['kind']> = new Set([
  'run-backup',
  'drill-backup',
  'restore-backup',
  'fetch-backup',
  'receive-backup',
  'cold-backup',
  'optimize-storage',
  'migrate-storage',
]);
/** What is done to a member excludes a backup of it. */
const EXCLUSIVE: ReadonlySet<Request['kind']> = new Set([
  'promote',
  'step-down',
  'trim-log',
  'take-snapshot',
  'restart-member',
]);

/** Of the host: whatever member it is about. */
export function heavyWork({ requests }: Pick<Surroundings, 'requests'>): string | undefined {
  const heavy = open(requests).find(({ kind }) => HEAVY.has(kind));
  return heavy === undefined ? undefined : `${heavy.kind} of ${heavy.member} is at work here`;
}

export function obstacleTo(intent: MemberIntent, around: Surroundings): string | undefined {
  const { member, run } = intent;
  const other = open(around.requests).find(
    (request) => request.member === member && EXCLUSIVE.has(request.kind),
  );
  if (run !== 'running') return `${member} shall be ${run}`;
  if (other !== undefined) return `${other.kind} of ${member} is at work`;
  if (around.isBusy(member)) return `steps are at work on ${member}`;
  if (around.operation !== undefined) return `operation ${around.operation} is going on (I10)`;
  return heavyWork(around) ?? illness(around.facts.find((fact) => fact.member === member));
}

/** A mirror without its upstream would be backed up as it was when it lost that. */
function illness(fact: MemberFact | undefined): string | undefined {
  if (fact === undefined) return 'nobody has looked at it yet';
  const { member, container, engine } = fact;
  if (container.state !== 'running') return `${member} does not run`;
  if (!engine.answered) return `${member} does not answer`;
  if (engine.migrating !== undefined) return `${member} migrates`;
  if (engine.ready === false) return `${member} is not ready`;
  if (engine.active === false && engine.uplink === false)
    return `${member} has no link to its upstream`;
  return undefined;
}

const open = (requests: Surroundings['requests']): readonly Request[] =>
  Object.values(requests).flatMap(({ request, outcome }) =>
    request === undefined || outcome !== undefined ? [] : [request],
  );
