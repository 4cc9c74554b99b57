// Writes all the time to whichever stand-in cell leads, and asks what a cell holds of it.
import { connectCell, type CellClient } from '../standin/client.js';
import { startWriting, type Acknowledged, type LeaderClient, type Writer } from './writing.js';

export type { Acknowledged, Writer } from './writing.js';

export interface WriterOptions {
  /** Storage directory by member. */
  readonly members: Readonly<Record<string, string>>;
  readonly everyMs: number;
  /** Before the number in each value: what was written earlier must not be taken for it. */
  readonly prefix?: string | undefined;
}

const WRITE_DEADLINE_MS = 2000; // an in-flight write on an old leader may never be answered

export const startWriter = ({ members, everyMs, prefix }: WriterOptions): Writer =>
  startWriting({ everyMs, prefix, findLeader: () => findLeader(members) });

async function findLeader(members: WriterOptions['members']): Promise<LeaderClient | undefined> {
  for (const [member, storage] of Object.entries(members)) {
    let client: CellClient | undefined;
    try {
      client = await connectCell({ url: storage, deadlineMs: WRITE_DEADLINE_MS });
      if ((await client.call({ method: 'isCellActive' })) === true) return asLeader(member, client);
      client.close();
    } catch {
      client?.close();
    }
  }
  return undefined;
}

const asLeader = (member: string, client: CellClient): LeaderClient => ({
  member,
  write: (value) => client.write(value),
  leads: async () => (await client.call({ method: 'isCellActive' })) === true,
  close: () => client.close(),
});

/** What was acknowledged and is not held by the member with this storage, whose log is read from `fromOffset` on. */
export async function missingFrom(
  storage: string,
  acknowledged: readonly Acknowledged[],
  fromOffset = 0,
): Promise<readonly Acknowledged[]> {
  const client = await connectCell({ url: storage });
  try {
    const held = new Set((await client.read(fromOffset)).map((write) => write.value));
    return acknowledged.filter((write) => !held.has(write.value));
  } finally {
    client.close();
  }
}
