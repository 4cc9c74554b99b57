// Ends a life of an agent at its n-th journal record, before or after that is on the disk.
import type { Journal } from '@leafward/agent/journal.js';

export interface Cut {
  readonly killAt: number;
  readonly when: 'before' | 'after';
}

/** SIGKILL of this very process: no handler runs, no file is closed. */
export function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => undefined);
}

export function killing(journal: Journal, cut: Cut): Journal {
  let count = 0;
  // One record after the other, as the disk takes them: a fence does not wait for the one before it.
  let last: Promise<unknown> = Promise.resolve();
  return {
    get state() {
      return journal.state;
    },
    append: (record) => {
      const turn = last.then(async () => {
        count += 1;
        if (count === cut.killAt && cut.when === 'before') return die();
        const state = await journal.append(record);
        if (count === cut.killAt && cut.when === 'after') return die();
        return state;
      });
      last = turn.catch(() => undefined);
      return turn;
    },
    close: () => journal.close(),
  };
}
