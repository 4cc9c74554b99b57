// How to talk to one kind of service. Each engine is one folder and passes test/conformance/engine.spec.ts.
import type { EngineFact, HistoryProbe, MemberSpec, Role } from '@leafward/shared/gen/domain.js';

export interface EngineMember {
  readonly member: string;
  readonly service: string;
  readonly spec: MemberSpec;
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
    options: { readonly name: string; readonly onProgress: (text: string) => void },
    signal: AbortSignal,
  ): Promise<{ readonly path: string; readonly position?: number | undefined }>;
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
  migrationIn(line: string): 'running' | 'done' | undefined;
  /** Closes links and forgets what was cached of a member. */
  forget(member: string): void;
}
