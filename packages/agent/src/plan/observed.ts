// Everything that planning may know of a host, as one immutable value. Types only; made by observe.ts and
// by hand in tests.
import type {
  AdoptionFact,
  Backup,
  ContainerFact,
  Death,
  Deprecations,
  EngineFact,
  HistoryFact,
  MemberIntent,
  Provisioning,
  Runtime,
  SecretReference,
  StorageFact,
} from '@leafward/shared/gen/domain.js';
import type { EngineAbilities, StoredRole } from '../engines/engine.js';
import type { JournalState } from '../journal/records.js';
import type { Marker, MarkerReading } from '../marker.js';
import type { PermitState } from '../permits.js';

/** Another container or process that has the same storage open for writing. */
export interface StorageUser {
  readonly name: string;
  readonly running: boolean;
}

/** After failures: how many in a row, and until when to leave it alone. */
export interface Backoff {
  /** `exit`: it ended soon after its start; `step`: something that was done to it failed. */
  readonly cause: 'none' | 'exit' | 'step';
  readonly failures: number;
  /** Milliseconds left until the next try; 0: now. */
  readonly leftMs: number;
  readonly lastError?: string | undefined;
  /** The step that failed: a plan without it need not wait. */
  readonly failedStep?: string | undefined;
}

/** It ended although it is to run. */
export interface ObservedEnd {
  readonly death: Death;
  /** How much longer it is left to a failover that may begin; 0: it is not. */
  readonly heldMs: number;
}

export interface ObservedMember {
  readonly intent: MemberIntent;
  /** Digest of the wanted spec. */
  readonly specDigest: string;
  readonly container: ContainerFact;
  readonly engine: EngineFact;
  readonly storage: StorageFact;
  /** The storage's path without symbolic links; the one that retirements are kept under. */
  readonly storagePath: string;
  readonly marker: MarkerReading;
  /** A mount point cannot be renamed. */
  readonly storageMounted?: boolean | undefined;
  /** True when nothing of the service lies there; asked of a mirror that does not run. */
  readonly storageEmpty?: boolean | undefined;
  /** Mounted files and directories that must be on this host and are not; undefined: none. */
  readonly missingFiles?: readonly string[] | undefined;
  /** Undefined: its order asks for no provisioning. */
  readonly provisioning?: Provisioning | undefined;
  readonly abilities: EngineAbilities;
  /** The one that its order fills it from, if it lies here. */
  readonly seedBackup?: Pick<Backup, 'sizeBytes'> | undefined;
  /** Undefined when it could not be read: then `storedRoleError` says why. */
  readonly storedRole?: StoredRole | undefined;
  readonly storedRoleError?: string | undefined;
  readonly imagePresent: boolean;
  /** Secrets that its spec names and that are not on this host; undefined: none. */
  readonly missingSecrets?: readonly SecretReference[] | undefined;
  /** Others only, not this member's own container. */
  readonly storageUsers: readonly StorageUser[];
  /** Set when the runtime did not say who else there is: then nothing may be started (I9). */
  readonly storageUsersError?: string | undefined;
  /** Name of the member's own container in the runtime's list. */
  readonly containerName: string;
  readonly permit: PermitState;
  readonly backoff: Backoff;
  /** Undefined: as far as is known it lives, or this agent stopped it. */
  readonly ended?: ObservedEnd | undefined;
  /** Entries of its log that were asked for; undefined: none was. */
  readonly history?: HistoryFact | undefined;
  /** Last lines of its output, when it has exited. */
  readonly lastLines: readonly string[];
  /** What its log warns of; undefined: nothing. */
  readonly deprecations?: Deprecations | undefined;
  /** A promote request of this member is being carried out now. */
  readonly promoting: boolean;
  /** A request wants this run of it to be started again. */
  readonly restartOf?: string | undefined;
  /** Set while it is a container that was taken over. */
  readonly adoption?: AdoptionFact | undefined;
}

/** What runs on a retired storage and is no member whose own plan stops it. */
export interface Trespasser {
  readonly runtime: Runtime;
  /** As the runtime lists it. */
  readonly name: string;
  readonly storage: string;
  /** What the storage's own marker says, when this agent's memory does not know it. */
  readonly marker?: Marker | undefined;
}

export interface Observed {
  readonly now: number;
  readonly fleet?: string | undefined;
  readonly journal: JournalState;
  readonly members: readonly ObservedMember[];
  readonly trespassers?: readonly Trespasser[] | undefined;
  /** When each wait began that was there in the pass before, by `member/code`. */
  readonly waitingSince: Readonly<Record<string, number>>;
}
