// What the Engine says of a container, as a fact. Pure; takes nothing of its environment (I14).
import type { ContainerFact, ContainerState } from '@leafward/shared/gen/domain.js';
import type { ForeignContainer } from '../runtime.js';
import { LABEL_DRILL, LABEL_IMAGE, LABEL_MEMBER, LABEL_SPEC } from './container-config.js';

/** The part of GET /containers/ID/json that is read here (Engine API 1.41 and later). */
export interface EngineContainer {
  readonly Id: string;
  readonly Name: string;
  readonly State: {
    readonly Status: string;
    readonly Running: boolean;
    readonly OOMKilled: boolean;
    readonly ExitCode: number;
    readonly Error: string;
    readonly StartedAt: string;
  };
  /** Id of its image. */
  readonly Image?: string;
  readonly HostConfig: {
    readonly NetworkMode: string;
    readonly RestartPolicy?: { readonly Name: string } | null;
    readonly Memory?: number | null;
    readonly Ulimits?: readonly { readonly Name: string; readonly Soft: number }[] | null;
    readonly PortBindings?: Readonly<
      Record<string, readonly { readonly HostPort: string }[] | null>
    > | null;
  };
  readonly Config: {
    readonly Labels?: Readonly<Record<string, string>> | null;
    /** As it was asked for. */
    readonly Image?: string;
    readonly User?: string;
    readonly Env?: readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
  };
  readonly Mounts?:
    | readonly {
        readonly Source: string;
        readonly Destination?: string;
        readonly RW: boolean;
      }[]
    | null;
}

/** Host paths that it has mounted for writing. */
export const writesOf = (container: EngineContainer): readonly string[] =>
  (container.Mounts ?? [])
    .filter((mount) => mount.RW && mount.Source !== '')
    .map((mount) => mount.Source);

const stateOf: Readonly<Record<string, ContainerState>> = {
  created: 'created',
  running: 'running',
  paused: 'paused',
  restarting: 'restarting',
  exited: 'exited',
  removing: 'exited',
  dead: 'exited',
};

export function isOurs(container: EngineContainer, member: string): boolean {
  return container.Config.Labels?.[LABEL_MEMBER] === member;
}

/** `madeFrom`: the spec's digest of one that Leafward did not make and took over. */
export function containerFact(
  container: EngineContainer,
  member: string,
  madeFrom?: string,
): ContainerFact {
  const { State: state, Config: config } = container;
  const started = Date.parse(state.StartedAt);
  return {
    state: stateOf[state.Status] ?? 'unknown',
    id: container.Id,
    startedAt: started > 0 ? started : undefined, // never started: year 1
    exitCode: stateOf[state.Status] === 'exited' ? state.ExitCode : undefined,
    imageDigest: config.Labels?.[LABEL_IMAGE],
    specDigest: madeFrom ?? config.Labels?.[LABEL_SPEC],
    restartPolicy: restartPolicyOf(container),
    error: problemOf(container, madeFrom === undefined ? member : undefined),
  };
}

export function foreignContainer(container: EngineContainer): ForeignContainer {
  return {
    name: container.Name.replace(/^\//, ''),
    // Paused and restarting hold their mounts as a running one does (I9).
    running: container.State.Running,
    writes: writesOf(container),
    restartPolicy: restartPolicyOf(container),
    networkMode: container.HostConfig.NetworkMode,
    member: container.Config.Labels?.[LABEL_MEMBER],
    ...(container.Config.Labels?.[LABEL_DRILL] === undefined ? {} : { drill: true }),
  };
}

/** An absent policy and an empty name both mean `no`. */
function restartPolicyOf(container: EngineContainer): string {
  const name = container.HostConfig.RestartPolicy?.Name;
  return name === undefined || name === '' ? 'no' : name;
}

/** `member`: undefined for one that it need not have been made for. */
function problemOf(container: EngineContainer, member: string | undefined): string | undefined {
  const { State: state } = container;
  if (member !== undefined && !isOurs(container, member))
    return `the container ${container.Name} was not made by Leafward for this member`;
  if (state.Status === 'removing' || state.Status === 'dead')
    return `the Engine could not finish removing it (${state.Status})`;
  if (state.OOMKilled) return 'the kernel killed it for want of memory';
  return state.Error === '' ? undefined : state.Error;
}
