// Backups that agents begin by themselves: what runs of them, whom that keeps waiting (I10), how duties go. Pure.
import type {
  DutyFact,
  DutyView,
  DutyViews,
  Evidence,
  Operation,
  Outcome,
} from '@leafward/shared/gen/domain.js';
import { asScheduled } from '@leafward/shared/scheduled.js';
import type { HostSchedule, Snapshot } from '../snapshot.js';
import { backupsOf, gatherService, livingOf, type MemberAt, type ServiceAt } from './gather.js';
import { objectToOthers } from './safety.js';
import { evidence, renderDuration, type Objection } from './words.js';

/** Other operations, and backups that agents have begun by themselves (I10). */
export function objectToCompany(
  snapshot: Snapshot,
  service: string,
  own?: Operation,
): readonly Objection[] {
  return [...objectToOthers(snapshot, service, own), ...objectToScheduled(snapshot, service)];
}

/** The one that runs, as its agent told it. */
export const scheduledRunOf = (
  schedule: HostSchedule | undefined,
  member: string,
): Outcome | undefined =>
  schedule?.running.find(
    ({ requestId }) => asScheduled('scheduled', requestId, member) !== undefined,
  );

/** Of a host that is silent nobody knows whether one runs; that it is silent is said elsewhere. */
function runOf({ hostState, name }: MemberAt): Outcome | undefined {
  return hostState?.connected === true ? scheduledRunOf(hostState.schedule, name) : undefined;
}

function objectToScheduled(snapshot: Snapshot, name: string): readonly Objection[] {
  const service = gatherService(snapshot, name);
  return (service?.members ?? []).flatMap((member): readonly Objection[] => {
    const run = runOf(member);
    if (run === undefined) return [];
    const at = run.progress === undefined ? '' : `: ${run.progress}`;
    return [
      {
        code: 'scheduled-backup',
        subject: member.name,
        message: `the agent of host ${member.host} is backing ${member.name} up by its schedule${at} (I10)`,
        unblock: `let it end; see: leafward backup schedule ${name}`,
        evidence: [evidence('began', ago(run.startedAt, snapshot.now))],
      },
    ];
  });
}

const ago = (at: number, now: number): string => `${renderDuration(Math.max(0, now - at))} ago`;

/** Undefined: the service does nothing by itself. In the order in which its members are preferred. */
export function dutyViews(snapshot: Snapshot, service: ServiceAt): DutyViews | undefined {
  const duties = livingOf(service)
    .flatMap((member) => dutyView(snapshot, service, member) ?? [])
    .sort((a, b) => a.rank - b.rank);
  return duties.length === 0 ? undefined : { duties };
}

function dutyView(snapshot: Snapshot, service: ServiceAt, member: MemberAt): DutyView | undefined {
  const { backupDuty: duty } = member.intent ?? {};
  if (duty?.schedule === undefined && duty?.drillSchedule === undefined) return undefined;
  const told = dutyFactOf(member);
  const fact: DutyFact = told ?? { member: member.name, service: service.name, failures: 0 };
  const backups = backupsOf(snapshot, service.name);
  return {
    duty: fact,
    host: member.host,
    rank: member.isLeader ? (duty.leaderRank ?? duty.rank) : duty.rank,
    state: stateOf(snapshot, service, member, told),
    backedUpAt: backups.find((backup) => backup.member === member.name)?.finishedAt,
  };
}

const dutyFactOf = ({ hostState, name }: MemberAt): DutyFact | undefined =>
  hostState?.schedule?.duties.find((fact) => fact.member === name);

function stateOf(
  snapshot: Snapshot,
  service: ServiceAt,
  member: MemberAt,
  fact: DutyFact | undefined,
): string {
  if (member.hostState?.connected !== true) return 'silent';
  if (runOf(member) !== undefined) return 'running';
  const trouble = fact === undefined ? undefined : troubleIn(snapshot, service, fact);
  if (trouble !== undefined) return trouble;
  return fact?.doneAt === undefined ? 'waiting' : 'done';
}

/** Another member may have done what this one's agent has not heard of yet. */
export function troubleIn(
  snapshot: Snapshot,
  service: Pick<ServiceAt, 'name'>,
  { code, dueAt }: DutyFact,
): string | undefined {
  const isDone =
    dueAt !== undefined &&
    backupsOf(snapshot, service.name).some(({ startedAt }) => startedAt >= dueAt);
  return isDone ? undefined : code;
}

const WORST = ['failed', 'missed', 'late'];

/** The worst of them, once: that a time passed without a backup is the same for all members. */
export function dutyProblems(snapshot: Snapshot, service: ServiceAt): readonly string[] {
  const troubled = (dutyViews(snapshot, service)?.duties ?? []).filter(({ state }) =>
    WORST.includes(state),
  );
  const [worst] = troubled.sort((a, b) => WORST.indexOf(a.state) - WORST.indexOf(b.state));
  if (worst === undefined) return [];
  const { duty, host } = worst;
  return [
    `${duty.problem ?? `its backup by the schedule is ${worst.state}`} (${duty.member} on ${host})`,
  ];
}

/** When it is backed up next and by whom, and how it went last. */
export function dutyFacts(snapshot: Snapshot, service: ServiceAt): readonly Evidence[] {
  return (dutyViews(snapshot, service)?.duties ?? []).flatMap(({ duty, state }) => {
    const { member, nextAt, dueAt, nextDrillAt, failures } = duty;
    const { now } = snapshot;
    const until = (at: number): string => (at <= now ? 'now' : `in ${renderDuration(at - now)}`);
    return [
      evidence(`backups of ${member} by schedule`, state),
      ...(nextAt === undefined ? [] : [evidence(`next backup of ${member}`, until(nextAt))]),
      ...(dueAt === undefined ? [] : [evidence(`backup of ${member} was due`, ago(dueAt, now))]),
      ...(nextDrillAt === undefined
        ? []
        : [evidence(`next drill by ${member}`, until(nextDrillAt))]),
      ...(failures === 0 ? [] : [evidence(`missed and failed ones of ${member}`, failures)]),
    ];
  });
}
