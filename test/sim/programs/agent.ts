// The agent's main.ts without identity files, lock and watchdog: production parts, put together the same way.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openAgent, type OpenedAgent } from '@leafward/agent/assembly.js';
import { openJournal, type Journal } from '@leafward/agent/journal.js';
import { startLink, type Link } from '@leafward/agent/link.js';
import { systemClock } from '@leafward/shared/clock.js';
import type { MemberFact } from '@leafward/shared/gen/domain.js';
import type { IdentityKeeper } from '@leafward/shared/pki/identity-keeper.js';
import { setMachine, type AgentMachine } from './machine.js';

export interface RunningAgent {
  readonly facts: () => readonly MemberFact[];
  readonly connected: () => boolean;
  readonly wake: () => void;
  /** What it has on its disk. */
  readonly order: () => { readonly generation: number; readonly epoch: number };
}

/** Told of each record once it is durable; changes nothing. */
function observed(journal: Journal, { onRecord }: AgentMachine): Journal {
  return {
    get state() {
      return journal.state;
    },
    append: async (record) => {
      const state = await journal.append(record);
      onRecord(record);
      return state;
    },
    close: () => journal.close(),
  };
}

export async function start(machine: AgentMachine): Promise<RunningAgent> {
  setMachine(machine);
  const { stateDirectory, host, fleet, bootId, log } = machine;
  const clock = systemClock;
  await mkdir(stateDirectory, { recursive: true });
  const journal = observed(await openJournal(join(stateDirectory, 'journal.log'), log), machine);
  const late: { link?: Link } = {};
  const opened: OpenedAgent = await openAgent({
    config: {
      stateDirectory,
      dockerSocket: '/var/run/docker.sock',
      logLevel: 'info',
      roots: { proc: '/proc', sys: '/sys', etc: '/etc' },
      checkEverySeconds: 60,
      probeEverySeconds: 600,
    },
    log,
    clock,
    host,
    fleet,
    bootId,
    journal,
    send: (message) => late.link?.send(message) ?? false,
    clockOffsetMs: () => {
      const theirs = late.link?.clockOffsetMs();
      return theirs === undefined ? undefined : -theirs;
    },
    signal: new AbortController().signal,
    deadman: { directory: '/run/leafward' },
  });
  const { agent } = opened;
  const identity: Pick<IdentityKeeper, 'onChange'> = { onChange: () => () => undefined };
  late.link = startLink({
    identity: identity as IdentityKeeper,
    hello: () => agent.hello(),
    onMessage: (message) => agent.receive(message),
    onState: (connected) => agent.connected(connected),
    clock,
    log,
  });
  return {
    facts: () => agent.facts(),
    connected: () => late.link?.connected() ?? false,
    wake: () => agent.wake(),
    order: () => ({
      generation: journal.state.intent?.generation ?? 0,
      epoch: journal.state.intent?.epoch ?? 0,
    }),
  };
}
