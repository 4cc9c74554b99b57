// What an agent tells: the whole of what it knows, as one value. Pure.
import type {
  Backup,
  DutyFact,
  CellCertificate,
  Finding,
  Findings,
  HostFact,
  MemberFact,
  Outcome,
  Report,
} from '@leafward/shared/gen/domain.js';
import { canonicalJson } from '@leafward/shared/spec-digest.js';
import type { MemberPlan, Observed, ObservedMember } from './plan.js';

export interface ReportParts {
  readonly sequence: number;
  readonly sentAt: number;
  readonly generation: number;
  readonly host: HostFact | undefined;
  readonly members: readonly MemberFact[];
  /** Undefined: not changed since it was last acknowledged. */
  readonly findings: readonly Finding[] | undefined;
  readonly certificates?: readonly CellCertificate[] | undefined;
  readonly backups: readonly Backup[] | undefined;
  readonly duties: readonly DutyFact[] | undefined;
  readonly outcomes: readonly Outcome[];
  readonly refusedOrders: number;
}

export function buildReport(parts: ReportParts): Report {
  const { findings, certificates = [], backups, duties } = parts;
  return {
    sequence: parts.sequence,
    sentAt: parts.sentAt,
    generation: parts.generation,
    host: parts.host,
    members: parts.members,
    findings: findings === undefined ? undefined : { findings, ...told(certificates) },
    backups: backups === undefined ? undefined : { backups },
    duties: duties === undefined ? undefined : { duties },
    outcomes: parts.outcomes,
    refusedOrders: parts.refusedOrders,
  };
}

const told = (certificates: readonly CellCertificate[]): Pick<Findings, 'certificates'> =>
  certificates.length === 0 ? {} : { certificates: { certificates } };

/** One fact for each member; `activityOf` says what is being done to it now. */
export function memberFacts(
  observed: Observed,
  plans: readonly MemberPlan[],
  activityOf: (member: string) => string | undefined,
): readonly MemberFact[] {
  return observed.members.map((member) => {
    const plan = plans.find((one) => one.member === member.intent.member);
    return memberFact(member, observed, plan, activityOf(member.intent.member));
  });
}

function memberFact(
  {
    intent,
    container,
    engine,
    storage,
    permit,
    ended,
    history,
    adoption,
    deprecations,
  }: ObservedMember,
  observed: Observed,
  plan: MemberPlan | undefined,
  activity: string | undefined,
): MemberFact {
  const count = observed.journal.starts[intent.member];
  return {
    member: intent.member,
    service: intent.service,
    seenAt: observed.now,
    container,
    engine,
    storage,
    term: intent.term,
    starts: count?.starts ?? 0,
    startsSinceRetired: count?.sinceRetired ?? 0,
    activity,
    waits: plan?.waits ?? [],
    refusals: plan?.refusals ?? [],
    permitLeftMs: permit.leftMs > 0 ? Math.round(permit.leftMs) : undefined,
    death: ended?.death,
    deprecations,
    ...(adoption === undefined ? {} : { adoption }),
    ...(history === undefined ? {} : { history }),
  };
}

/** Equal texts: nothing happened that is worth a report before its time. Figures that always move do not count. */
export function essenceOf(members: readonly MemberFact[]): string {
  return canonicalJson(
    members.map(
      ({ member, container, engine, storage, term, activity, waits, refusals, death }) => ({
        member,
        container,
        engine: { ...engine, position: undefined },
        retiredAtTerm: storage.retiredAtTerm,
        markerTerm: storage.markerTerm,
        reseeded: storage.reseeded,
        provisioning: storage.provisioning,
        storedPosition: storage.position,
        term,
        activity,
        death,
        waits: waits.map(({ code }) => code),
        refusals: refusals.map(({ code }) => code),
      }),
    ),
  );
}
