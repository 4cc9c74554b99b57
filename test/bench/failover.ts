// A forced failover that an operator orders: the leader's process has died, its agent lives and is at starting it
// again, which takes too long. From the order until another member has acknowledged a write.
import type { Operation } from '@leafward/shared/gen/domain.js';
import { killProcessesOn } from '../fleet/processes.js';
import { eventually } from '../fleet/programs.js';
import { connectCell, type CellClient } from '../standin/client.js';
import type { BenchContext, Benchmark, Row } from './harness.js';
import { median, quantile, sleep } from './harness.js';
import { deployTree, membersOn, type DeployedTree } from './tree.js';

const GOAL_MS = 2000;
const VERSION = '2.200.0';
/** The dead leader is not back before the order is given and carried out. */
const environment = { SYN_CELL_START_MS: '6000', SYN_CELL_MIGRATE_MS: '50' };
const LOOK_EVERY_MS = 5;

interface Recovery {
  /** From the moment the operator's command starts. */
  readonly fromCommandMs: number;
  /** From the moment the controller wrote the order down. */
  readonly fromOrderMs: number;
}

export const failover: Benchmark = { name: 'failover', run };

async function run({ quick, dir }: BenchContext): Promise<readonly Row[]> {
  const rounds = quick ? 2 : 5;
  // A retired leader never comes back, so each round takes one member off the tree.
  const hosts = Array.from({ length: rounds + 2 }, (_, i) => `host-${i}`);
  const members = await membersOn(hosts.length, hosts);
  const tree = await deployTree({ dir, version: VERSION, members, environment });
  try {
    const recoveries: Recovery[] = [];
    for (let round = 0; round < rounds; round += 1) recoveries.push(await recover(tree));
    return [rowOf(recoveries)];
  } finally {
    await tree.end();
  }
}

async function recover(tree: DeployedTree): Promise<Recovery> {
  const { fleet, storages } = tree;
  const old = await leaderOf(tree);
  const storage = storages[old] ?? '';
  await killProcessesOn(storage);
  await eventually('the controller has seen the leader dead', 20_000, async () => {
    const members = (await fleet.status()).services[0]?.members ?? [];
    const state = members.find((one) => one.member === old)?.state ?? 'silent';
    return state === 'down' || state === 'starting' || state === 'stopped';
  });
  await sleep(1000); // mirrors' facts are of after the death, as they are for a person who has looked
  const plan = await fleet.plan(['failover', 'cortex']);
  if (plan.refusals.length > 0)
    throw new Error(`refused: ${plan.refusals.map((one) => one.message).join('; ')}`);
  const others = Object.entries(storages).filter(([name]) => name !== old);
  const began = Date.now();
  const writable = untilWritable(others.map(([, path]) => path));
  const { id } = await fleet.cliJson<Operation>(['apply', plan.id, '--no-watch', '--yes']);
  const writableAt = await writable;
  const { createdAt } = await untilDone(tree, id);
  return { fromCommandMs: writableAt - began, fromOrderMs: writableAt - createdAt };
}

async function leaderOf({ fleet }: DeployedTree): Promise<string> {
  return eventually('the status shows a leader', 20_000, async () => {
    const members = (await fleet.status()).services[0]?.members ?? [];
    return members.find((one) => one.state === 'leading')?.member;
  });
}

function untilDone({ fleet }: DeployedTree, id: string): Promise<Operation> {
  return eventually(`operation ${id} ends`, 30_000, async () => {
    const shown = await fleet.cliJson<{ operation: Operation }>(['operation', 'show', id]);
    if (shown.operation.state === 'paused') throw new Error(shown.operation.reason);
    return shown.operation.state === 'done' ? shown.operation : undefined;
  });
}

/** The wall clock when one of these members led and acknowledged a write. */
async function untilWritable(storages: readonly string[]): Promise<number> {
  const clients = (await Promise.all(storages.map(tryConnect))).filter((one) => one !== undefined);
  try {
    return await eventually(
      'a new leader acknowledges a write',
      60_000,
      async () => {
        for (const client of clients) {
          // A mirror would pass a write on to the dead: only to who leads.
          const leads = await client.call({ method: 'isCellActive' }).catch(() => false);
          if (leads !== true) continue;
          await client.write('written after the failover');
          return Date.now();
        }
        return undefined;
      },
      LOOK_EVERY_MS,
    );
  } finally {
    for (const client of clients) client.close();
  }
}

const tryConnect = (url: string): Promise<CellClient | undefined> =>
  connectCell({ url }).catch(() => undefined);

function rowOf(recoveries: readonly Recovery[]): Row {
  const commands = recoveries.map((one) => one.fromCommandMs);
  const orders = recoveries.map((one) => one.fromOrderMs);
  const figures = (values: readonly number[]): string =>
    `median ${median(values).toFixed(0)} ms, p95 ${quantile(values, 0.95).toFixed(0)} ms`;
  const p95 = quantile(commands, 0.95);
  return {
    what: `forced failover ordered by an operator, leader dead, its agent alive (${recoveries.length} times)`,
    goal: `order to new leader writable ≤ ${GOAL_MS / 1000} s p95`,
    measured: `from the start of the operator's command: ${figures(commands)}`,
    yardstick: `from the order in the controller's journal: ${figures(orders)}`,
    ratio: `the command itself: ${(median(commands) - median(orders)).toFixed(0)} ms`,
    met: p95 <= GOAL_MS,
  };
}
