// npm run demo: the main job on this machine, end to end, with nothing but Node. Prints what happens as it happens;
// exit code 1 with a reason if any of it is not so. Leaves no process and no directory, however it ends.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { killProcessesBelow } from '../fleet/processes.js';
import { endPrograms, freePorts } from '../fleet/programs.js';
import { createSteps, writeReport, type DemoReport } from './report.js';
import { showFailover } from './failover-story.js';
import { sayHowToGoOn } from './go-on.js';
import { showMainJob, type DemoFleet } from './main-story.js';
import type { DemoContext } from './context.js';

const args = process.argv.slice(2);
const option = (name: string): string | undefined => {
  const at = args.indexOf(name);
  return at === -1 ? undefined : args[at + 1];
};
const usage = `usage: npm run demo -- [--keep] [--report FILE]
  --keep         leave everything running at the end, until Ctrl-C
  --report FILE  write what was observed as JSON`;
const known = new Set(['--report', '--keep']);
const reportPath = option('--report');
const isKept = args.includes('--keep');
if (
  args.some((arg) => !known.has(arg) && arg !== reportPath) ||
  (args.includes('--report') && !reportPath)
) {
  const isHelp = args.includes('--help') || args.includes('-h');
  console[isHelp ? 'log' : 'error'](usage);
  process.exit(isHelp ? 0 : 2);
}

/** Ctrl-C reaches the programs as well: what they do then is no failure. */
const SIGNAL_MS = 200;

let isMuted = false; // what fails because everything is being ended is no news
const say = (line: string): void => {
  if (!isMuted) console.log(line);
};

let isInterrupted = false;
const interrupted = new Promise<NodeJS.Signals>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      isInterrupted = true;
      resolve(signal);
    });
});
process.stdout.on('error', () => undefined); // its reader may go first

async function main(): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'leafward-'));
  await mkdir(join(dir, 'images'));
  const steps = createSteps(say);
  const context: DemoContext = {
    dir,
    ports: await freePorts(4),
    isKept,
    say,
    step: (name, act) => steps.step(name, act),
    cleanups: [],
  };
  const report: { -readonly [K in keyof DemoReport]: DemoReport[K] } = {
    steps: steps.results,
    updateOrder: [],
    retiredStarts: -1,
  };
  say(
    'Leafward: a leader, two mirrors and a mirror of a mirror on three hosts, all on this machine.',
  );
  say(
    'Docker is not used here: members run as plain processes (the suites docker and hosts use it).\n',
  );
  const end = await Promise.race([tell(context, report), interrupted]);
  if (reportPath !== undefined) await writeReport(reportPath, report);
  const code = typeof end === 'string' ? 1 : end.code;
  if (typeof end === 'string') {
    say(`\nInterrupted by ${end}: everything that was started is ended.`);
    isMuted = true;
  } else if (end.fleet !== undefined) {
    sayHowToGoOn(context, end.fleet);
    if (isKept) say(`\nEnded by ${await interrupted}.`);
  }
  for (const clean of context.cleanups.reverse()) await clean().catch(() => undefined);
  await endPrograms();
  await killProcessesBelow(dir);
  const isFailed = typeof end !== 'string' && code !== 0;
  if (!isFailed) await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  return code;
}

interface End {
  readonly code: number;
  /** When all of it was so. */
  readonly fleet?: DemoFleet;
}

async function tell(
  context: DemoContext,
  report: { -readonly [K in keyof DemoReport]: DemoReport[K] },
): Promise<End> {
  try {
    const fleet = await showMainJob(context, report);
    await showFailover(context, fleet, report);
    return { code: 0, fleet };
  } catch (error) {
    await delay(SIGNAL_MS);
    if (isInterrupted) return { code: 1 };
    say(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
    say(`What the programs wrote is kept in ${join(context.dir, 'logs')}`);
    return { code: 1 };
  }
}

process.exit(await main());
