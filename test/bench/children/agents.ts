// Many agents in one process: each has its own TLS connection and stream, as dialled by the agent's own client, and
// reports at its own moments. They decide nothing.
import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { AgentService, SessionRequest, SessionResponse } from '@leafward/shared/gen/domain.js';
import { AgentService as agentService } from '@leafward/shared/gen/leafward/v1/agent_pb.js';
import { FreshChannelCredentials } from '@leafward/shared/rpc/credentials.js';
import { channelOptions } from '@leafward/shared/rpc/options.js';
import { createClient } from '@leafward/shared/rpc/service.js';
import { serveParent } from '../child.js';
import type { ClientFigures } from '../figures.js';
import type { AgentMaterial } from '../prepared-controller.js';
import { reportOf, sampleFleet, type Placed } from '../sample-fleet.js';

interface ConnectOrder {
  readonly address: string;
  readonly agentsPath: string;
  readonly membersEach: number;
}

interface SimulatedAgent {
  readonly host: string;
  readonly placed: readonly Placed[];
  readonly stream: ClientDuplexStream<SessionRequest, SessionResponse>;
  readonly sentAt: number[];
  sequence: number;
  answered: number;
}

const DIALS_AT_ONCE = 20;
let agents: readonly SimulatedAgent[] = [];
let timers: NodeJS.Timeout[] = [];
let latenciesMs: number[] = [];
let answered = 0;
/** By host, why its stream was lost. */
const broken = new Map<string, string>();

async function connect(order: ConnectOrder): Promise<number> {
  const materials = JSON.parse(await readFile(order.agentsPath, 'utf8')) as AgentMaterial[];
  const fleet = sampleFleet(materials.length, order.membersEach);
  const dialled: SimulatedAgent[] = [];
  for (let at = 0; at < materials.length; at += DIALS_AT_ONCE) {
    const batch = materials.slice(at, at + DIALS_AT_ONCE);
    dialled.push(
      ...(await Promise.all(
        batch.map((one) => dial(one, order.address, fleet.byHost.get(one.host) ?? [])),
      )),
    );
  }
  agents = dialled;
  return agents.length;
}

function dial(
  { host, material }: AgentMaterial,
  address: string,
  placed: readonly Placed[],
): Promise<SimulatedAgent> {
  const credentials = new FreshChannelCredentials(() => material);
  const client = createClient<AgentService>(agentService, address, credentials, channelOptions);
  const stream = client.session();
  const agent: SimulatedAgent = {
    ...{ host, placed, stream, sentAt: [] },
    sequence: 0,
    answered: 0,
  };
  return new Promise((resolve, reject) => {
    stream.on('error', (error) => {
      lose(agent, error.message);
      reject(error);
    });
    stream.on('end', () => lose(agent, 'the stream was ended'));
    stream.on('data', (message: SessionResponse) => {
      if (message.kind === 'welcome') resolve(agent);
      if (message.kind === 'report-answer') onAnswer(agent);
      if (message.kind === 'reconnect') lose(agent, `sent away: ${message.reason}`);
    });
    stream.write({
      kind: 'hello',
      host,
      agentVersion: '0.1.0',
      bootId: '0f8fad5b-d9cb-469f-a165-70867728950e',
      generation: 1,
      epoch: 1,
      clockMs: Date.now(),
    });
  });
}

function lose(agent: SimulatedAgent, why: string): void {
  if (!broken.has(agent.host)) broken.set(agent.host, why);
  agent.sentAt.length = 0;
}

function onAnswer(agent: SimulatedAgent): void {
  const sentAt = agent.sentAt.shift();
  if (sentAt === undefined) return;
  latenciesMs.push(performance.now() - sentAt);
  answered += 1;
  agent.answered += 1;
}

function report(agent: SimulatedAgent): void {
  if (broken.has(agent.host)) return;
  const isFirst = agent.sequence === 0;
  agent.sequence += 1;
  const options = { sequence: agent.sequence, now: Date.now(), isFirst };
  const message = { kind: 'report' as const, ...reportOf(agent.placed, options) };
  agent.sentAt.push(performance.now());
  agent.stream.write(message);
}

/** Each agent from now on at its own moments, spread evenly over the interval. */
function reportEvery(intervalMs: number): void {
  stop();
  agents.forEach((agent, i) => {
    const begin = setTimeout(
      () => {
        report(agent);
        timers.push(setInterval(() => report(agent), intervalMs));
      },
      (i * intervalMs) / agents.length,
    );
    timers.push(begin);
  });
}

function stop(): void {
  for (const timer of timers) clearTimeout(timer);
  timers = [];
}

serveParent(
  {
    connect,
    reportEvery,
    /** Ends the reports and waits for the last answers. */
    settle: async () => {
      stop();
      const deadline = Date.now() + 10_000;
      while (agents.some((agent) => agent.sentAt.length > 0) && Date.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 20));
    },
    /** What was seen since the last call. @throws Error when more than one agent in a hundred lost its stream. */
    take: (): ClientFigures => {
      if (broken.size > agents.length / 100)
        throw new Error(`${broken.size} streams were lost: ${[...broken].slice(0, 3).join('; ')}`);
      const taken = { answered, latenciesMs, lost: broken.size };
      latenciesMs = [];
      answered = 0;
      return taken;
    },
    sequences: () => agents.map((agent) => agent.sequence),
  },
  () => undefined,
);
