// An agent with everything real but the controller: its journal, process runtime, Synapse engine and stand-in
// cells. Orders are given and reports are taken in process.
import { join } from 'node:path';
import { systemClock } from '@leafward/shared/clock.js';
import type {
  HostIntent,
  MemberIntent,
  Outcome,
  Permit,
  Report,
  Request,
  SessionRequest,
} from '@leafward/shared/gen/domain.js';
import { createLogger } from '@leafward/shared/log.js';
import type { Agent } from '@leafward/agent/agent.js';
import { openAgent } from '@leafward/agent/assembly.js';
import { openJournal, type Journal } from '@leafward/agent/journal.js';
import { readBootId } from '@leafward/agent/runtimes/process/proc.js';

export interface Stage {
  readonly agent: Agent;
  readonly journal: Journal;
  readonly reports: Report[];
  /** What the controller confirms with every answer. */
  permits: readonly Permit[];
  order(intent: HostIntent): void;
  ask(request: Request): void;
  outcome(id: string): Outcome | undefined;
  answers(): readonly { readonly generation: number; readonly accepted: boolean }[];
  stop(): Promise<void>;
}

export interface StageOptions {
  readonly stateDirectory: string;
  readonly permits?: readonly Permit[];
  /** Stands between the agent and its journal. */
  readonly around?: (journal: Journal) => Journal;
  readonly logLevel?: string;
  /** False: no controller at all. */
  readonly connected?: boolean;
}

const REPORT_EVERY_MS = 200;

export async function openStage(options: StageOptions): Promise<Stage> {
  const { stateDirectory } = options;
  const log = createLogger('agent', options.logLevel ?? 'silent');
  const real = await openJournal(join(stateDirectory, 'journal.log'), log);
  const journal = options.around?.(real) ?? real;
  const ended = new AbortController();
  const reports: Report[] = [];
  const answers: { generation: number; accepted: boolean }[] = [];
  const late: { agent?: Agent } = {};
  const stage: { permits: readonly Permit[] } = { permits: options.permits ?? [] };
  const take = (message: SessionRequest): void => {
    if (message.kind === 'intent-answer') answers.push(message);
    if (message.kind !== 'report') return;
    reports.push(message);
    const settled = message.outcomes
      .filter(({ state }) => state !== 'running')
      .map(({ requestId }) => requestId);
    setImmediate(() =>
      late.agent?.receive({
        kind: 'report-answer',
        sequence: message.sequence,
        permits: stage.permits,
        settled,
        clockMs: Date.now(),
        reportEveryMs: REPORT_EVERY_MS,
      }),
    );
  };
  const opened = await openAgent({
    config: {
      stateDirectory,
      dockerSocket: join(stateDirectory, 'no-docker.sock'),
      logLevel: 'silent',
      roots: { proc: '/proc', sys: '/sys', etc: '/etc' },
      checkEverySeconds: 3600,
      probeEverySeconds: 86_400,
    },
    log,
    clock: systemClock,
    host: 'alpha',
    fleet: 'test',
    bootId: await readBootId(),
    journal,
    send: (message) => {
      if (options.connected === false) return false;
      take(message);
      return true;
    },
    clockOffsetMs: () => 0,
    signal: ended.signal,
  });
  const { agent } = opened;
  late.agent = agent;
  if (options.connected !== false)
    agent.receive({ kind: 'welcome', epoch: 1, clockMs: Date.now(), reportEveryMs: 200 });
  return Object.assign(stage, {
    agent,
    journal,
    reports,
    order: (intent: HostIntent) => agent.receive({ kind: 'intent', intent }),
    ask: (request: Request) => agent.receive({ kind: 'request', request }),
    outcome: (id: string) =>
      reports
        .flatMap(({ outcomes }) => outcomes)
        .filter((outcome) => outcome.requestId === id && outcome.state !== 'running')
        .at(-1),
    answers: () => answers,
    stop: async () => {
      agent.connected(false);
      ended.abort();
      await opened.stop();
      await journal.close();
    },
  });
}

export function cellIntent(options: {
  readonly member: string;
  readonly storage: string;
  readonly image: { readonly reference: string; readonly digest: string };
  readonly upstream?: { readonly member: string; readonly storage: string };
  readonly term?: number;
  readonly changes?: Partial<MemberIntent>;
}): MemberIntent {
  const { member, storage, upstream } = options;
  return {
    member,
    service: 'cortex',
    spec: {
      kind: 'synapse',
      runtime: 'process',
      image: options.image,
      command: [process.execPath, '{image}', '{storage}'],
      environment: { SYN_CELL_START_MS: '20', SYN_CELL_MIGRATE_MS: '50', SYN_CELL_BACKUP_MS: '50' },
      mounts: [],
      storage,
      storageTarget: storage,
      networkMode: 'host',
      limits: {},
      ports: {},
      stopGraceMs: 5000,
      engineOptions: {},
    },
    run: 'running',
    role: upstream === undefined ? 'leader' : 'mirror',
    upstream:
      upstream === undefined
        ? undefined
        : { member: upstream.member, url: `unix://${upstream.storage}/sock` },
    term: options.term ?? 1,
    mirrored: true,
    boot: 'wait',
    isolation: { onIsolation: 'keep', leaseMs: 5000 },
    ...options.changes,
  };
}

export const permitOf = (member: string, term: number): Permit => ({
  service: 'cortex',
  member,
  term,
  validMs: 5000,
});
