// A command in the container of a member that runs. An Engine cannot end one: its processes are killed from here, by
// the pid that the Engine gives and by their mark, which needs an agent that sees the host's processes.
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import { endCommand } from '../command-end.js';
import { MARK_VARIABLE, newMark } from '../command-mark.js';
import { collectOutput } from '../command-output.js';
import { readStat } from '../process/proc.js';
import type { Command, CommandResult, ContainerSpec } from '../runtime.js';
import { brokenOff, follow, type HowItEnded } from './container-command.js';
import type { EngineDeadlines } from './deadlines.js';
import type { EngineClient } from './engine-client.js';
import { streamError } from './engine-error.js';

interface ExecState {
  readonly Running: boolean;
  readonly ExitCode: number | null;
  readonly Pid: number;
}

/** The Engine knows the exit code a moment after the output's end. */
const SETTLE_MS = 2_000;
const LOOK_EVERY_MS = 20;

export interface ExecParts {
  readonly client: EngineClient;
  readonly deadlines: EngineDeadlines;
}

export async function execCommand(
  { client, deadlines }: ExecParts,
  where: { readonly id: string; readonly container: ContainerSpec },
  command: Command,
  signal: AbortSignal,
): Promise<CommandResult> {
  const { argv, deadlineMs } = command;
  const { spec, member } = where.container;
  const doing = `run ${argv[0] ?? ''} in the container of ${member}`;
  const call = { doing, deadlineMs: deadlines.inspectMs };
  const mark = (await newMark(spec.storage)).text;
  const { Id: id } = await client.ask<{ readonly Id: string }>({
    ...call,
    method: 'POST',
    path: `/containers/${where.id}/exec`,
    body: {
      AttachStdout: true,
      AttachStderr: true,
      Cmd: argv,
      Env: [`${MARK_VARIABLE}=${mark}`],
      WorkingDir: spec.storageTarget,
    },
    signal,
  });
  // Not the caller's signal: what was begun is to be ended after an abort as well.
  const look = (): Promise<ExecState> =>
    client.ask<ExecState>({
      ...call,
      method: 'GET',
      path: `/exec/${id}/json`,
      signal: new AbortController().signal,
    });
  const beganAt = performance.now();
  const output = collectOutput(command);
  const stream = await client.open({
    ...call,
    method: 'POST',
    path: `/exec/${id}/start`,
    body: { Detach: false, Tty: false },
    signal,
  });
  const isOver = async (): Promise<boolean> => !(await look()).Running;
  const how = await follow(stream, output, { deadlineMs, isOver, signal });
  const state = await settled(look, how);
  const isKilled = how === 'ended' || (await endAll(state, where.id, mark));
  if (how !== 'ended' && how !== 'held') throw brokenOff(doing, how, { deadlineMs, isKilled });
  if (state?.Running !== false || state.ExitCode === null)
    throw new LeafwardError('unavailable', `${doing}: the Engine does not say how it ended`);
  const tookMs = Math.round(performance.now() - beganAt);
  const result = { exitCode: state.ExitCode, ...output.end(), tookMs };
  if (isEnginesWord(result)) throw streamError(doing, `${result.stdout}${result.stderr}`.trim());
  return result;
}

async function settled(
  look: () => Promise<ExecState>,
  how: HowItEnded,
): Promise<ExecState | undefined> {
  const giveUpAt = performance.now() + SETTLE_MS;
  for (;;) {
    const state = await look().catch(() => undefined);
    if (state?.Running !== true || how !== 'ended' || performance.now() > giveUpAt) return state;
    await delay(LOOK_EVERY_MS);
  }
}

/** False: nothing of it can be seen from here, or it would not die. */
async function endAll(state: ExecState | undefined, id: string, mark: string): Promise<boolean> {
  const pid = state?.Running === true ? state.Pid : 0;
  const startTicks = readStat(pid)?.startTicks;
  const isVisible = pid > 0 && startTicks !== undefined && (await isIn(pid, id));
  const leader = isVisible ? { pid, startTicks } : undefined;
  const isEnded = await endCommand({ leader, mark, clock: systemClock });
  return isEnded && (isVisible || state?.Running === false);
}

/** Whether this host's process of that pid belongs to the container: an agent in a container has pids of its own. */
async function isIn(pid: number, id: string): Promise<boolean> {
  return (await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '')).includes(id);
}

/** Engines before 25 tell in the output that there is no such program, as if the program had said so. */
function isEnginesWord({ exitCode, stdout }: CommandResult): boolean {
  return (exitCode === 126 || exitCode === 127) && /^OCI runtime exec failed:/.test(stdout);
}
