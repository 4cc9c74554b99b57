// leafward-controller rebuild: makes a store anew and listens until every host has said what it remembers, or the time
// is over. What is open then goes on in `run`.
import { Option, type Command } from 'commander';
import { systemClock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import { createLogger } from '@leafward/shared/log.js';
import { parseDuration } from '@leafward/shared/manifest/units.js';
import { loadConfig, type ControllerConfig } from '../config.js';
import { openFoundation, startController, storePath, type Controller } from '../controller.js';
import { prepareRebuild, type Prepared } from './prepare.js';
import { renderResult, resultOf, type RebuildResult } from './render.js';

interface RebuildFlags {
  readonly stateDir: string;
  readonly manifest?: string;
  readonly wait: string;
  readonly host: readonly string[];
  readonly gone: readonly string[];
  readonly reason: string;
  readonly revoke: readonly string[];
  readonly setAside?: true;
  readonly operator: string;
  readonly output: 'text' | 'json';
}

const LOOK_EVERY_MS = 100;
const WAITING = 4; // exit code: what was begun goes on elsewhere

/** `end` is told the exit code of a rebuild that was carried out. */
export function addRebuild(
  program: Command,
  defaultStateDir: string,
  end: (exitCode: number) => void,
): void {
  const many = (value: string, before: readonly string[]): readonly string[] => [...before, value];
  program
    .command('rebuild')
    .description(
      'Make a store that was lost anew from what the agents remember. The controller must be stopped; nothing is restarted.',
    )
    .option('--state-dir <directory>', 'where everything is kept', defaultStateDir)
    .option(
      '--manifest <file>',
      'the last fleet.yaml: says which hosts there are, and the policies',
    )
    .option('--wait <duration>', 'how long to wait for hosts', '60s')
    .option('--host <name>', 'a host that must be heard; again for each', many, [])
    .option('--gone <name>', 'a host that is lost for good; again for each', many, [])
    .option('--reason <text>', 'why those are gone', '')
    .option('--revoke <name>', 'a host that may not come in any more; again for each', many, [])
    .option('--set-aside', 'also where the store can be read: it is renamed')
    .option('--operator <name>', 'the first operator, an admin', 'admin')
    .addOption(new Option('-o, --output <format>').choices(['text', 'json']).default('text'))
    .action(async (flags: RebuildFlags) => end(await rebuild(flags)));
}

async function rebuild(flags: RebuildFlags): Promise<number> {
  const { stateDir } = flags;
  const waitMs = parseDuration(flags.wait);
  if (waitMs === undefined)
    throw new LeafwardError('invalid', `--wait ${flags.wait}: write a duration, as 90s or 5m`);
  const config = await loadConfig(stateDir);
  const prepared = await prepareRebuild({
    ...flags,
    config,
    clock: systemClock,
    manifestPath: flags.manifest,
    hosts: flags.host,
    setAside: flags.setAside === true,
  });
  const enrolment = await inviteFirst(flags, config);
  const result = await listen({ flags, config, prepared, waitMs, enrolment });
  process.stdout.write(
    `${flags.output === 'json' ? JSON.stringify(result, undefined, 2) : renderResult(result, stateDir)}\n`,
  );
  return result.isWhole ? 0 : WAITING;
}

/** Roles are lost with the store: somebody must come in first. */
async function inviteFirst(
  { stateDir, operator }: RebuildFlags,
  config: ControllerConfig,
): Promise<RebuildResult['enrolment']> {
  const foundation = await openFoundation({ stateDir, config, clock: systemClock });
  try {
    if (foundation.identities.principals('user').length > 0) return undefined;
    return await foundation.enrollment.invite({
      kind: 'user',
      name: operator,
      role: 'admin',
      ttlMs: 0,
      madeBy: 'rebuild',
    });
  } finally {
    await foundation.database.close();
  }
}

interface Listening {
  readonly flags: RebuildFlags;
  readonly config: ControllerConfig;
  readonly prepared: Prepared;
  readonly waitMs: number;
  readonly enrolment: RebuildResult['enrolment'];
}

/** A whole controller, so that leaders get their permits as soon as their service is known. */
async function listen(parts: Listening): Promise<RebuildResult> {
  const { flags, config, prepared, enrolment } = parts;
  const { stateDir } = flags;
  let failed: Error | undefined;
  const stopped = new AbortController();
  const controller = await startController({
    stateDir,
    config,
    clock: systemClock,
    log: createLogger('leafward-controller', 'warn'),
    onFatal: (error) => {
      failed = error;
      stopped.abort();
    },
  });
  const stop = (): void => stopped.abort();
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  try {
    await untilWhole(controller, parts.waitMs, stopped.signal);
    if (failed !== undefined) throw failed;
    return resultOf(controller.fleet.snapshot(), {
      store: storePath(stateDir),
      aside: prepared.aside,
      enrolment,
    });
  } finally {
    process.off('SIGTERM', stop);
    process.off('SIGINT', stop);
    await controller.stop();
  }
}

async function untilWhole(
  { fleet }: Controller,
  waitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const deadline = systemClock.monotonic() + waitMs;
  let heard = '';
  while (!signal.aborted && systemClock.monotonic() < deadline) {
    const rebuild = fleet.rebuild();
    const now = rebuild?.heard.join(', ') ?? '';
    if (now !== heard) process.stderr.write(`heard: ${now}\n`);
    heard = now;
    if (rebuild?.endedAt !== undefined) return;
    await systemClock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
  }
}
