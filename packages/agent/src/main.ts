// The one place where the agent's parts are put together. Nothing is decided here.
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '@leafward/shared/clock.js';
import type { Logger } from '@leafward/shared/log.js';
import type { Agent } from './agent.js';
import { openAgent } from './assembly.js';
import type { AgentConfig } from './config.js';
import { deadmanPlace } from './deadman/guard.js';
import { openAgentIdentity, startAgentRenewal } from './identity.js';
import { openJournal } from './journal.js';
import { startLink, type Link } from './link.js';
import { logsStreams } from './logs/log-line.js';
import { createLogs } from './logs/logs.js';
import { readBootId } from './runtimes/process/proc.js';
import { lockState } from './state-lock.js';
import { transferLines } from './transfer/line.js';
import { VERSION } from './version.js';
import { startWatchdog } from './watchdog.js';

export interface RunOptions {
  readonly config: AgentConfig;
  readonly log: Logger;
  /** Ends the agent; members go on. */
  readonly signal: AbortSignal;
}

/** @throws LeafwardError when it cannot begin; returns when it has ended as asked. */
export async function runAgent(options: RunOptions): Promise<void> {
  const { stateDirectory } = options.config;
  await mkdir(stateDirectory, { recursive: true });
  // Members that run as other users must reach their stored images below it; all else in it is closed.
  await chmod(stateDirectory, 0o711);
  const unlock = await lockState(stateDirectory);
  try {
    await serve(options);
  } finally {
    await unlock();
  }
}

async function serve({ config, log, signal }: RunOptions): Promise<void> {
  const clock = systemClock;
  const identity = await openAgentIdentity(config.stateDirectory);
  const { name: host, fleet } = identity.current();
  const journal = await openJournal(join(config.stateDirectory, 'journal.log'), log);
  const late: { link?: Link } = {};
  const opened = await openAgent({
    config,
    log,
    clock,
    host,
    fleet,
    bootId: await readBootId(),
    journal,
    send: (message) => late.link?.send(message) ?? false,
    clockOffsetMs: () => {
      const theirs = late.link?.clockOffsetMs();
      return theirs === undefined ? undefined : -theirs; // here: how far this host is ahead
    },
    signal,
    deadman: deadmanPlace(process.env, process.argv[1]),
    program: process.argv[1],
    transferLine: transferLines(identity),
  });
  const { agent } = opened;
  const logs = createLogs({ clock, log, open: logsStreams(identity), ...opened.output });
  const renewal = startAgentRenewal(identity, { clock, log });
  const link = startLink({
    identity,
    hello: () => agent.hello(),
    onMessage: (message) =>
      message.kind === 'logs-wish' ? logs.wish(message) : agent.receive(message),
    onState: (connected) => agent.connected(connected),
    clock,
    log,
  });
  late.link = link;
  const watchdog = startWatchdog({
    clock,
    log,
    environment: process.env,
    idleMs: () => agent.idleMs(),
    status: () => statusOf(agent, link),
  });
  watchdog.ready();
  log.info({ host, fleet, version: VERSION }, `agent of ${host} runs`);
  await aborted(signal);
  log.info('ending as asked; members go on');
  await Promise.all([link.stop(), logs.stop()]);
  await opened.stop();
  await Promise.all([watchdog.stop(), renewal.stop()]);
  await journal.close();
}

function statusOf(agent: Agent, link: Link): string {
  const facts = agent.facts();
  const running = facts.filter(({ container }) => container.state === 'running').length;
  const retired = facts.filter(({ refusals }) => refusals.some(({ code }) => code === 'retired'));
  return [
    `${running} of ${facts.length} members run`,
    link.connected() ? 'connected' : 'no controller',
    ...retired.map(({ member }) => `${member} is retired and stays down`),
  ].join(', ');
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
