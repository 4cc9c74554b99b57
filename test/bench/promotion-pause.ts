// How long nobody's write is acknowledged during a planned promotion: ordered through Leafward, and given to the
// same engine by hand.
import { join } from 'node:path';
import type { EngineMember } from '@leafward/agent/engines/engine.js';
import { createSynapseEngine } from '@leafward/agent/engines/synapse/engine.js';
import { startWriter } from '../fleet/writer.js';
import type { BenchContext, Benchmark, Row } from './harness.js';
import { median, sleep } from './harness.js';
import { sampleFleet, specOf } from './sample-fleet.js';
import { deployTree, membersOn, startHandTree, type Storages } from './tree.js';

const GOAL_MS = 100;
const VERSION = '2.200.0';
/** Settles what came before, so that only the promotion's own gap counts. */
const CALM_MS = 1000;
const environment = { SYN_CELL_START_MS: '50', SYN_CELL_MIGRATE_MS: '50' };

export const promotionPause: Benchmark = { name: 'promotion-pause', run };

type PromoteTo = (member: string) => Promise<void>;

async function run({ quick, dir }: BenchContext): Promise<readonly Row[]> {
  const rounds = quick ? 2 : 8;
  const hand = await startHandTree({
    ...{ dir: join(dir, 'hand'), version: VERSION, environment },
    members: await membersOn(3),
  });
  try {
    const tree = await deployTree({
      ...{ dir: join(dir, 'fleet'), version: VERSION, environment },
      members: await membersOn(3),
    });
    try {
      const own: number[] = [];
      const ours: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const to = round % 2 === 0 ? '01.cortex' : '00.cortex';
        own.push(await pauseOf(hand.storages, to, byHand(hand.storages)));
        ours.push(
          await pauseOf(tree.storages, to, async (member) => {
            await tree.fleet.carryOut(['promote', 'cortex', '--to', member]);
          }),
        );
      }
      return [rowOf(own, ours)];
    } finally {
      await tree.end();
    }
  } finally {
    await hand.end();
  }
}

/** Longest time between two acknowledged writes around the promotion, milliseconds. */
async function pauseOf(storages: Storages, to: string, promote: PromoteTo): Promise<number> {
  const writer = startWriter({ members: storages, everyMs: 1 });
  try {
    await writer.untilNextWrite(10_000);
    await sleep(CALM_MS);
    const since = Date.now();
    await promote(to);
    // The old leader passes on what reached it late, and that is acknowledged in its name.
    while ((await writer.untilNextWrite(10_000)).member !== to);
    return writer.longestGapMs(since);
  } finally {
    await writer.stop();
  }
}

const byHand =
  (storages: Storages): PromoteTo =>
  async (name) => {
    const [placed] = sampleFleet(1, 1).placed;
    if (placed === undefined) throw new Error('a fleet of one has a member');
    const spec = { ...specOf(placed), storage: storages[name] ?? '' };
    const member: EngineMember = { member: name, service: 'cortex', spec };
    const options = { graceful: true, timeoutMs: 30_000 };
    await createSynapseEngine().promote(member, options, new AbortController().signal);
  };

function rowOf(own: readonly number[], ours: readonly number[]): Row {
  const [ownMs, oursMs] = [median(own), median(ours)];
  const spread = (values: readonly number[]): string =>
    `median ${median(values).toFixed(0)} ms (${Math.min(...values)} to ${Math.max(...values)})`;
  return {
    what: 'planned promotion: longest time without an acknowledged write',
    goal: `≤ the engine's own + ${GOAL_MS} ms`,
    measured: spread(ours),
    yardstick: `the same engine promoted by hand: ${spread(own)}`,
    ratio: `${oursMs >= ownMs ? '+' : '−'} ${Math.abs(oursMs - ownMs).toFixed(0)} ms`,
    met: oursMs <= ownMs + GOAL_MS,
  };
}
