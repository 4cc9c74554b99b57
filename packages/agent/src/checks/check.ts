// A check is one file: its rule, its source, its fix, and a test beside the others in test/unit/checks.
import type {
  Backup,
  DeadmanFact,
  Finding,
  Severity,
  TuneChange,
} from '@leafward/shared/gen/domain.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { ForeignContainer } from '../runtimes/runtime.js';
import type { CertificateFacts } from './read-certificates.js';

/** Where the kernel's files are; a test points them at a directory of its own. */
export interface HostRoots {
  readonly proc: string;
  readonly sys: string;
  readonly etc: string;
}

export interface CheckContext {
  readonly roots: HostRoots;
  readonly members: readonly MemberIntent[];
  readonly now: number;
  /** Offset of this host's clock against the controller's; positive: this host is ahead. Undefined: not known. */
  readonly clockOffsetMs: number | undefined;
  readonly docker: {
    readonly wanted: boolean;
    readonly version?: string | undefined;
    readonly error?: string | undefined;
    readonly containers: readonly ForeignContainer[];
  };
  /** Undefined: no leader of this host has a lease that stops it. */
  readonly deadman?: DeadmanFact | undefined;
  /** Measured by the disk watcher, by storage path. */
  readonly latency: ReadonlyMap<string, DiskLatency>;
  /** Allocated bytes of each member's storage, measured slowly in the background. */
  readonly dataBytes: ReadonlyMap<string, number>;
  /** Recorded, not removed by the agent, and not there any more. */
  readonly goneBackups?: readonly Backup[] | undefined;
  /** Of the cells' own. Undefined: nobody has read them. */
  readonly certificates?: CertificateFacts | undefined;
  /** Undefined: no backup of this host goes off it. */
  readonly offsite?: OffsiteFact | undefined;
}

export interface OffsiteFact {
  readonly restic: { readonly version?: string; readonly error?: string };
  readonly services: readonly ServiceCopies[];
}

/** The copies of one service's backups that lie on this host. */
export interface ServiceCopies {
  readonly service: string;
  /** Each new one is copied by itself. */
  readonly each: boolean;
  readonly copies: number;
  /** Without a copy. */
  readonly waiting: number;
  /** What is wrong with each copy that something is wrong with. */
  readonly damaged: readonly string[];
  readonly failure:
    { readonly since: number; readonly code: string; readonly error: string } | undefined;
}

export interface DiskLatency {
  /** Both 0 when `samples` is 0: never probed so far. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly samples: number;
  readonly probedAt: number;
  readonly writeAwaitMs?: number | undefined;
  /** A probe that began then has not come back. */
  readonly hungSince?: number | undefined;
}

export interface CheckResult {
  /** What it is about: a sysctl's name, a path, a member, a container. */
  readonly subject: string;
  readonly severity: Severity;
  readonly seen: string;
  readonly wanted: string;
  /** How to fix this one, as a command where there is one. */
  readonly fix: string;
}

export interface Check {
  /** kebab-case, stable: waivers and metrics name it. */
  readonly id: string;
  /** One sentence on why, with the guide's section. */
  readonly why: string;
  readonly source: string;
  readonly fixable: boolean;
  /** Never throws: what could not be read is a result of severity `unknown`. */
  run(context: CheckContext, signal: AbortSignal): Promise<readonly CheckResult[]>;
}

/** Applies and takes back what can be applied; returns what it changed, in order. */
export interface Tuner {
  apply(
    checks: readonly string[],
    options: { readonly dryRun: boolean },
  ): Promise<readonly TuneChange[]>;
  undo(
    checks: readonly string[],
    options: { readonly dryRun: boolean },
  ): Promise<readonly TuneChange[]>;
}

export type { Finding };
