// What a simulated program gets for AbortController and AbortSignal. Node's own make an error with its stack for each
// abort and an event for each listener, which took a sixth of all the time; and whom `any` still holds is there a
// matter of when memory is collected, which no seed decides.
type Listener = () => void;

export interface SimSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: string, listener: Listener, how?: { readonly once?: boolean }): void;
  removeEventListener(type: string, listener: Listener): void;
  throwIfAborted(): void;
}

const ABORTED = Object.assign(new Error('This operation was aborted'), { name: 'AbortError' });
const TIMED_OUT = Object.assign(new Error('The operation was aborted due to timeout'), {
  name: 'TimeoutError',
});

class Signal implements SimSignal {
  aborted = false;
  reason: unknown = undefined;
  #listeners: Listener[] = [];

  /** Of an abort only, which comes once: so `once` says nothing more. */
  addEventListener(_type: string, listener: Listener): void {
    if (!this.aborted && !this.#listeners.includes(listener)) this.#listeners.push(listener);
  }

  removeEventListener(_type: string, listener: Listener): void {
    const at = this.#listeners.indexOf(listener);
    if (at >= 0) this.#listeners.splice(at, 1);
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }
}

class Controller {
  readonly signal = new Signal();
  abort(reason: unknown = ABORTED): void {
    this.signal.abort(reason);
  }
}

export interface Aborts {
  readonly AbortController: new () => {
    readonly signal: SimSignal;
    abort(reason?: unknown): void;
  };
  readonly AbortSignal: {
    timeout(ms: number): SimSignal;
    any(signals: readonly SimSignal[]): SimSignal;
    abort(reason?: unknown): SimSignal;
  };
}

/** @param setTimeout of the program's own clock. */
export function createAborts(setTimeout: (callback: () => void, ms: number) => unknown): Aborts {
  const timeout = (ms: number): SimSignal => {
    const signal = new Signal();
    setTimeout(() => signal.abort(TIMED_OUT), ms);
    return signal;
  };
  const any = (signals: readonly SimSignal[]): SimSignal => {
    const made = new Signal();
    const first = signals.find(({ aborted }) => aborted);
    if (first !== undefined) made.abort(first.reason);
    else
      for (const signal of signals)
        signal.addEventListener('abort', () => made.abort(signal.reason));
    return made;
  };
  const abort = (reason: unknown = ABORTED): SimSignal => {
    const signal = new Signal();
    signal.abort(reason);
    return signal;
  };
  return { AbortController: Controller, AbortSignal: { timeout, any, abort } };
}
