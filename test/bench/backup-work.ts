// What else is done with a backup, against the plain tool for it: taken, drilled and restored against `cp --sparse`, copied
// off the host against restic by itself; and how long an agent waits for the answer to a report while one is sent.
import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openAgentIdentity } from '@leafward/agent/identity.js';
import type { Backup, Operation } from '@leafward/shared/gen/domain.js';
import { openHost, restic } from '../offsite/stage.js';
import { startChild } from './child.js';
import type { ClientFigures } from './figures.js';
import type { BenchContext, Benchmark, Row } from './harness.js';
import { mb, median, notMeasured, quantile } from './harness.js';
import { deployTree, membersOn, type DeployedTree } from './tree.js';

const run = promisify(execFile);
const MIRROR = '01.cortex';
/** Its host's agent is stopped, and what measures takes its place. */
const METER = 'charlie';
const REPORT_EVERY_MS = 50;
const GOAL_COPY = 0.5;
const GOAL_RESTIC = 0.8;
const GOAL_P99 = 2;

export const backupWork: Benchmark = { name: 'backup-work', run: measure };

async function measure(context: BenchContext): Promise<readonly Row[]> {
  const { dir, quick } = context;
  const mebibytes = quick ? 64 : 1024;
  const tree = await deployTree({
    dir: join(dir, 'fleet'),
    version: '2.250.0',
    members: await membersOn(3, ['alpha', 'bravo', METER]),
    environment: { SYN_CELL_START_MS: '50' },
  });
  try {
    const file = join(tree.storages[MIRROR] ?? '', 'large.bin');
    await run('dd', ['if=/dev/urandom', `of=${file}`, 'bs=1M', `count=${mebibytes}`]);
    const rows = await againstCopies(context, tree);
    return [
      ...rows,
      ...(await againstRestic(context, mebibytes)),
      await reportsWhileSending(context, tree),
    ];
  } finally {
    await tree.end();
  }
}

async function againstCopies(
  { dir, quick }: BenchContext,
  tree: DeployedTree,
): Promise<readonly Row[]> {
  const rounds = quick ? 1 : 3;
  const [taken, copied, drilled, whole]: number[][] = [[], [], [], []];
  let backup = await takeBackup(tree);
  for (let round = 0; round < rounds; round += 1) {
    backup = await takeBackup(tree);
    taken?.push(backup.finishedAt - backup.startedAt);
    copied?.push(await copy(backup, join(dir, `copy-${round}`)));
    const { drill } = await tree.fleet.cliJson<Backup>(['backup', 'drill', backup.name]);
    if (drill?.ok !== true) throw new Error(`the drill failed: ${drill?.problems.join() ?? ''}`);
    drilled?.push(drill.copyMs);
    whole?.push(drill.tookMs);
  }
  const restored = await restore(tree, backup);
  const copyMs = median(copied ?? []);
  const row = (what: string, tookMs: number, note?: string): Row => ({
    what,
    goal: `≥ ${GOAL_COPY} × cp --sparse=always, synced`,
    measured: rate(backup, tookMs),
    yardstick: `cp of the backup: ${rate(backup, copyMs)}`,
    ratio: `× ${(copyMs / tookMs).toFixed(2)}`,
    met: copyMs / tookMs >= GOAL_COPY,
    ...(note === undefined ? {} : { note }),
  });
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  const whole3 = `to the answer of the booted copy ${seconds(median(whole ?? []))}`;
  return [
    row(
      `a live backup of ${mb(backup.sizeBytes)}: written by the service, synced, hashed, recorded`,
      median(taken ?? []),
    ),
    row('its drill: the copy', median(drilled ?? []), whole3),
    row('its restore: from the order to a leader that answers', restored),
  ];
}

async function takeBackup({ fleet }: DeployedTree): Promise<Backup> {
  await fleet.carryOut(['backup', 'cortex', '--member', MIRROR]);
  const [newest] = await fleet.cliJson<readonly Backup[]>(['backup', 'list', 'cortex']);
  if (newest === undefined) throw new Error('there is no backup');
  return newest;
}

async function copy({ path }: Backup, to: string): Promise<number> {
  const began = performance.now();
  await run('sh', ['-c', 'cp -a --sparse=always "$1" "$2" && sync -f "$2"', 'sh', path, to]);
  const tookMs = performance.now() - began;
  await rm(to, { recursive: true });
  return tookMs;
}

/** By the operation's journal: the one move, without those that stop members and rebuild mirrors. */
async function restore({ fleet }: DeployedTree, { name }: Backup): Promise<number> {
  const { moves, progress }: Operation = await fleet.carryOut([
    ...['restore', 'cortex', '--backup', name],
  ]);
  const at = moves.findIndex(({ kind }) => kind === 'restore');
  const { begunAt = NaN, endedAt = NaN } = progress[at] ?? {};
  return endedAt - begunAt;
}

/** Each time a backup of new bytes, so that nothing of it lies in a repository already. */
async function againstRestic(
  { dir, quick }: BenchContext,
  mebibytes: number,
): Promise<readonly Row[]> {
  const what = `a copy of ${mebibytes} MiB off the host, to a repository on the same disk`;
  const goal = `≥ ${GOAL_RESTIC} × restic by itself`;
  const found = await run('restic', ['version']).catch(() => undefined);
  if (found === undefined) return [notMeasured(what, goal, 'restic is not installed')];
  const root = join(dir, 'offsite');
  const password = 'of-the-benchmark';
  const host = await openHost({ root, host: 'alpha', password });
  const plainRoot = join(dir, 'plain');
  await run('mkdir', ['-p', plainRoot]);
  await restic(plainRoot, password, ['init']);
  const [ours, plain]: number[][] = [[], []];
  for (let round = 0; round < (quick ? 1 : 3); round += 1) {
    const backup = await host.take(`b${round}`, mebibytes);
    let began = performance.now();
    await restic(plainRoot, password, ['backup', backup.path]);
    plain?.push(performance.now() - began);
    began = performance.now();
    await host.offsite.copy(backup, host.intent, host.turn());
    ours?.push(performance.now() - began);
  }
  const [oursMs, plainMs] = [median(ours ?? []), median(plain ?? [])];
  const speed = (ms: number): string => `${((mebibytes * 1048.576) / ms).toFixed(0)} MB/s`;
  return [
    {
      ...{ what, goal, measured: speed(oursMs) },
      yardstick: `restic backup of the same files: ${speed(plainMs)}`,
      ratio: `× ${(plainMs / oursMs).toFixed(2)}`,
      met: plainMs / oursMs >= GOAL_RESTIC,
      note: 'a copy looks for the repository before, and at what lies there before and after, at the lowest priority',
    },
  ];
}

/** As the agent of a third host sees it: the controller passes each piece of the backup on meanwhile. */
async function reportsWhileSending(context: BenchContext, tree: DeployedTree): Promise<Row> {
  const { dir, quick } = context;
  const { fleet } = tree;
  const backup = await takeBackup(tree);
  fleet.agent(METER)?.signal('SIGTERM');
  await fleet.agent(METER)?.ended;
  const identity = await openAgentIdentity(fleet.agentDir(METER));
  const agentsPath = join(dir, 'meter.json');
  await writeFile(agentsPath, JSON.stringify([{ host: METER, material: identity.material() }]));
  const meter = startChild('agents', join(dir, 'meter.log'));
  try {
    const { address } = identity.current();
    await meter.call('connect', { address, agentsPath, membersEach: 4 });
    await meter.call('reportEvery', REPORT_EVERY_MS);
    const within = async (work: () => Promise<unknown>): Promise<readonly number[]> => {
      await meter.call('take');
      await work();
      return (await meter.call<ClientFigures>('take')).latenciesMs;
    };
    const idleMs = quick ? 3000 : 30_000;
    const idle = await within(() => new Promise((resolve) => setTimeout(resolve, idleMs)));
    const to = backup.host === 'alpha' ? 'bravo' : 'alpha';
    const busy = await within(() => fleet.cliJson(['backup', 'send', backup.name, '--to', to]));
    return latencyRow(backup, idle, busy);
  } finally {
    await meter.stop();
  }
}

function latencyRow(backup: Backup, idle: readonly number[], busy: readonly number[]): Row {
  const [before, during] = [quantile(idle, 0.99), quantile(busy, 0.99)];
  const told = (all: readonly number[]): string =>
    `p50 ${quantile(all, 0.5).toFixed(1)} ms, p99 ${quantile(all, 0.99).toFixed(1)} ms (${all.length} reports)`;
  return {
    what: `an agent’s report answered while ${mb(backup.sizeBytes)} are sent between two other hosts, paced as by default`,
    goal: `p99 ≤ ${GOAL_P99} × idle`,
    measured: told(busy),
    yardstick: `nothing is sent: ${told(idle)}`,
    ratio: `p99 × ${(during / before).toFixed(2)}`,
    met: during <= GOAL_P99 * before,
  };
}

const rate = ({ sizeBytes }: Backup, tookMs: number): string =>
  `${(sizeBytes / 1e3 / tookMs).toFixed(0)} MB/s`;
