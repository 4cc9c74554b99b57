// Sees which version every member runs, by asking the members themselves all the time.
import { setTimeout as delay } from 'node:timers/promises';
import { connectCell } from '../standin/client.js';

export interface VersionWatch {
  /** Members in the order in which they were first seen with this version. */
  order(version: string): readonly string[];
  stop(): Promise<void>;
}

export function watchVersions(storages: Readonly<Record<string, string>>): VersionWatch {
  const seen: { readonly member: string; readonly version: string }[] = [];
  let isStopped = false;
  const look = async (): Promise<void> => {
    for (const [member, storage] of Object.entries(storages)) {
      const version = await versionOf(storage);
      if (version === undefined) continue;
      if (!seen.some((s) => s.member === member && s.version === version))
        seen.push({ member, version });
    }
  };
  const run = async (): Promise<void> => {
    while (!isStopped) {
      await look();
      await delay(30);
    }
    await look();
  };
  const done = run();
  return {
    order: (version) => seen.filter((s) => s.version === version).map((s) => s.member),
    stop: async () => {
      isStopped = true;
      await done;
    },
  };
}

async function versionOf(storage: string): Promise<string | undefined> {
  try {
    const client = await connectCell({ url: storage, deadlineMs: 500 });
    try {
      const info = (await client.call({ method: 'getCellInfo' })) as {
        readonly synapse?: { readonly verstring?: string; readonly version?: unknown };
      };
      const version = info.synapse?.version;
      return Array.isArray(version)
        ? version.join('.')
        : info.synapse?.verstring?.replace(/^v/, '');
    } finally {
      client.close();
    }
  } catch {
    return undefined;
  }
}
