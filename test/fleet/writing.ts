// Writes all the time to whichever member leads and remembers what was acknowledged: the only judge of what was
// lost. Knows nothing of Leafward, nor of what it writes to.
import { setTimeout as delay } from 'node:timers/promises';

export interface Acknowledged {
  readonly value: string;
  /** The member's position when it had the write. */
  readonly offset: number;
  readonly member: string;
  readonly at: number;
}

/** A connection to the member that leads; every method has a deadline and throws when it is lost. */
export interface LeaderClient {
  readonly member: string;
  /** Returns the position when it was acknowledged. */
  write(value: string): Promise<number>;
  /** Asked after every write: a mirror may forward writes, and then it is not known who acknowledged. */
  leads(): Promise<boolean>;
  close(): void;
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

export interface WritingOptions {
  /** Undefined: nobody leads just now. */
  readonly findLeader: () => Promise<LeaderClient | undefined>;
  readonly everyMs: number;
  /** Before the number in each value. Default `write`. */
  readonly prefix?: string | undefined;
}

const REFUSED_MS = 10;

export function startWriting({ findLeader, everyMs, prefix = 'write' }: WritingOptions): Writer {
  const acknowledged: Acknowledged[] = [];
  let failures = 0;
  let number = 0;
  let isStopped = false;
  const writeTo = async (leader: LeaderClient): Promise<void> => {
    while (!isStopped) {
      number += 1;
      const value = `${prefix}-${number}`;
      const offset = await leader.write(value);
      const isStillLeader = await leader.leads();
      acknowledged.push({ value, offset, member: leader.member, at: Date.now() });
      if (!isStillLeader) return;
      await delay(everyMs);
    }
  };
  const run = async (): Promise<void> => {
    while (!isStopped) {
      const leader = await findLeader();
      if (leader === undefined) {
        await delay(20);
        continue;
      }
      try {
        await writeTo(leader);
      } catch {
        failures += 1;
        await delay(REFUSED_MS); // a leader that refuses at once is asked again, not hammered
      } finally {
        leader.close();
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
