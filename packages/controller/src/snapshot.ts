// Everything a planner may know, as one immutable value. Types only; made in controller.ts from the store and
// the agents' reports, and by hand in tests.
import type {
  Backup,
  CellCertificate,
  Drill,
  DutyFact,
  Finding,
  HostFact,
  HostIntent,
  MemberFact,
  Operation,
  Outcome,
  Refusal,
  Request,
  Waiver,
} from '@leafward/shared/gen/domain.js';
import type { Manifest, ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { Topology } from '@leafward/shared/topology.js';
import type { Trend } from './planning/forecast-trend.js';

/** A fact with the moment of the controller's clock at which it was seen: its arrival less its age when it was sent. */
export interface Received<T> {
  readonly value: T;
  readonly receivedAt: number;
}

/** Leaders that their own host stops when it hears no controller, by the order of this generation. */
export interface HostLeases {
  readonly generation: number;
  readonly members: Readonly<
    Record<string, { readonly term: number; readonly untilFencedMs: number }>
  >;
}

/** What the samples of a host's volumes say of growth. */
export interface HostGrowth {
  /** The newest sample. */
  readonly sampledAt: number;
  /** By storage: data without kept backups. */
  readonly data: Readonly<Record<string, Trend>>;
  /** Of the backups that are kept, by `Kept.key`. */
  readonly backups: Readonly<Record<string, Trend>>;
  /** Of everything else, by volume. */
  readonly others: Readonly<Record<string, Trend>>;
}

/** What an agent does by the schedules of its members' backups. */
export interface HostSchedule {
  readonly duties: readonly DutyFact[];
  /** Backups that it has begun by itself. */
  readonly running: readonly Outcome[];
}

export interface HostState {
  readonly name: string;
  readonly enrolled: boolean;
  readonly revoked: boolean;
  /** True while its agent's stream is open and has reported within the last three intervals. */
  readonly connected: boolean;
  readonly lastSeenAt?: number | undefined;
  readonly clockOffsetMs?: number | undefined;
  readonly certificateExpiresAt?: number | undefined;
  /** The newest committed intent; undefined: nothing was ever wanted of it. */
  readonly intent?: HostIntent | undefined;
  /** The generation that the agent says it has on its disk. */
  readonly acceptedGeneration?: number | undefined;
  /** Why the agent refused the newest order, in its own words; undefined: it did not. */
  readonly refusedIntent?: string | undefined;
  readonly fact?: HostFact | undefined;
  /** When this controller last answered it, by its monotonic clock. Undefined: it has not. */
  readonly answeredAtMs?: number | undefined;
  /** Of an order that its agent said it has. */
  readonly leases?: HostLeases | undefined;
  /** By member name. */
  readonly members: Readonly<Record<string, Received<MemberFact>>>;
  readonly findings: readonly Finding[];
  /** Of its members' own. Undefined: none were found. */
  readonly certificates?: readonly CellCertificate[] | undefined;
  /** Undefined: its volumes were never sampled. */
  readonly growth?: HostGrowth | undefined;
  readonly schedule?: HostSchedule | undefined;
}

/** A service that was deployed: what is declared of it and where its leadership is. */
export interface ServiceState {
  readonly declaration: ServiceDeclaration;
  readonly topology: Topology;
  readonly automatic?: AutomaticState | undefined;
}

/** What a failover that acts alone must remember of a service. */
export interface AutomaticState {
  /** The newest term in which its leader was seen to lead. */
  readonly ledTerm?: number | undefined;
  readonly recovery?: Recovery | undefined;
  /** In memory only; gone with the controller, and begun anew. */
  readonly memory?: AutomaticMemory | undefined;
}

/** A failover that the controller began alone, until it is acknowledged or all has been well for long enough. */
export interface Recovery {
  readonly operationId: string;
  readonly at: number;
  /** The term that it begins. */
  readonly term: number;
  readonly from: string;
  /** Undefined: nobody was chosen yet. */
  readonly to?: string | undefined;
}

/** Times are of the monotonic clock. */
export interface AutomaticMemory {
  /** Since when its leader and all living mirrors are healthy, without a break. */
  readonly healthySinceMs?: number | undefined;
  /** The leader was migrating when it was seen to run last. */
  readonly isMigrating?: boolean | undefined;
  readonly round?: ProbeRound | undefined;
}

/** One question to all witnesses of a silent leader. */
export interface ProbeRound {
  readonly number: number;
  readonly term: number;
  readonly askedAtMs: number;
  /** Ids of the requests by host. */
  readonly requests: Readonly<Record<string, string>>;
  /** Rounds in a row, this one included, that were needed: the next one waits longer. */
  readonly attempt: number;
}

export interface RequestState {
  readonly request: Request;
  readonly host: string;
  readonly createdAt: number;
  readonly outcome?: Outcome | undefined;
}

/** A store that was lost and is put together again from what agents remember. */
export interface RebuildState {
  readonly startedAt: number;
  /** Undefined: it goes on. */
  readonly endedAt?: number | undefined;
  /** Hosts that must be heard: of the manifest, and those that the operator named. */
  readonly hosts: readonly string[];
  readonly heard: readonly string[];
  /** Not waited for, by the operator's word. */
  readonly gone: readonly { readonly host: string; readonly reason: string }[];
  /** By service: why nothing is decided for it. */
  readonly open: Readonly<Record<string, readonly Refusal[]>>;
  /** What was found and is worth knowing, once each. */
  readonly notes: readonly string[];
}

/** A copy of a backup was booted with another image than its own. */
export interface Rehearsal {
  readonly service: string;
  readonly member: string;
  readonly host: string;
  /** Its name. */
  readonly backup: string;
  readonly drill: Drill;
}

export interface Snapshot {
  /** The controller's clock when the snapshot was made. */
  readonly now: number;
  readonly fleet: string;
  /** Fencing epoch of this controller; rides on every intent and request. */
  readonly epoch: number;
  /** Started at, and whether most agents have reported since: before that nothing is decided on silence. */
  readonly controllerStartedAt: number;
  /** Its monotonic clock: leases are measured with it, not with the time of day. Undefined: not known. */
  readonly monotonicMs?: number | undefined;
  /** From then on (monotonic) no earlier controller can have answered an agent. */
  readonly aloneSinceMs?: number | undefined;
  readonly manifest?: Manifest | undefined;
  readonly services: Readonly<Record<string, ServiceState>>;
  readonly hosts: Readonly<Record<string, HostState>>;
  readonly requests: Readonly<Record<string, RequestState>>;
  /** Complete backups that agents reported or that were recorded, newest first. */
  readonly backups: readonly Backup[];
  /** Not ended ones. */
  readonly operations: readonly Operation[];
  readonly waivers: readonly Waiver[];
  /** Set once the store was lost. */
  readonly rebuild?: RebuildState | undefined;
  /** Set once an agent knew something that the store has forgotten. */
  readonly olderCopy?: OlderCopy | undefined;
  /** Median duration of past moves by `${service}/${moveKind}`, for the expected times in plans. */
  readonly history: Readonly<Record<string, number>>;
  /** Newest first, of the last weeks. Undefined: there are none. */
  readonly rehearsals?: readonly Rehearsal[] | undefined;
  /** The newest version of each secret that can be given out, by name. Undefined: there are none. */
  readonly secrets?: Readonly<Record<string, number>> | undefined;
}

/** What tells that the store is an older copy of itself: nothing is decided by what it has forgotten. */
export interface OlderCopy {
  /** Whose agent said it first. */
  readonly host: string;
  readonly what: string;
  readonly at: number;
}
