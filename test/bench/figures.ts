// What the processes of a benchmark tell each other: plain data.

export interface ServerFigures {
  /** Reports taken since start. */
  readonly messages: number;
  readonly cpuUs: number;
  readonly rssBytes: number;
  /** Of the JavaScript heap, and of buffers outside of it. */
  readonly heapBytes: number;
  readonly externalBytes: number;
  readonly at: number;
}

/** What clients saw within one window. */
export interface ClientFigures {
  readonly answered: number;
  /** Agents whose streams broke: a machine that starves its processes for seconds looks like a dead peer. */
  readonly lost: number;
  /** From the moment a report is handed to gRPC until its answer is here. */
  readonly latenciesMs: readonly number[];
}

export interface ServerCost {
  readonly messages: number;
  readonly usPerMessage: number;
  /** Of one core. */
  readonly coreShare: number;
}

export function costBetween(before: ServerFigures, after: ServerFigures): ServerCost {
  const messages = after.messages - before.messages;
  const cpuUs = after.cpuUs - before.cpuUs;
  return {
    messages,
    usPerMessage: cpuUs / messages,
    coreShare: cpuUs / 1000 / (after.at - before.at),
  };
}
