// What agents call the requests that they make by themselves, for a time of a schedule. Pure. Member names are unique in
// a fleet, so these ids are, too.

export interface ScheduledRun {
  readonly member: string;
  /** The time of the schedule that it is for. */
  readonly due: number;
  /** From 1 on: one that failed is tried again. */
  readonly attempt: number;
}

export type ScheduledAct = 'scheduled' | 'drill-by-schedule';

/** scheduled-00.cortex-1764000000000, and its second attempt scheduled-00.cortex-1764000000000-2 */
export function scheduledId(act: ScheduledAct, { member, due, attempt }: ScheduledRun): string {
  return `${act}-${member}-${due}${attempt === 1 ? '' : `-${attempt}`}`;
}

/** Undefined: it is not one of this member. */
export function asScheduled(
  act: ScheduledAct,
  id: string,
  member: string,
): ScheduledRun | undefined {
  const start = `${act}-${member}-`;
  const match = id.startsWith(start) ? /^(\d+)(?:-(\d))?$/.exec(id.slice(start.length)) : null;
  if (match === null) return undefined;
  return { member, due: Number(match[1]), attempt: Number(match[2] ?? 1) };
}
