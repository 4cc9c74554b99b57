// A command of a member that does not run: a container of its own, of the same image, mounts, user and network, that
// is no member and is gone afterwards. What an agent that died has left is removed by the next one.
import { randomUUID } from 'node:crypto';
import { LeafwardError } from '@leafward/shared/errors.js';
import { isOrphan, MARK_VARIABLE, newMark, ownOwner } from '../command-mark.js';
import { collectOutput } from '../command-output.js';
import type { Command, CommandResult, ContainerSpec, ForeignContainer } from '../runtime.js';
import { brokenOff, follow } from './container-command.js';
import { commandConfig, LABEL_COMMAND, LABEL_OWNER } from './container-config.js';
import { foreignContainer, type EngineContainer } from './container-fact.js';
import type { ContainerCalls } from './containers.js';
import type { OneOffCalls } from './one-off-calls.js';

export interface OneOffs {
  run(
    container: ContainerSpec,
    image: string,
    command: Command,
    signal: AbortSignal,
  ): Promise<CommandResult>;
  /** How `list` tells of it; undefined: it was nobody's any more and is removed. */
  listed(found: EngineContainer, signal: AbortSignal): Promise<ForeignContainer | undefined>;
}

export function isOneOff(found: EngineContainer): boolean {
  return found.Config.Labels?.[LABEL_COMMAND] !== undefined;
}

export function createOneOffs(containers: ContainerCalls, calls: OneOffCalls): OneOffs {
  /** Names of those that this runtime waits for. */
  const own = new Set<string>();
  /** Not by the caller's signal: it goes away after an abort as well. */
  const remove = (name: string): Promise<void> => calls.remove(name, new AbortController().signal);
  const run = async (
    name: string,
    container: ContainerSpec,
    image: string,
    command: Command,
    signal: AbortSignal,
  ): Promise<CommandResult> => {
    const { argv, deadlineMs } = command;
    const doing = `run ${argv[0] ?? ''} in a container like that of ${container.member}`;
    const text = (await newMark(container.spec.storage)).text;
    const owner = await ownOwner();
    const marked = { argv, owner, mark: `${MARK_VARIABLE}=${text}` };
    await calls.create(name, commandConfig(container, image, marked), signal);
    const stream = await calls.attach(name, signal);
    const output = collectOutput(command);
    await calls.start(name, signal);
    const beganAt = performance.now();
    const isOver = async (): Promise<boolean> =>
      (await containers.inspect(name, signal))?.State.Running === false;
    const how = await follow(stream, output, { deadlineMs, isOver, signal });
    if (how !== 'ended' && how !== 'held') {
      const isKilled = await remove(name).then(
        () => true,
        () => false,
      );
      throw brokenOff(doing, how, { deadlineMs, isKilled });
    }
    const exitCode = await calls.untilOver(name, signal);
    if (exitCode === undefined)
      throw new LeafwardError('unavailable', `${doing}: somebody removed its container ${name}`);
    return { exitCode, ...output.end(), tookMs: Math.round(performance.now() - beganAt) };
  };
  return {
    async run(container, image, command, signal) {
      const name = `leafward-command-${randomUUID()}`;
      own.add(name);
      try {
        return await run(name, container, image, command, signal);
      } finally {
        // What cannot be removed now is nobody's, and the next list removes it.
        await remove(name).catch(() => undefined);
        own.delete(name);
      }
    },
    async listed(found, signal) {
      const listed = foreignContainer(found);
      const labels = found.Config.Labels ?? {};
      if (own.has(listed.name)) return { ...listed, member: labels[LABEL_COMMAND], command: true };
      const owner = labels[LABEL_OWNER] ?? '';
      const isOver = !found.State.Running && found.State.Status !== 'created';
      const isLeft = (isOver && owner !== (await ownOwner())) || (await isOrphan(owner));
      if (!isLeft) return listed;
      await calls.remove(found.Id, signal).catch(() => undefined);
      return (await containers.inspect(found.Id, signal)) === undefined ? undefined : listed;
    },
  };
}
