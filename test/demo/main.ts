// npm run demo: the main job on this machine, end to end, with nothing but Node. Prints what happens as it happens;
// exit code 1 with a reason if any of it is not so.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../fleet/programs.js';
import { createSteps, writeReport, type DemoReport } from './report.js';
import { showFailover } from './failover-story.js';
import { showMainJob } from './main-story.js';
import type { DemoContext } from './context.js';

const args = process.argv.slice(2);
const option = (name: string): string | undefined => {
  const at = args.indexOf(name);
  return at === -1 ? undefined : args[at + 1];
};
const usage = 'usage: npm run demo -- [--report FILE] [--keep]';
const known = new Set(['--report', '--keep']);
const reportPath = option('--report');
const isKept = args.includes('--keep');
if (
  args.some((arg) => !known.has(arg) && arg !== reportPath) ||
  (args.includes('--report') && !reportPath)
) {
  console.error(usage);
  process.exit(2);
}

const say = (line: string): void => console.log(line);

async function main(): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'leafward-'));
  await mkdir(join(dir, 'images'));
  const ports = await freePorts(4);
  const steps = createSteps(say);
  const context: DemoContext = {
    dir,
    ports,
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
    'Docker is not used here: members run as plain processes (the suites docker and hosts use it).',
  );
  let code = 0;
  try {
    const fleet = await showMainJob(context, report);
    await showFailover(context, fleet, report);
  } catch (error) {
    code = 1;
    say(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
    say(`Logs: ${join(dir, 'logs')}`);
  }
  if (reportPath !== undefined) await writeReport(reportPath, report);
  if (isKept && code === 0) {
    say('\nEverything keeps running. End it with Ctrl-C.');
    await new Promise((resolve) => process.once('SIGINT', resolve));
  }
  for (const clean of context.cleanups.reverse()) await clean().catch(() => undefined);
  if (code === 0) await rm(dir, { recursive: true, force: true });
  return code;
}

process.exit(await main());
