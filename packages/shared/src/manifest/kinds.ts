// What a kind of service takes for granted, so that a manifest need not say it. Pure data; a new built-in kind is
// one entry here and one engine at the agent. Kinds that a manifest describes with commands are `exec`.

/** `tree`: a leader and mirrors that hold copies. `stack`: a main process and workers that hold none. */
export type Shape = 'tree' | 'stack';

export interface KindDefaults {
  /** Folder of the agent that talks to it. */
  readonly engine: 'synapse' | 'matrix-synapse' | 'exec';
  readonly shape: Shape;
  readonly storage: string;
  readonly storageTarget: string;
  readonly networkMode: string;
  /** User of the container; the process runtime has none by default and runs as the agent does. */
  readonly user: string | undefined;
}

export const kindDefaults: Readonly<Record<string, KindDefaults>> = {
  /** The project's deployment guide (/srv/syn, /vertex/storage, host network) and its images' uid 999. */
  synapse: {
    engine: 'synapse',
    shape: 'tree',
    storage: '/srv/syn/{member}/storage',
    storageTarget: '/vertex/storage',
    networkMode: 'host',
    user: '999',
  },
  /** The homeserver's own image: /data, uid 991. */
  'matrix-synapse': {
    engine: 'matrix-synapse',
    shape: 'stack',
    storage: '/srv/matrix/{member}',
    storageTarget: '/data',
    networkMode: 'host',
    user: '991',
  },
};

/** For a kind that the manifest describes. */
export const execDefaults: KindDefaults = {
  engine: 'exec',
  shape: 'tree',
  storage: '/srv/{service}/{member}',
  storageTarget: '/data',
  networkMode: 'host',
  user: undefined,
};

export const isBuiltIn = (kind: string): boolean => Object.hasOwn(kindDefaults, kind);

export const defaultsOf = (kind: string): KindDefaults =>
  (isBuiltIn(kind) ? kindDefaults[kind] : undefined) ?? execDefaults;
