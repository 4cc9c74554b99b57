// What fleet.yaml says once it was parsed: complete, defaults filled in, checked. Pure data.
import type {
  BackupDuty,
  BootHooks,
  BootPolicy,
  ExecEngine,
  Isolation,
  Keep,
  Limits,
  MigrateStorage,
  Mount,
  Runtime,
  SyncFromSource,
} from '../gen/domain.js';
import type { Shape } from './kinds.js';

/** The operator's own command for a snapshot of a member's volume. */
export interface SnapshotCommand {
  /** As for a kind's commands: words, with {member}, {service} and {storage} in them. */
  readonly command: readonly string[];
  /** When it is ended, and the longest that writes wait. */
  readonly timeoutMs: number;
  /** Its writes wait meanwhile. */
  readonly freeze: boolean;
}

export interface BackupPolicy {
  /** Oldest backup that an update accepts, milliseconds. Default 24 h. */
  readonly maxAgeMs: number;
  /** Host directory for backups; undefined: where the service puts them. */
  readonly directory?: string | undefined;
  readonly preferMirror: boolean;
  /** An update needs a backup that a drill has booted (I6). Undefined: one that is complete is enough. */
  readonly requireDrill?: boolean | undefined;
  /** What the members' agents do by themselves, but for each one's rank. Undefined: nothing. */
  readonly duty?: DeclaredDuty | undefined;
  /** Undefined: there is none. */
  readonly snapshot?: SnapshotCommand | undefined;
}

export interface DeclaredDuty extends Omit<BackupDuty, 'rank' | 'offsite'> {
  readonly offsite?: DeclaredOffsite | undefined;
}

/** Where copies of backups go off the host. */
export interface DeclaredOffsite {
  readonly repository: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Names of secrets by variable. Undefined when there are none. */
  readonly secretEnvironment?: Readonly<Record<string, string>> | undefined;
  readonly each: boolean;
  /** Which copies of a host's backups stay there. Undefined: all of them. */
  readonly keep?: Keep | undefined;
}

export interface UpdatePolicy {
  /**
   * Of a stack whole-stack: all workers down, main down, main up, workers up. Of a tree low-downtime: an updated mirror
   * takes over before the leader is updated.
   */
  readonly strategy: 'leafs-first' | 'low-downtime' | 'whole-stack';
  /** An update needs a backup that the policy accepts (I6). Default true. */
  readonly requireBackup: boolean;
  /** From start to ready, migrations excluded. Default 5 min. */
  readonly readyTimeoutMs: number;
  /** From ready to caught up. Default 15 min. */
  readonly catchUpTimeoutMs: number;
  /** A migrating member is never killed; after this the operation pauses and asks. Default 6 h. */
  readonly migrationTimeoutMs: number;
  /** What the operator adds to the known ones. Undefined when there are none. */
  readonly exceptions?: readonly ReleaseException[] | undefined;
}

/** Holds for an update from a version in `from` to one in `to`, both semver ranges: what its plan says of it. */
export interface ReleaseException {
  readonly from: string;
  readonly to: string;
  readonly text: string;
}

export interface FailoverPolicy {
  readonly mode: 'manual' | 'automatic';
  /** How long an agent leaves a leader that died to its controller. Undefined: it starts it again at once. */
  readonly restartAfterMs?: number | undefined;
  readonly isolation: Isolation;
}

export interface MemberDeclaration {
  readonly name: string;
  readonly host: string;
  /** Undefined for the one that leads at first. */
  readonly upstream?: string | undefined;
  readonly storage: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Names of secrets by variable; a variable is here or in `environment`. Undefined when there are none. */
  readonly secretEnvironment?: Readonly<Record<string, string>> | undefined;
  readonly mounts: readonly Mount[];
  readonly ports: Readonly<Record<string, number>>;
  readonly command: readonly string[];
  readonly user?: string | undefined;
  /** Where its mirrors find it: the service's upstreamUrl with this member's values. */
  readonly url: string;
  /** Where hosts of other members ask it whether it answers, while it leads. Undefined: nobody asks. */
  readonly probeUrl?: string | undefined;
  readonly engineOptions: Readonly<Record<string, string>>;
  readonly backupDirectory?: string | undefined;
  /** A container that runs already and is taken over as it is. */
  readonly container?: string | undefined;
  readonly hooks?: BootHooks | undefined;
}

/** How a service's members get their places in a network. */
export interface ServiceProvision {
  /** The service that gives each new member a one-time URL: AHA. */
  readonly service: string;
  readonly network: string;
  /** What the leader is called there; members are called NN.alias. */
  readonly alias: string;
}

/** The tools of a migration from Synapse 0.1.x, as their plan's moves have them. */
export interface Migrate020 {
  readonly migration: Omit<MigrateStorage, 'acceptErrors'>;
  /** Undefined: nothing is brought over that the source got after its backup. */
  readonly sync?: SyncFromSource | undefined;
}

export interface ServiceDeclaration {
  readonly name: string;
  readonly kind: string;
  readonly shape: Shape;
  /** Set for a kind that the manifest describes with commands. */
  readonly exec?: ExecEngine | undefined;
  /** In what its positions count; undefined: its kind does not say. */
  readonly lag?: number | undefined;
  readonly runtime: Runtime;
  /** As written; resolved to a digest when a plan is made. */
  readonly image: string;
  readonly storageTarget: string;
  readonly networkMode: string;
  readonly limits: Limits;
  readonly stopGraceMs: number;
  readonly boot: BootPolicy;
  readonly backup: BackupPolicy;
  readonly update: UpdatePolicy;
  readonly failover: FailoverPolicy;
  /** Between two comparisons of its leader's log with its mirrors'; 0: never. Undefined: as the controller does. */
  readonly compareEveryMs?: number | undefined;
  /** Undefined: nobody provisions its members. */
  readonly provision?: ServiceProvision | undefined;
  /** How it comes from Synapse 0.1.x. Undefined: it does not. */
  readonly migrate020?: Migrate020 | undefined;
  /** Services that this one needs (AHA before Axon before Cortex). */
  readonly after: readonly string[];
  readonly members: readonly MemberDeclaration[];
}

export interface HostDeclaration {
  readonly name: string;
  readonly address?: string | undefined;
}

export interface Manifest {
  readonly fleet: string;
  readonly hosts: readonly HostDeclaration[];
  readonly services: readonly ServiceDeclaration[];
}

/** One thing that is wrong in a manifest. */
export interface ManifestProblem {
  /** As an operator would find it: services.cortex.members["01.cortex"].upstream */
  readonly path: string;
  readonly message: string;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
}
