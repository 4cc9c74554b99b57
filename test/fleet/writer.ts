// Writes all the time to whichever member leads and remembers what was acknowledged: the only judge of what was
// lost. Knows nothing of Leafward.
import { setTimeout as delay } from 'node:timers/promises';
import { connectCell, type CellClient } from '../standin/client.js';

export interface Acknowledged {
  readonly value: string;
  readonly offset: number;
  readonly member: string;
  readonly at: number;
}

export interface Writer {
  acknowledged(): readonly Acknowledged[];
  /** Writes that failed or were not answered; nobody may count on them. */
  failures(): number;
  /** Longest time between two acknowledged writes since `since` (wall clock), milliseconds. */
  longestGapMs(since: number): number;
  /** Waits until something was acknowledged after now. */
  untilNextWrite(timeoutMs: number): Promise<Acknowledged>;
  stop(): Promise<void>;
}

export interface WriterOptions {
  /** Storage directory by member. */
  readonly members: Readonly<Record<string, string>>;
  readonly everyMs: number;
}

const WRITE_DEADLINE_MS = 2000; // an in-flight write on an old leader may never be answered

export function startWriter(options: WriterOptions): Writer {
  const acknowledged: Acknowledged[] = [];
  let failures = 0;
  let isStopped = false;
  const run = async (): Promise<void> => {
    let number = 0;
    while (!isStopped) {
      const leader = await findLeader(options.members);
      if (leader === undefined) {
        await delay(20);
        continue;
      }
      try {
        while (!isStopped) {
          number += 1;
          const value = `write-${number}`;
          const offset = await leader.client.write(value);
          // A mirror would forward writes: always go to the leader itself, so that it is known who acknowledged.
          const isStillLeader = (await leader.client.call({ method: 'isCellActive' })) === true;
          acknowledged.push({ value, offset, member: leader.member, at: Date.now() });
          if (!isStillLeader) break;
          await delay(options.everyMs);
        }
      } catch {
        failures += 1;
      } finally {
        leader.client.close();
      }
    }
  };
  const done = run();
  return {
    acknowledged: () => acknowledged,
    failures: () => failures,
    longestGapMs: (since) => {
      const times = [
        since,
        ...acknowledged.map((a) => a.at).filter((at) => at >= since),
        Date.now(),
      ];
      return Math.max(...times.slice(1).map((at, i) => at - (times[i] ?? at)));
    },
    untilNextWrite: async (timeoutMs) => {
      const before = acknowledged.length;
      const deadline = Date.now() + timeoutMs;
      while (Date.now() < deadline) {
        const next = acknowledged[before];
        if (next !== undefined) return next;
        await delay(10);
      }
      throw new Error(`no write was acknowledged within ${timeoutMs / 1000} s`);
    },
    stop: async () => {
      isStopped = true;
      await done;
    },
  };
}

async function findLeader(
  members: WriterOptions['members'],
): Promise<{ readonly member: string; readonly client: CellClient } | undefined> {
  for (const [member, storage] of Object.entries(members)) {
    let client: CellClient | undefined;
    try {
      client = await connectCell({ url: storage, deadlineMs: WRITE_DEADLINE_MS });
      if ((await client.call({ method: 'isCellActive' })) === true) return { member, client };
      client.close();
    } catch {
      client?.close();
    }
  }
  return undefined;
}

/** What was acknowledged and is not held by the member with this storage. */
export async function missingFrom(
  storage: string,
  acknowledged: readonly Acknowledged[],
): Promise<readonly Acknowledged[]> {
  const client = await connectCell({ url: storage });
  try {
    const held = new Set((await client.read()).map((write) => write.value));
    return acknowledged.filter((write) => !held.has(write.value));
  } finally {
    client.close();
  }
}
