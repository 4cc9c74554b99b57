// Streams that operators hold open, by user, so that a revocation ends them at once.

export interface LiveCalls {
  /** A signal that fires with the call's own or when the user is cut off; forgets itself with the call. */
  track(user: string, signal: AbortSignal): AbortSignal;
  /** Ends a user's streams; returns how many there were. */
  end(user: string): number;
}

export function createLiveCalls(): LiveCalls {
  const byUser = new Map<string, Set<AbortController>>();
  return {
    track(user, signal) {
      const controller = new AbortController();
      const calls = byUser.get(user) ?? new Set();
      byUser.set(user, calls.add(controller));
      signal.addEventListener(
        'abort',
        () => {
          calls.delete(controller);
          controller.abort();
        },
        { once: true },
      );
      return controller.signal;
    },
    end(user) {
      const calls = [...(byUser.get(user) ?? [])];
      for (const call of calls) call.abort();
      byUser.delete(user);
      return calls.length;
    },
  };
}
