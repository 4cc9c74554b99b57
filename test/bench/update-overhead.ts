// A leafs-first update of a three-member tree through Leafward against the same three members stopped, started
// with the new version and waited for by hand, one after the other.
import { join } from 'node:path';
import type { Operation } from '@leafward/shared/gen/domain.js';
import type { BenchContext, Benchmark, Row } from './harness.js';
import { median } from './harness.js';
import {
  deployTree,
  imageOf,
  LEADER,
  membersOn,
  startHandTree,
  type DeployedTree,
  type HandTree,
} from './tree.js';

const GOAL = 1.1;
const FIRST_MINOR = 200;

export const updateOverhead: Benchmark = { name: 'update-overhead', run };

async function run({ quick, dir }: BenchContext): Promise<readonly Row[]> {
  // A Cortex of 2.113 answers 5.4 to 6 seconds after its start; its migrations take as long as they take.
  const environment = {
    SYN_CELL_START_MS: quick ? '1000' : '5000',
    SYN_CELL_MIGRATE_MS: '1500',
  };
  const version = `2.${FIRST_MINOR}.0`;
  const rounds = quick ? 1 : 3;
  const hand = await startHandTree({
    ...{ dir: join(dir, 'hand'), version, environment },
    members: await membersOn(3),
  });
  try {
    const tree = await deployTree({
      ...{ dir: join(dir, 'fleet'), version, environment },
      members: await membersOn(3),
    });
    try {
      const own: number[] = [];
      const ours: number[] = [];
      for (let round = 1; round <= rounds; round += 1) {
        const image = await imageOf(dir, `2.${FIRST_MINOR + round}.0`);
        own.push(await updateByHand(hand, image));
        ours.push(await updateByLeafward(tree, image));
      }
      return [rowOf(own, ours, environment.SYN_CELL_START_MS)];
    } finally {
      await tree.end();
    }
  } finally {
    await hand.end();
  }
}

async function updateByHand(tree: HandTree, image: string): Promise<number> {
  const order = Object.keys(tree.storages).filter((name) => name !== LEADER);
  const began = performance.now();
  for (const member of [...order, LEADER]) await tree.restart(member, image);
  return performance.now() - began;
}

/** From the order until the last move has ended, by the controller's journal. */
async function updateByLeafward({ fleet }: DeployedTree, image: string): Promise<number> {
  await fleet.cli(['backup', 'run', 'cortex']);
  const operation: Operation = await fleet.carryOut(['update', 'cortex', '--image', image]);
  const endedAt = Math.max(...operation.progress.map((move) => move.endedAt ?? NaN));
  return endedAt - operation.createdAt;
}

function rowOf(own: readonly number[], ours: readonly number[], startMs: string): Row {
  const seconds = (values: readonly number[]): string => `${(median(values) / 1000).toFixed(2)} s`;
  const ratio = median(ours.map((tookMs, i) => tookMs / (own[i] ?? NaN)));
  return {
    what: `leafs-first update of a three-member tree, pull included (stand-in that starts in ${Number(startMs) / 1000} s)`,
    goal: `≤ ${GOAL} × the members' own times`,
    measured: seconds(ours),
    yardstick: `stop, start and catch-up of the three by hand: ${seconds(own)}`,
    ratio: `× ${ratio.toFixed(2)}`,
    met: ratio <= GOAL,
  };
}
