// How long two members led at once, asked of the members themselves past Leafward and past the hosts' network.
import { setTimeout as delay } from 'node:timers/promises';
import { connectCell } from '../../standin/client.js';

export interface LeaderWatch {
  /** Milliseconds in which more than one member said twice that it leads. */
  twoLeadersMs(): number;
  stop(): Promise<void>;
}

const LOOK_EVERY_MS = 20;
const ANSWER_MS = 500;

export function watchLeaders(storages: Readonly<Record<string, string>>): LeaderWatch {
  let twoLeadersMs = 0;
  let isStopped = false;
  let since: number | undefined;
  const look = async (): Promise<void> => {
    const leaders = await activeOf(Object.values(storages));
    // Asked one after the other, a hand-over in between can show two: only who leads in both looks counts.
    const isSplit = leaders.length > 1 && (await activeOf(leaders)).length > 1;
    const now = performance.now();
    if (isSplit && since !== undefined) twoLeadersMs += now - since;
    since = isSplit ? now : undefined;
  };
  const run = async (): Promise<void> => {
    while (!isStopped) {
      await look();
      await delay(LOOK_EVERY_MS);
    }
  };
  const done = run();
  return {
    // One look that saw two is a split, however short.
    twoLeadersMs: () => Math.round(since === undefined ? twoLeadersMs : twoLeadersMs + 1),
    stop: async () => {
      isStopped = true;
      await done;
    },
  };
}

async function activeOf(storages: readonly string[]): Promise<readonly string[]> {
  const active = await Promise.all(storages.map(leads));
  return storages.filter((_, index) => active[index]);
}

async function leads(storage: string): Promise<boolean> {
  try {
    const client = await connectCell({ url: storage, deadlineMs: ANSWER_MS });
    try {
      return (await client.call({ method: 'isCellActive' })) === true;
    } finally {
      client.close();
    }
  } catch {
    return false;
  }
}
