// A forced failover of a leader whose process has died while its agent lives, until another member has acknowledged a
// write: ordered by an operator, from the order; and begun by the controller itself, from the kill.
import { join } from 'node:path';
import type { Operation } from '@leafward/shared/gen/domain.js';
import { killProcessesOn } from '../fleet/processes.js';
import { eventually } from '../fleet/programs.js';
import { connectCell, type CellClient } from '../standin/client.js';
import { median, quantile, sleep, type BenchContext, type Benchmark, type Row } from './harness.js';
import { deployTree, membersOn, type DeployedTree } from './tree.js';

const GOAL_MS = 2000;
const AUTOMATIC_GOAL_MS = 3000;
/** A controller that has just started begins nothing. */
const SETTLE_MS = 31_000;
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
  const ordered = await inRounds(join(dir, 'ordered'), rounds, recover);
  const alone = await inRounds(join(dir, 'alone'), rounds, recoverAlone, '{ mode: automatic }');
  return [rowOf(ordered), rowOfAlone(alone)];
}

async function inRounds<T>(
  dir: string,
  rounds: number,
  act: (tree: DeployedTree) => Promise<T>,
  failover?: string,
): Promise<readonly T[]> {
  // A retired leader never comes back, so each round takes one member off the tree.
  const hosts = Array.from({ length: rounds + 2 }, (_, i) => `host-${i}`);
  const members = await membersOn(hosts.length, hosts);
  const policy = failover === undefined ? {} : { failover };
  const tree = await deployTree({ dir, version: VERSION, members, environment, ...policy });
  try {
    if (failover !== undefined) await sleep(SETTLE_MS);
    const results: T[] = [];
    for (let round = 0; round < rounds; round += 1) results.push(await act(tree));
    return results;
  } finally {
    await tree.end();
  }
}

/** From SIGKILL of the leader until another member has acknowledged a write, with nobody's order. */
async function recoverAlone(tree: DeployedTree): Promise<number> {
  const { fleet, storages } = tree;
  const old = await leaderOf(tree);
  await sleep(2000); // the controller has seen it lead in its term
  const others = Object.entries(storages).filter(([name]) => name !== old);
  const writable = untilWritable(others.map(([, path]) => path));
  const began = Date.now();
  await killProcessesOn(storages[old] ?? '');
  const tookMs = (await writable) - began;
  const { operations } = await fleet.client.listOperations({ all: true });
  const own = operations
    .filter(({ createdBy }) => createdBy === 'automatic')
    .sort((a, b) => b.createdAt - a.createdAt)[0];
  await untilDone(tree, own?.id ?? '');
  await fleet.client.acknowledgeFailover({ service: 'cortex' });
  return tookMs;
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

const figures = (values: readonly number[]): string =>
  `median ${median(values).toFixed(0)} ms, p95 ${quantile(values, 0.95).toFixed(0)} ms`;

function rowOfAlone(recoveries: readonly number[]): Row {
  return {
    what: `failover by itself, leader killed, its agent alive (${recoveries.length} times)`,
    goal: `SIGKILL to new leader writable ≤ ${AUTOMATIC_GOAL_MS / 1000} s p95`,
    measured: `from SIGKILL: ${figures(recoveries)}`,
    yardstick: '–',
    ratio: '–',
    met: quantile(recoveries, 0.95) <= AUTOMATIC_GOAL_MS,
  };
}

function rowOf(recoveries: readonly Recovery[]): Row {
  const commands = recoveries.map((one) => one.fromCommandMs);
  const orders = recoveries.map((one) => one.fromOrderMs);
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
