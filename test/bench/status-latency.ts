// From the moment an agent sends its status until the controller's snapshot shows it, and what that costs the
// controller against raw http2 that takes the same bytes.
import type { BenchContext, Benchmark, Row } from './harness.js';
import { median, ms, quantile, sleep } from './harness.js';
import { costBetween, type ClientFigures, type ServerCost, type ServerFigures } from './figures.js';
import { preparePair, type Served } from './pair.js';
import { sampleFleet } from './sample-fleet.js';

const AGENTS = 100;
const MEMBERS_EACH = 4;
/** 1,000 reports a second from 100 agents: 50 times the idle pace, so that the cost of one can be told. */
const REPORT_EVERY_MS = 100;

interface Round {
  readonly cost: ServerCost;
  readonly latenciesMs: readonly number[];
}

export const statusLatency: Benchmark = { name: 'status-latency', run };

async function run(context: BenchContext): Promise<readonly Row[]> {
  const rounds = context.quick ? 2 : 7;
  const windowMs = context.quick ? 1500 : 4000;
  const pair = await preparePair(context.dir, sampleFleet(AGENTS, MEMBERS_EACH), MEMBERS_EACH);
  try {
    const controller = await pair.startController();
    const raw = await pair.startRaw();
    await measure(controller, windowMs); // both have compiled what they run before anything counts
    await measure(raw, windowMs);
    const ours: Round[] = [];
    const limits: Round[] = [];
    for (let i = 0; i < rounds; i += 1) {
      ours.push(await measure(controller, windowMs));
      limits.push(await measure(raw, windowMs));
    }
    await assertVisible(controller);
    return [latencyRow(ours, limits), costRow(ours, limits)];
  } finally {
    await pair.stop();
  }
}

async function measure({ server, agents }: Served, windowMs: number): Promise<Round> {
  await agents.call('reportEvery', REPORT_EVERY_MS);
  await sleep(REPORT_EVERY_MS * 3);
  await agents.call('take');
  const before = await server.call<ServerFigures>('figures', 0);
  await sleep(windowMs);
  const { answered, latenciesMs } = await agents.call<ClientFigures>('take');
  const after = await server.call<ServerFigures>('figures', answered);
  await agents.call('settle');
  return { cost: costBetween(before, after), latenciesMs };
}

/** The newest report of every agent is in the snapshot: what was answered was seen. */
async function assertVisible({ server, agents }: Served): Promise<void> {
  const sequences = await agents.call<readonly number[]>('sequences');
  const positions = await server.call<readonly number[]>('positions');
  const newest = Math.min(...sequences);
  const shown = positions.filter((position) => position >= 1_204_511 + newest).length;
  if (shown !== AGENTS)
    throw new Error(`${shown} of ${AGENTS} newest reports are in the snapshot; all should be`);
}

function latencyRow(ours: readonly Round[], limits: readonly Round[]): Row {
  const of = (rounds: readonly Round[], share: number): number =>
    median(rounds.map(({ latenciesMs }) => quantile(latenciesMs, share)));
  const figures = (rounds: readonly Round[]): string =>
    `p50 ${ms(of(rounds, 0.5))}, p99 ${ms(of(rounds, 0.99))}`;
  return {
    what: `status from agent to the controller's snapshot and its answer back, ${AGENTS} agents, ${1000 / REPORT_EVERY_MS} reports a second each`,
    goal: 'p99 ≤ 50 ms',
    measured: figures(ours),
    yardstick: `raw http2: ${figures(limits)}`,
    ratio: `p99 × ${(of(ours, 0.99) / of(limits, 0.99)).toFixed(2)}`,
    met: of(ours, 0.99) <= 50,
  };
}

function costRow(ours: readonly Round[], limits: readonly Round[]): Row {
  const us = (rounds: readonly Round[]): number =>
    median(rounds.map(({ cost }) => cost.usPerMessage));
  const ratio = median(
    ours.map(({ cost }, i) => cost.usPerMessage / (limits[i]?.cost.usPerMessage ?? NaN)),
  );
  return {
    what: 'processor time of the controller per status',
    goal: '≤ 1.3 × raw http2',
    measured: `${us(ours).toFixed(0)} µs`,
    yardstick: `raw http2, decodes nothing: ${us(limits).toFixed(0)} µs`,
    ratio: `× ${ratio.toFixed(2)}`,
    met: ratio <= 1.3,
  };
}
