// Where a member's output is read from: what there is already, then what comes. One for each runtime.

export interface OutputLine {
  readonly text: string;
  /** When the runtime took it; undefined where it does not say. */
  readonly at?: number | undefined;
}

export interface Past {
  readonly lines: readonly OutputLine[];
  /** True: there was more than could be looked through. */
  readonly isCut: boolean;
}

export interface PastWanted {
  /** Undefined: as far back as it goes. */
  readonly sinceMs: number | undefined;
  /** The newest of those that `keep` says yes to. */
  readonly maxLines: number;
  /** Asked of each line once, in order. */
  readonly keep: (line: OutputLine) => boolean;
  /** False: `keep` says yes to all. */
  readonly isFiltered: boolean;
}

export interface MemberOutput {
  /** Oldest first. @throws LeafwardError when the runtime does not answer. */
  past(wanted: PastWanted, signal: AbortSignal): Promise<Past>;
  /**
   * Each line after those of `past`, as it comes; goes on over restarts of the member. Never buffers: who is told sees
   * to that. Returns when the signal fires. @throws LeafwardError when the runtime does not answer any more.
   */
  follow(onLine: (line: OutputLine) => void, signal: AbortSignal): Promise<void>;
}

/** A longer line is cut: no program says more in one that a person reads. */
export const MOST_LINE_BYTES = 64 * 1024;
