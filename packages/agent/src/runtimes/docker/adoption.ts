// Containers that ran before Leafward and were taken over as they are: found by the name that the order says, and
// believed only while they hold the member's storage. Must never take one that bears a member's label.
import { resolve } from 'node:path';
import type { ForeignContainer } from '../runtime.js';
import { containerName, LABEL_COMMAND, LABEL_MEMBER } from './container-config.js';
import { isOurs, writesOf, type EngineContainer } from './container-fact.js';
import type { ContainerCalls } from './containers.js';

/** What the orders of this host say of one. */
export interface Adopted {
  readonly member: string;
  readonly container: string;
  readonly storage: string;
  /** Of the spec that it was taken over with; empty: it is to be replaced. */
  readonly specDigest: string;
}

export interface OwnContainer {
  readonly found: EngineContainer;
  /** Set for one that Leafward did not make. */
  readonly adopted?: Adopted | undefined;
}

export type FindOwn = (member: string, signal: AbortSignal) => Promise<OwnContainer | undefined>;

/** A container of Leafward's own making comes first: what was taken over was replaced by it. */
export function findOwnBy(
  containers: ContainerCalls,
  adoptions: () => readonly Adopted[],
): FindOwn {
  return async (member, signal) => {
    const made = await containers.inspect(containerName(member), signal);
    if (made !== undefined) return { found: made };
    const adopted = adoptions().find((one) => one.member === member);
    if (adopted === undefined) return undefined;
    const found = await containers.inspect(adopted.container, signal);
    return found !== undefined && isAdoptable(found, adopted.storage)
      ? { found, adopted }
      : undefined;
  };
}

/** Whether it may be this member's, by its labels and its mounts. */
export function isAdoptable(found: EngineContainer, storage: string): boolean {
  const labels = found.Config.Labels ?? {};
  if (labels[LABEL_MEMBER] !== undefined || labels[LABEL_COMMAND] !== undefined) return false;
  return writesOf(found).some((path) => resolve(path) === resolve(storage));
}

/** Whether what was found is this member's, made or taken over. */
export const isOwn = ({ found, adopted }: OwnContainer, member: string): boolean =>
  adopted !== undefined || isOurs(found, member);

/** The list as it is, with the member's name at each container that was taken over and not replaced since. */
export function withAdopted(
  listed: readonly ForeignContainer[],
  adoptions: readonly Adopted[],
): readonly ForeignContainer[] {
  return listed.map((one) => {
    if (one.member !== undefined) return one;
    const adopted = adoptions.find(
      ({ container, storage }) =>
        container === one.name && one.writes.some((path) => resolve(path) === resolve(storage)),
    );
    const isReplaced = listed.some(({ name }) => name === containerName(adopted?.member ?? ''));
    return adopted === undefined || isReplaced ? one : { ...one, member: adopted.member };
  });
}
