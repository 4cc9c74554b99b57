// How to talk to one kind of service. Each engine is one folder and passes test/conformance/engine.spec.ts.
import type {
  CommandAnswer,
  EngineFact,
  ExecEngine,
  HistoryProbe,
  LeaderProbe,
  MemberSpec,
  Role,
} from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import type { ContainerSpec, Runtime } from '../runtimes/runtime.js';
import type { Care } from './care.js';

export interface EngineMember {
  readonly member: string;
  readonly service: string;
  readonly spec: MemberSpec;
  /** Set for a kind that the manifest describes with commands. */
  readonly exec?: ExecEngine | undefined;
  /** As its order says it. */
  readonly role?: Role | undefined;
  /** Where it finds its upstream, by its order. */
  readonly upstreamUrl?: string | undefined;
}

/** What an engine may need beside the member itself. */
export interface EngineParts {
  readonly runtimeOf: (spec: MemberSpec) => Runtime;
  /** The member's container with the values of its secrets: for a command's environment, never for a text (I14). */
  readonly containerOf: (member: EngineMember) => ContainerSpec;
  /** Takes the values of secrets out of what a command printed. */
  readonly redact: (text: string) => string;
  readonly log: Logger;
}

/** What can be done with this very member beyond the minimum; planning asks, so it is known without any I/O. */
export interface EngineAbilities {
  /** An empty mirror is filled by `seed` before its first start; false: the service does that itself. */
  readonly seeds: boolean;
  /** A running mirror can be pointed elsewhere without a restart. */
  readonly repoints: boolean;
  /** `storedPosition` answers for a stopped member. */
  readonly storesPosition: boolean;
}

/** What the storage says a start would do: read without the service running. */
export interface StoredRole {
  /** Where it would mirror from; null = it would lead; undefined = the storage is empty or cannot say. */
  readonly upstreamUrl: string | null | undefined;
}

export interface WantedRole {
  readonly role: Role;
  /** Set for a mirror. */
  readonly upstreamUrl?: string | undefined;
}

export interface BackupRoom {
  readonly needBytes: number;
  readonly freeBytes: number;
  /** How needBytes was reckoned, in words and figures. */
  readonly rule: string;
  /** needBytes counts the backups that are kept where this one will lie. */
  readonly countsKept?: boolean | undefined;
}

/** What the files of a storage say of its provisioning. */
export interface ProvisioningFiles {
  /** A one-time URL waits there. */
  readonly offered: boolean;
  /** The URL was used, and what it gives is there. */
  readonly provisioned: boolean;
}

/** Whom a registry makes a place for. */
export interface NewPlace {
  readonly network: string;
  /** Without the network. */
  readonly name: string;
  readonly mirror?: string | undefined;
  readonly telepathPort?: number | undefined;
  readonly httpsPort?: number | undefined;
  /** Of the service that it belongs to; undefined: a new one. */
  readonly iden?: string | undefined;
}

/** How new members get their places in a network. All but read throw LeafwardError. */
export interface Provisioner {
  /** Of a registry: a one-time URL, which is a secret (I14). @throws `refused` for a name that is taken. */
  issue(member: EngineMember, place: NewPlace, signal: AbortSignal): Promise<string>;
  read(member: EngineMember): Promise<ProvisioningFiles>;
  /** Puts the URL where the first start finds it, and nobody else. */
  offer(member: EngineMember, url: string): Promise<void>;
  /** Takes a used one away. */
  clear(member: EngineMember): Promise<void>;
}

/** How a mirror is made of one of its service's backups. */
export interface FromBackup {
  /**
   * Copies what is the member's own, and in no backup of another one, into `to`, before its storage is emptied.
   * @throws LeafwardError `refused` when it could not be a mirror then; nothing was touched.
   */
  keepOwn(
    member: EngineMember,
    options: { readonly to: string; readonly backupPath: string },
    signal: AbortSignal,
  ): Promise<void>;
  /** Fills its empty storage and leaves it as a mirror of that upstream, with its own files back. */
  fill(
    member: EngineMember,
    options: {
      readonly backupPath: string;
      readonly ownPath: string;
      readonly upstreamUrl: string;
      readonly onProgress: (text: string) => void;
    },
    signal: AbortSignal,
  ): Promise<void>;
}

/** Methods but observe throw LeafwardError; each has a deadline inside. */
export interface Engine {
  readonly kind: string;
  /** Never throws; a service that does not answer is `answered: false` with the error. Keeps its link open. */
  observe(member: EngineMember, signal: AbortSignal): Promise<EngineFact>;
  /** What a start from this storage would do. */
  readStoredRole(member: EngineMember): Promise<StoredRole>;
  /** Writes role and upstream durably into the storage of a stopped member. Idempotent. */
  writeRole(member: EngineMember, wanted: WantedRole): Promise<void>;
  /** Makes a start by hand harmless where the service has a way (Synapse: mirror in cell.mods.yaml). */
  writeRetired(member: EngineMember, newLeaderUrl: string | undefined): Promise<void>;
  /** Room for one more live backup, by the service's own rule and the guide's 50 % rule. */
  backupRoom(member: EngineMember, signal: AbortSignal): Promise<BackupRoom>;
  /** A live backup; returns its directory when it is complete. Cleans up what a failed one left. */
  backup(
    member: EngineMember,
    options: {
      readonly name: string;
      /** The database's own backup that it belongs to, where the service keeps its data in one. */
      readonly databaseBackup?: string | undefined;
      readonly onProgress: (text: string) => void;
    },
    signal: AbortSignal,
  ): Promise<{ readonly path: string; readonly position?: number | undefined }>;
  /**
   * True while the member itself writes a backup, whoever began it. Undefined: it never does without its agent.
   * Throws when it could not be asked.
   */
  isBackingUp?(member: EngineMember, signal: AbortSignal): Promise<boolean>;
  /**
   * Returns when this member leads. Graceful hands over from its upstream, which must be the active leader.
   * Throws `timeout` or `failed`: then observe, never guess.
   */
  promote(
    member: EngineMember,
    options: { readonly graceful: boolean; readonly timeoutMs: number },
    signal: AbortSignal,
  ): Promise<void>;
  /** SHA-256 of the log entry at an offset; two members of one history agree on it. */
  probeHistory(member: EngineMember, offset: number, signal: AbortSignal): Promise<HistoryProbe>;
  /** A log line that says a migration runs or is over, if this is one. */
  migrationIn(line: string, member: EngineMember): 'running' | 'done' | undefined;
  abilities(member: EngineMember): EngineAbilities;
  /** Fills the empty storage of a stopped member with its upstream's data and leaves it as a mirror of it. */
  seed(
    member: EngineMember,
    options: { readonly upstreamUrl: string; readonly onProgress: (text: string) => void },
    signal: AbortSignal,
  ): Promise<void>;
  /** Points a running mirror at another upstream, durably. */
  repoint(member: EngineMember, upstreamUrl: string, signal: AbortSignal): Promise<void>;
  /**
   * A leader takes no more writes until it is restarted; the position that its mirrors must reach. Undefined: it
   * cannot be fenced while it runs, and must be stopped to be sure.
   */
  stepDown(
    member: EngineMember,
    options: { readonly timeoutMs: number },
    signal: AbortSignal,
  ): Promise<{ readonly position: number } | undefined>;
  /** How far the log of a stopped member goes. */
  storedPosition(member: EngineMember, signal: AbortSignal): Promise<number | undefined>;
  /** Fills the empty storage of a stopped member from one of its service's backups; it will lead. */
  restore(
    member: EngineMember,
    options: { readonly backupPath: string; readonly onProgress: (text: string) => void },
    signal: AbortSignal,
  ): Promise<void>;
  /** Undefined: a mirror of this kind cannot be made of a backup. */
  readonly fromBackup?: FromBackup | undefined;
  /**
   * Whether the leader of this member's service says anything in its own language under that URL; what it says, an
   * error included, counts as an answer. Within timeoutMs. Throws when it could not be asked from here. Undefined: this
   * kind has no way to ask.
   */
  probeLeader?(
    member: EngineMember,
    options: { readonly url: string; readonly timeoutMs: number },
    signal: AbortSignal,
  ): Promise<LeaderProbe>;
  /** What a service wants before its program is told to end. Not being able to do it keeps nobody from ending it. */
  beforeStop?(member: EngineMember, signal: AbortSignal): Promise<void>;
  /** Runs every read-only command and tells each answer; [] where there are no commands. Never throws. */
  test(member: EngineMember, signal: AbortSignal): Promise<readonly CommandAnswer[]>;
  /** Undefined: this kind has no way to be kept healthy but by running it. */
  readonly care?: Care | undefined;
  /** Undefined: this kind knows no provisioning. */
  readonly provisioner?: Provisioner | undefined;
  /** Closes links and forgets what was cached of a member. */
  forget(member: string): void;
}
