// What an engine can do to keep a member healthy, beside running it. Each method is missing where its kind has no way;
// all throw LeafwardError and have a deadline inside.
import type { EngineMember } from './engine.js';

export interface TrimOptions {
  /** URLs of everybody who reads the log (I8). */
  readonly consumers: readonly string[];
  /** For each of them to reach the cut. */
  readonly timeoutMs: number;
}

export interface Care {
  /**
   * The leader cuts its log once every reader has what is cut; what was cut, in words. @throws `refused` when the
   * leader knows other readers than those named: then nothing was cut.
   */
  readonly trim?: (
    member: EngineMember,
    options: TrimOptions,
    signal: AbortSignal,
  ) => Promise<string>;
  /** Whether the next start makes the databases compact. Durable, idempotent; of a stopped or a running member. */
  readonly optimizeAtBoot?: (member: EngineMember, on: boolean) => Promise<void>;
  /** Makes the databases of a stopped member compact, whole at every instant; what came of it, in words. */
  readonly compact?: (
    member: EngineMember,
    options: { readonly onProgress: (text: string) => void },
    signal: AbortSignal,
  ) => Promise<string>;
  /** Of the largest database, by what it takes on the disk; 0: there is none. */
  readonly largestDatabaseBytes?: (member: EngineMember, signal: AbortSignal) => Promise<number>;
  /** Writes a backup of a stopped member to `path`, which is not there yet. */
  readonly coldBackup?: (
    member: EngineMember,
    options: { readonly path: string; readonly onProgress: (text: string) => void },
    signal: AbortSignal,
  ) => Promise<void>;
  /** Every write waits from its return on. @throws `already-exists` when it is frozen: by somebody else. */
  readonly freeze?: (
    member: EngineMember,
    options: { readonly timeoutMs: number },
    signal: AbortSignal,
  ) => Promise<void>;
  /** Writes go on. Idempotent. */
  readonly resume?: (member: EngineMember, signal: AbortSignal) => Promise<void>;
}
