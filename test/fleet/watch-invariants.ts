// Asks the members themselves, all the time, whether what must never happen happens: two leaders (I1), a member
// newer than one below it (I3). Knows nothing of Leafward.
import { setTimeout as delay } from 'node:timers/promises';
import semver from 'semver';
import { connectCell } from '../standin/client.js';

export interface InvariantWatch {
  /** What was seen that must not be, in words. */
  violations(): readonly string[];
  stop(): Promise<void>;
}

interface Seen {
  readonly version: string;
  readonly active: boolean;
}

/** `upstreams`: of each member, as it is when the watch begins. */
export function watchInvariants(
  storages: Readonly<Record<string, string>>,
  upstreams: Readonly<Record<string, string>> = {},
): InvariantWatch {
  const violations = new Set<string>();
  let isStopped = false;
  const look = async (): Promise<void> => {
    const seen: Record<string, Seen> = {};
    await Promise.all(
      Object.entries(storages).map(async ([member, storage]) => {
        const state = await stateOf(storage);
        if (state !== undefined) seen[member] = state;
      }),
    );
    const leaders = Object.keys(seen).filter((member) => seen[member]?.active === true);
    // Asked at slightly different moments, a hand-over in between can show two: ask those again.
    if (leaders.length > 1 && (await stillActive(storages, leaders)) > 1)
      violations.add(`I1: ${leaders.sort().join(' and ')} lead at once`);
    for (const [member, upstream] of Object.entries(upstreams)) {
      const [below, above] = [seen[member], seen[upstream]];
      if (below === undefined || above === undefined) continue;
      if (semver.gt(above.version, below.version))
        violations.add(
          `I3: ${upstream} ${above.version} is newer than ${member} ${below.version} below it`,
        );
    }
  };
  const run = async (): Promise<void> => {
    while (!isStopped) {
      await look();
      await delay(25);
    }
  };
  const done = run();
  return {
    violations: () => [...violations],
    stop: async () => {
      isStopped = true;
      await done;
    },
  };
}

async function stillActive(
  storages: Readonly<Record<string, string>>,
  members: readonly string[],
): Promise<number> {
  const states = await Promise.all(members.map((member) => stateOf(storages[member] ?? '')));
  return states.filter((state) => state?.active === true).length;
}

async function stateOf(storage: string): Promise<Seen | undefined> {
  try {
    const client = await connectCell({ url: storage, deadlineMs: 500 });
    try {
      const info = (await client.call({ method: 'getCellInfo' })) as {
        readonly synapse?: { readonly version?: readonly number[] };
        readonly cell?: { readonly active?: boolean };
      };
      const version = info.synapse?.version;
      if (version === undefined) return undefined;
      return { version: version.join('.'), active: info.cell?.active === true };
    } finally {
      client.close();
    }
  } catch {
    return undefined;
  }
}
