// The bundled agent with four members that do nothing: memory and processor time, beside Prometheus' own
// node_exporter that is scraped as often as the agent reports.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually, freePorts } from '../fleet/programs.js';
import type { BenchContext, Benchmark, Row } from './harness.js';
import { isInstalled, mb, median, notMeasured, sleep } from './harness.js';
import { deployTree, membersOn, type DeployedTree } from './tree.js';

const runProgram = promisify(execFile);
const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const EXPORTER = 'prometheus-node-exporter';
const EVERY_MS = 5000;
const HOUR_MS = 3_600_000;
const TICKS_PER_SECOND = 100;
/** After its start an agent looks at everything once; that is not rest. */
const SETTLE_MS = 30_000;
const GOAL_RSS = 75e6;
const GOAL_CPU = 10;
/** MB an hour that are noise of the garbage collector over an hour. */
const GOAL_SLOPE = 2e6;

interface Rest {
  readonly rssBytes: number;
  readonly cpuSecondsPerHour: number;
  readonly slopeBytesPerHour: number;
}
interface Sample {
  readonly at: number;
  readonly rssBytes: number;
  readonly cpuSeconds: number;
}

export const agentAtRest: Benchmark = { name: 'agent-at-rest', run };

async function run(context: BenchContext): Promise<readonly Row[]> {
  const what = 'agent at rest, 4 members watched, one report per 5 s';
  if (!existsSync(join(root, 'scripts/bundle.mjs')))
    return [notMeasured(what, '', 'there is no bundle')];
  await runProgram(process.execPath, [join(root, 'scripts/bundle.mjs')], { cwd: root });
  const windowMs = context.long ? HOUR_MS : context.quick ? 20_000 : 120_000;
  const tree = await deployTree({
    dir: context.dir,
    version: '2.250.0',
    members: await membersOn(4, ['alpha']),
    environment: { SYN_CELL_START_MS: '50' },
  });
  const programs: ChildProcess[] = [];
  try {
    const agent = await startBundled(tree);
    programs.push(agent);
    const [port = 0] = await freePorts(1);
    const exporter = isInstalled(EXPORTER)
      ? spawn(EXPORTER, [`--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' })
      : undefined;
    if (exporter !== undefined) programs.push(exporter);
    const scrape = (): Promise<unknown> =>
      exporter === undefined
        ? Promise.resolve()
        : fetch(`http://127.0.0.1:${port}/metrics`).then((response) => response.text());
    const pids = programs.map((one) => one.pid ?? -1);
    const rests = await observe(pids, windowMs, context.quick ? 5000 : SETTLE_MS, scrape);
    return rows(what, rests[0], rests[1], windowMs);
  } finally {
    for (const program of programs) await end(program);
    await tree.end();
  }
}

/** In the place of the agent that deployed the members; they go on meanwhile. */
async function startBundled({ fleet }: DeployedTree): Promise<ChildProcess> {
  await fleet.agent('alpha')?.stop();
  const args = ['run', '--state-dir', fleet.agentDir('alpha')];
  const agent = spawn(join(root, 'dist-bundle/leafward-agent'), args, {
    stdio: 'ignore',
    env: { ...process.env, LEAFWARD_AGENT: join(root, 'dist-bundle/leafward-agent.cjs') },
  });
  await eventually('the bundled agent reports four members that run', 30_000, async () => {
    const status = await fleet.status();
    const members = status.services[0]?.members ?? [];
    const isBack = status.hosts[0]?.connected === true;
    return isBack && members.filter((one) => one.run === 'running').length === 4;
  });
  return agent;
}

async function observe(
  pids: readonly number[],
  windowMs: number,
  settleMs: number,
  scrape: () => Promise<unknown>,
): Promise<readonly Rest[]> {
  const samples = pids.map((): Sample[] => []);
  const from = Date.now() + settleMs;
  while (Date.now() < from + windowMs) {
    await scrape().catch(() => undefined);
    if (Date.now() >= from)
      for (const [i, pid] of pids.entries()) samples[i]?.push(await sampleOf(pid));
    await sleep(EVERY_MS);
  }
  return samples.map(restOf);
}

/** Of the process and of all children that it has waited for (proc_pid_stat(5)). */
async function sampleOf(pid: number): Promise<Sample> {
  const [stat, status] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8'),
    readFile(`/proc/${pid}/status`, 'utf8'),
  ]);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  const rssKib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN);
  return { at: Date.now(), rssBytes: rssKib * 1024, cpuSeconds: ticks / TICKS_PER_SECOND };
}

function restOf(samples: readonly Sample[]): Rest {
  const [first] = samples;
  const last = samples.at(-1);
  if (first === undefined || last === undefined) throw new Error('nothing was sampled');
  const hours = (last.at - first.at) / HOUR_MS;
  return {
    rssBytes: median(samples.map((one) => one.rssBytes)),
    cpuSecondsPerHour: (last.cpuSeconds - first.cpuSeconds) / hours,
    slopeBytesPerHour: slopeOf(samples),
  };
}

/** Least squares over the second half: the first still fills caches. */
function slopeOf(samples: readonly Sample[]): number {
  const half = samples.slice(Math.floor(samples.length / 2));
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const [at, rss] = [mean(half.map((one) => one.at)), mean(half.map((one) => one.rssBytes))];
  const across = half.reduce((sum, one) => sum + (one.at - at) * (one.rssBytes - rss), 0);
  const along = half.reduce((sum, one) => sum + (one.at - at) ** 2, 0);
  return (across / along) * HOUR_MS;
}

async function end(program: ChildProcess): Promise<void> {
  if (program.exitCode !== null || program.signalCode !== null) return;
  const ended = new Promise((resolve) => program.once('exit', resolve));
  program.kill('SIGTERM');
  const timer = setTimeout(() => program.kill('SIGKILL'), 5000);
  await ended;
  clearTimeout(timer);
}

function rows(
  what: string,
  agent: Rest | undefined,
  exporter: Rest | undefined,
  windowMs: number,
): readonly Row[] {
  if (agent === undefined) return [notMeasured(what, '', 'nothing was sampled')];
  const against = (figure: (rest: Rest) => string): string =>
    exporter === undefined ? `${EXPORTER} is not installed` : `node_exporter: ${figure(exporter)}`;
  const ratio = (figure: (rest: Rest) => number): string =>
    exporter === undefined ? '–' : `× ${(figure(agent) / figure(exporter)).toFixed(2)}`;
  const cpu = (rest: Rest): string => `${rest.cpuSecondsPerHour.toFixed(1)} CPU-s an hour`;
  const slope = (rest: Rest): string => `${(rest.slopeBytesPerHour / 1e6).toFixed(1)} MB an hour`;
  const isHour = windowMs >= HOUR_MS;
  const window = `over ${windowMs / 1000} s`;
  return [
    {
      what: `${what}: memory`,
      goal: '≤ 75 MB RSS',
      measured: mb(agent.rssBytes),
      yardstick: against((rest) => mb(rest.rssBytes)),
      ratio: ratio((rest) => rest.rssBytes),
      met: agent.rssBytes <= GOAL_RSS,
    },
    {
      what: 'the same: processor time, children included',
      goal: '≤ 10 CPU-s an hour',
      measured: `${cpu(agent)}, ${isHour ? 'measured' : 'reckoned from a window'} ${window}`,
      yardstick: against(cpu),
      ratio: ratio((rest) => rest.cpuSecondsPerHour),
      met: agent.cpuSecondsPerHour <= GOAL_CPU,
    },
    {
      what: 'the same: growth of memory',
      goal: 'none over an hour',
      measured: `${slope(agent)} ${window}`,
      yardstick: against(slope),
      ratio: '–',
      met: isHour ? agent.slopeBytesPerHour <= GOAL_SLOPE : undefined,
      ...(isHour ? {} : { note: 'needs an hour: npm run bench -- agent-at-rest --long' }),
    },
  ];
}
