// Virtual time and who runs when. One event at a time; after each everything that it set going in promises has come
// to rest before the next begins. Knows processes, because what is stopped or dead gets no events.
import type { Trace } from './trace.js';

export interface SimEvent {
  at: number;
  order: number;
  readonly owner: SimProcess | undefined;
  readonly run: () => void;
  /** Instead of `run` when its owner has died meanwhile: what the kernel had begun may still happen. */
  readonly afterDeath: (() => void) | undefined;
  cancelled: boolean;
}

/** What runs on a simulated host: gets events while it lives and is not stopped. */
export interface SimProcess {
  readonly name: string;
  readonly host: string;
  alive: boolean;
  /** As by SIGSTOP: what is due waits. */
  stopped: boolean;
  held: SimEvent[];
  died?: string | undefined;
}

/** Node lets every promise come to rest between two immediates, and looks at nothing else: so many in one go. */
const TURNS = 200;

export const newProcess = (name: string, host: string): SimProcess => ({
  name,
  host,
  alive: true,
  stopped: false,
  held: [],
});

export class Scheduler {
  /** True time, milliseconds; hosts have clocks of their own. */
  now = 0;
  events = 0;
  #order = 0;
  readonly #heap: SimEvent[] = [];

  constructor(
    readonly trace: Trace,
    /** What an event threw. */
    readonly onError: (error: unknown, owner: SimProcess | undefined) => void,
  ) {}

  after(delayMs: number, run: () => void, owner?: SimProcess, afterDeath?: () => void): SimEvent {
    const event: SimEvent = {
      at: this.now + Math.max(0, delayMs),
      order: this.#order++,
      owner,
      run,
      afterDeath,
      cancelled: false,
    };
    this.#push(event);
    return event;
  }

  /** What was due while it was stopped comes at once, in its order. */
  resume(process: SimProcess): void {
    process.stopped = false;
    const held = process.held;
    process.held = [];
    for (const event of held) {
      event.at = this.now + 0.01;
      event.order = this.#order++;
      this.#push(event);
    }
  }

  /** Runs what is due until `time`, or until `isOver` says so between two events. */
  async until(time: number, isOver: () => boolean): Promise<void> {
    let hasEnded = false;
    await new Promise<void>((resolve) => {
      const turn = (): void => {
        if (hasEnded) return;
        // Here everything has come to rest that the event before has set going.
        hasEnded = isOver() || !this.#runNext(time);
        if (hasEnded) resolve();
      };
      const turns = (): void => {
        for (let count = 1; count < TURNS; count += 1) setImmediate(turn);
        setImmediate(() => {
          turn();
          if (!hasEnded) turns();
        });
      };
      turns();
    });
    if (!isOver()) this.now = Math.max(this.now, time);
  }

  /** One event; those that nobody is there for are passed over. False: there is none until then. */
  #runNext(time: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > time) return false;
      this.#pop();
      if (next.cancelled) continue;
      this.now = next.at;
      const { owner } = next;
      if (owner?.alive === false) {
        if (next.afterDeath === undefined) continue;
        next.afterDeath();
        return true;
      }
      if (owner?.stopped === true) {
        owner.held.push(next);
        continue;
      }
      this.#run(next);
      return true;
    }
  }

  #run({ at, order, owner, run }: SimEvent): void {
    this.events += 1;
    this.trace.mix(at * 1000);
    this.trace.mix(order);
    try {
      run();
    } catch (error) {
      this.onError(error, owner);
    }
  }

  #push(event: SimEvent): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as SimEvent;
      if (!isBefore(event, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): SimEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as SimEvent)) child += 1;
      const below = heap[child] as SimEvent;
      if (!isBefore(below, last)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

const isBefore = (a: SimEvent, b: SimEvent): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order);
