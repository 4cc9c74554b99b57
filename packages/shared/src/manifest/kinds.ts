// What a kind of service takes for granted, so that a manifest need not say it. Pure data; a new kind is one
// entry here and one engine at the agent.

export interface KindDefaults {
  readonly storage: string;
  readonly storageTarget: string;
  readonly networkMode: string;
  /** User of the container; the process runtime has none by default and runs as the agent does. */
  readonly user: string | undefined;
}

/** Synapse: the project's deployment guide (/srv/syn, /vertex/storage, host network) and its images' uid 999. */
export const kindDefaults: Readonly<Record<string, KindDefaults>> = {
  synapse: {
    storage: '/srv/syn/{member}/storage',
    storageTarget: '/vertex/storage',
    networkMode: 'host',
    user: '999',
  },
};
