// What an agent remembers of the times of a schedule, as the journal folds it. Pure. A clock that was set back must find
// there what was done already.

/** Of one member, for its backups or for its drills. */
export interface DutyMemory {
  readonly member: string;
  /** Expression and time zone: with another schedule the memory of what is due begins anew. */
  readonly schedule: string;
  /** What was due before is nobody's. */
  readonly since: number;
  /** Times of the schedule that are over here, oldest first; only the newest are kept. */
  readonly over: readonly number[];
  /** Missed and failed ones since the memory began. */
  readonly failures: number;
  /** The newest one that was missed or failed, until a later one is done. */
  readonly trouble?: DueTrouble | undefined;
}

export interface DueTrouble {
  readonly code: 'missed' | 'failed';
  readonly due: number;
  readonly problem: string;
}

export type DutyRecord =
  | {
      readonly kind: 'duty-begun';
      readonly at: number;
      readonly member: string;
      readonly of: 'backup' | 'drill';
      readonly schedule: string;
    }
  /** A time of the schedule is over here: it was done, or there is trouble. */
  | {
      readonly kind: 'due-over';
      readonly member: string;
      readonly of: 'backup' | 'drill';
      readonly due: number;
      readonly trouble?: Omit<DueTrouble, 'due'> | undefined;
    };

export type Duties = Readonly<Record<string, DutyMemory>>;

/** Key of the journal's duties. No member is called like that: names hold no blanks. */
export const dutyKey = (member: string, of: 'backup' | 'drill'): string => `${of} ${member}`;

/** A schedule of each minute over more than an hour; further back a request's own id is known. */
export const OVER_KEPT = 100;

/** @returns the duties unchanged for a time of a duty that was never begun. */
export function foldDuty(duties: Duties, record: DutyRecord): Duties {
  const key = dutyKey(record.member, record.of);
  const known = duties[key];
  if (record.kind === 'duty-begun') {
    const { member, schedule, at } = record;
    const { over = [], failures = 0 } = known ?? {};
    return { ...duties, [key]: { member, schedule, since: at, over, failures } };
  }
  if (known === undefined) return duties;
  const { due, trouble } = record;
  const over = [...known.over.filter((one) => one !== due), due].slice(-OVER_KEPT);
  const failures = known.failures + (trouble === undefined ? 0 : 1);
  const left = trouble === undefined ? laterThan(known.trouble, due) : { ...trouble, due };
  return { ...duties, [key]: { ...known, over, failures, trouble: left } };
}

const laterThan = (trouble: DueTrouble | undefined, due: number): DueTrouble | undefined =>
  trouble !== undefined && trouble.due > due ? trouble : undefined;

/** Of members that an order still names. */
export function dutiesOf(duties: Duties | undefined, members: readonly string[]): Duties {
  const kept = Object.entries(duties ?? {}).filter(([, { member }]) => members.includes(member));
  return Object.fromEntries(kept);
}
