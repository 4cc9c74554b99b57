// What runs a member's program. Each runtime is one folder and passes test/conformance/runtime.spec.ts.
import type {
  AdoptionFact,
  ContainerFact,
  ContainerLook,
  Image,
  MemberSpec,
} from '@leafward/shared/gen/domain.js';

/** A container or process that the runtime knows of, managed by Leafward or not. */
export interface ForeignContainer {
  readonly name: string;
  readonly running: boolean;
  /** Host paths that it has mounted for writing. */
  readonly writes: readonly string[];
  readonly restartPolicy: string;
  readonly networkMode: string;
  /** Name of the member when Leafward made it, or took it over. */
  readonly member?: string | undefined;
  /** Not the member itself but a command of it, which this agent runs now (Runtime.run). */
  readonly command?: boolean | undefined;
  /** A copy of a backup that is tried out: nobody's member, whatever `member` says. */
  readonly drill?: boolean | undefined;
}

/** What keeps a copy of a backup away from everything that lives: it has no network, and cannot see any of this. */
export interface Isolation {
  /** An empty directory for what stands in place of what is hidden. */
  readonly scratch: string;
  /** Directories that it must not see; a container sees none in any case. */
  readonly hidden: readonly string[];
  /** Directories in them that it sees all the same. */
  readonly shown: readonly string[];
}

export interface ContainerSpec {
  readonly member: string;
  readonly service: string;
  readonly spec: MemberSpec;
  /** SHA-256 of the canonical spec; kept with the container, so that a change is seen (spec-digest.ts). */
  readonly specDigest: string;
  /** Set for a drill. A runtime that cannot keep it apart throws `unavailable` and starts nothing. */
  readonly isolation?: Isolation | undefined;
}

/** A program beside the member's own: an argument list, never a shell string. */
export interface Command {
  readonly argv: readonly string[];
  readonly deadlineMs: number;
  /** Of standard output and standard error together; what comes after is thrown away. */
  readonly maxOutputBytes: number;
  /** Called for each line of standard output as it comes. */
  readonly onLine?: ((line: string) => void) | undefined;
}

export interface CommandResult {
  /** 128 + its number when a signal ended it, as a shell says it. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** More was printed than was kept. */
  readonly truncated: boolean;
  readonly tookMs: number;
}

/**
 * Every method has its own deadline inside, takes a signal and throws LeafwardError:
 * `unavailable` (runtime does not answer), `timeout`, `not-found`, `exhausted` (disk full), `failed`.
 */
export interface Runtime {
  readonly name: 'docker' | 'process';
  /** Never throws: a runtime that does not answer is state `unknown` with the error. */
  inspect(member: string, signal: AbortSignal): Promise<ContainerFact>;
  /** What a reference means now: its digest, version and size if they can be known without a pull. */
  resolve(reference: string, signal: AbortSignal): Promise<Image>;
  /** Has exactly this digest on the host when it returns. Idempotent. */
  pull(image: Image, onProgress: (text: string) => void, signal: AbortSignal): Promise<Image>;
  /** Whether exactly this digest is on the host, so that a create needs no network. */
  hasImage(image: Image, signal: AbortSignal): Promise<boolean>;
  /** The same, with a user in it that the image itself lacks. No such method: images have no users. */
  hasImageFor?(spec: MemberSpec, signal: AbortSignal): Promise<boolean>;
  /** Builds what is missing beside the image, without any network. Idempotent. */
  buildImageFor?(spec: MemberSpec, signal: AbortSignal): Promise<void>;
  /** Makes but does not start it; restart policy `no` always (I2). An equal one that exists is kept; another one is `already-exists`. */
  create(container: ContainerSpec, signal: AbortSignal): Promise<void>;
  start(member: string, signal: AbortSignal): Promise<void>;
  /** Returns only when it is proven stopped; after `graceMs` it is killed. Absent or stopped: returns at once. */
  stop(member: string, graceMs: number, signal: AbortSignal): Promise<void>;
  /**
   * Runs a program as the member's user with the member's environment, mounts and network: in its container while
   * that runs, else in a one-off of the same image, which is gone when this returns. Whatever it began is killed when
   * its program ends, at its deadline and on an abort. In its words {image} is what the runtime calls the image.
   * @throws `timeout`, `not-found` when there is no such program or storage; a bad exit code is a result.
   */
  run(container: ContainerSpec, command: Command, signal: AbortSignal): Promise<CommandResult>;
  /** Removes the container, never the storage. Refuses a running one. */
  remove(member: string, signal: AbortSignal): Promise<void>;
  /** The last lines of its output since `sinceMs` (wall clock), at most `maxLines`, oldest first. */
  tail(
    member: string,
    options: { readonly sinceMs: number; readonly maxLines: number },
    signal: AbortSignal,
  ): Promise<readonly string[]>;
  /**
   * Takes any container's restart policy away while it runs, by its name in `list` (I2). A runtime that
   * restarts nothing by itself does nothing.
   */
  setRestartPolicyNo(container: string, signal: AbortSignal): Promise<void>;
  /**
   * Ends whatever `list` calls by this name, whoever made it, and returns only when it is proven stopped. For what
   * runs on a retired storage and for nothing else (I2).
   */
  stopListed(name: string, graceMs: number, signal: AbortSignal): Promise<void>;
  /** Everything the runtime knows, for I2, I9 and the checks. */
  list(signal: AbortSignal): Promise<readonly ForeignContainer[]>;
  /** Why nothing could be run isolated on this host, as this container's user; undefined: it can. No such method: it never can. */
  whyNoIsolation?(container: ContainerSpec, signal: AbortSignal): Promise<string | undefined>;
  /**
   * What a container is that may be taken over for this member: all but what its service says. Changes nothing. No such
   * method: this runtime can take nothing over.
   */
  lookAt?(name: string, container: ContainerSpec, signal: AbortSignal): Promise<ContainerLook>;
  /** Set while the member is a container that was taken over: what is different about it. */
  adoptionOf?(container: ContainerSpec, signal: AbortSignal): Promise<AdoptionFact | undefined>;
  /** Calls back whenever something may have changed, until aborted. Reconnects by itself. */
  watch(onChange: () => void, signal: AbortSignal): void;
}
