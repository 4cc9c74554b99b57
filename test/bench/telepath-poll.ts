// What the agent's look at a member costs on a link that stays open, against a process that is started to ask once:
// what every `docker exec` of a tool does at least (a tool of the real service costs 300 to 750 ms).
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { EngineMember } from '@leafward/agent/engines/engine.js';
import { createSynapseEngine } from '@leafward/agent/engines/synapse/engine.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { startCell, untilAnswers } from '../standin/cell-process.js';
import { connectCell } from '../standin/client.js';
import type { BenchContext, Benchmark, Row } from './harness.js';
import { median, ms, quantile } from './harness.js';
import { sampleFleet, specOf } from './sample-fleet.js';

const runProgram = promisify(execFile);
const GOAL_MS = 0.5;
const signal = new AbortController().signal;

export const telepathPoll: Benchmark = { name: 'telepath-poll', run };

async function run({ quick, dir }: BenchContext): Promise<readonly Row[]> {
  const rounds = quick ? 2 : 9;
  const polls = quick ? 200 : 500;
  const storage = join(dir, 'cell');
  const cell = startCell({
    image: await buildCellImage({ version: '2.250.0', outDir: join(dir, 'images') }),
    storage,
  });
  const engine = createSynapseEngine();
  try {
    await untilAnswers(cell);
    const client = await connectCell({ url: storage });
    const member = memberAt(storage);
    const info = (): Promise<unknown> => client.call({ method: 'getCellInfo' });
    const observe = async (): Promise<void> => {
      const fact = await engine.observe(member, signal);
      if (!fact.answered) throw new Error(`the cell does not answer: ${fact.error ?? ''}`);
    };
    const figures = { info: [] as number[], observe: [] as number[], spawned: [] as number[] };
    await timesOf(info, polls); // warm up
    await timesOf(observe, polls);
    for (let round = 0; round < rounds; round += 1) {
      figures.info.push(quantile(await timesOf(info, polls), 0.5));
      figures.observe.push(quantile(await timesOf(observe, polls), 0.5));
      figures.spawned.push(quantile(await timesOf(() => askOnce(storage), 3), 0.5));
    }
    client.close();
    return rows(median(figures.info), median(figures.observe), median(figures.spawned));
  } finally {
    engine.forget('00.cortex');
    await cell.stop();
  }
}

async function timesOf(act: () => Promise<unknown>, count: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const began = performance.now();
    await act();
    times.push(performance.now() - began);
  }
  return times;
}

/** A process of its own for one question. */
async function askOnce(storage: string): Promise<void> {
  const client = new URL('../standin/client.js', import.meta.url).href;
  const script = `
    import { connectCell } from ${JSON.stringify(client)};
    const cell = await connectCell({ url: ${JSON.stringify(storage)} });
    await cell.call({ method: 'getCellInfo' });
    cell.close();`;
  await runProgram(process.execPath, ['--input-type=module', '-e', script], { timeout: 30_000 });
}

function memberAt(storage: string): EngineMember {
  const [placed] = sampleFleet(1, 1).placed;
  if (placed === undefined) throw new Error('a fleet of one has a member');
  return { member: '00.cortex', service: 'cortex', spec: { ...specOf(placed), storage } };
}

function rows(infoMs: number, observeMs: number, spawnedMs: number): readonly Row[] {
  const yardstick = `a node process started for one call (instead of docker exec of a tool): ${ms(spawnedMs)}`;
  const row = (what: string, tookMs: number): Row => ({
    what,
    goal: `≤ ${GOAL_MS} ms p50`,
    measured: `${tookMs.toFixed(3)} ms p50`,
    yardstick,
    ratio: `1 : ${(spawnedMs / tookMs).toFixed(0)}`,
    met: tookMs <= GOAL_MS,
  });
  return [
    row('a Telepath call (getCellInfo) to the stand-in on an open link', infoMs),
    row("a poll of a member by the agent's engine on an open link", observeMs),
  ];
}
