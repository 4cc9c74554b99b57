// A backup read again and sent to another host, as fast as it goes, against the tools that people would use: sha256sum
// over the same files, and bytes poured through mutual TLS on loopback.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Backup } from '@leafward/shared/gen/domain.js';
import { freePorts } from '../fleet/programs.js';
import { startChild } from './child.js';
import type { BenchContext, Benchmark, Row } from './harness.js';
import { mb, median } from './harness.js';
import { rawMaterial } from './pair.js';
import { prepareController, type AgentMaterial } from './prepared-controller.js';
import { sampleFleet } from './sample-fleet.js';
import { deployTree, membersOn, type DeployedTree } from './tree.js';

const run = promisify(execFile);
const MIRROR = '01.cortex';
const GOAL_VERIFY = 0.9;
const GOAL_SEND = 0.5;
const GOAL_RSS = 80e6;

export const backups: Benchmark = { name: 'backups', run: measure };

interface Sent {
  readonly tookMs: number;
  /** The most that each of the agents had in memory since it started. */
  readonly peakBytes: readonly number[];
}

async function measure(context: BenchContext): Promise<readonly Row[]> {
  const { quick, dir } = context;
  const mebibytes = quick ? 64 : 1024;
  const rounds = quick ? 1 : 3;
  const tree = await deployTree({
    dir: join(dir, 'fleet'),
    version: '2.250.0',
    members: await membersOn(2, ['alpha', 'bravo']),
    environment: { SYN_CELL_START_MS: '50' },
  });
  try {
    const file = join(tree.storages[MIRROR] ?? '', 'large.bin');
    await run('dd', ['if=/dev/urandom', `of=${file}`, 'bs=1M', `count=${mebibytes}`]);
    const backup = await takeBackup(tree);
    const verified: number[] = [];
    const summed: number[] = [];
    const sent: Sent[] = [];
    for (let round = 0; round < rounds; round += 1) {
      // Once unmeasured, so that both read from memory and neither from a cold disk.
      if (round === 0) await sumFiles(backup);
      verified.push(await verify(tree, backup));
      summed.push(await sumFiles(backup));
    }
    // Each round another backup: one that has arrived is not sent again.
    for (let round = 0; round < rounds; round += 1)
      sent.push(await send(tree, round === 0 ? backup : await takeBackup(tree)));
    const pouredMs = await pour(context, backup.sizeBytes, rounds);
    return [verifyRow(backup, verified, summed), ...sendRows(backup, sent, pouredMs)];
  } finally {
    await tree.end();
  }
}

async function takeBackup({ fleet }: DeployedTree): Promise<Backup> {
  await fleet.carryOut(['backup', 'cortex', '--member', MIRROR]);
  const [newest] = await fleet.cliJson<readonly Backup[]>(['backup', 'list', 'cortex']);
  if (newest === undefined) throw new Error('there is no backup');
  return newest;
}

async function verify({ fleet }: DeployedTree, { name }: Backup): Promise<number> {
  const { verification } = await fleet.cliJson<Backup>([
    ...['backup', 'verify', name, '--rate', 'max'],
  ]);
  if (verification?.ok !== true) throw new Error(`${name} is not what it was`);
  return verification.tookMs;
}

async function sumFiles({ path }: Backup): Promise<number> {
  const began = performance.now();
  await run('find', [path, '-type', 'f', '-exec', 'sha256sum', '{}', '+'], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return performance.now() - began;
}

async function send({ fleet }: DeployedTree, { name }: Backup): Promise<Sent> {
  const began = performance.now();
  await fleet.cliJson<Backup>(['backup', 'send', name, '--to', 'alpha', '--rate', 'max']);
  const tookMs = performance.now() - began;
  const peaks = ['alpha', 'bravo'].map((host) => peakBytes(fleet.agent(host)?.pid ?? 0));
  return { tookMs, peakBytes: await Promise.all(peaks) };
}

async function peakBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

async function pour({ dir }: BenchContext, bytes: number, rounds: number): Promise<number> {
  const prepared = await prepareController(join(dir, 'raw'), sampleFleet(1, 1));
  const server = await rawMaterial(prepared);
  const agents = JSON.parse(await readFile(prepared.agentsPath, 'utf8')) as AgentMaterial[];
  const client = agents[0]?.material;
  const [port = 0] = await freePorts(1);
  const log = join(dir, 'tls-pipe.log');
  const [sink, source] = [startChild('tls-pipe', log), startChild('tls-pipe', log)];
  try {
    await sink.call('listen', { ...server, port });
    const took: number[] = [];
    for (let round = 0; round < rounds; round += 1)
      took.push(await source.call<number>('pour', { ...client, port, bytes }));
    return median(took);
  } finally {
    await Promise.all([sink.stop(), source.stop()]);
  }
}

const rate = ({ sizeBytes }: Backup, tookMs: number): string =>
  `${(sizeBytes / 1e3 / tookMs).toFixed(0)} MB/s`;

function verifyRow(backup: Backup, verified: readonly number[], summed: readonly number[]): Row {
  const ratio = median(summed) / median(verified);
  return {
    what: `a backup of ${mb(backup.sizeBytes)} read again, --rate max`,
    goal: `≥ ${GOAL_VERIFY} × sha256sum`,
    measured: rate(backup, median(verified)),
    yardstick: `sha256sum of the same files: ${rate(backup, median(summed))}`,
    ratio: `× ${ratio.toFixed(2)}`,
    met: ratio >= GOAL_VERIFY,
  };
}

function sendRows(backup: Backup, sent: readonly Sent[], pouredMs: number): readonly Row[] {
  const tookMs = median(sent.map((one) => one.tookMs));
  const ratio = pouredMs / tookMs;
  const peak = Math.max(...sent.flatMap((one) => one.peakBytes));
  return [
    {
      what: `the same sent to another host through the controller, --rate max, read again there`,
      goal: `≥ ${GOAL_SEND} × the limit of mutual TLS on loopback`,
      measured: rate(backup, tookMs),
      yardstick: `poured from process to process, nothing written or read: ${rate(backup, pouredMs)}`,
      ratio: `× ${ratio.toFixed(2)}`,
      met: ratio >= GOAL_SEND,
    },
    {
      what: 'the same: memory of either agent at its most',
      goal: `≤ ${mb(GOAL_RSS)} whatever the size`,
      measured: mb(peak),
      yardstick: '–',
      ratio: '–',
      met: peak <= GOAL_RSS,
    },
  ];
}
