// Waits until a copy of a backup is up, and asks it what it is. Gives up at a deadline, which stretches by the time in
// which the service says that it migrates. Stops nothing.
import type { Clock } from '@leafward/shared/clock.js';
import type { EngineFact } from '@leafward/shared/gen/domain.js';
import type { Engine, EngineMember } from '../engines/engine.js';
import { tail, withoutSecrets } from '../observe/output.js';
import type { Runtime } from '../runtimes/runtime.js';
import { notYetUp } from './compare.js';

export interface Booting {
  readonly member: EngineMember;
  readonly engine: Engine;
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly redact: (text: string) => string;
  readonly onProgress: (text: string) => void;
}

export interface Booted {
  /** What it said last. */
  readonly fact: EngineFact;
  readonly migrationMs: number;
  /** Why it did not come up, and the last that it printed; none: it is up. */
  readonly problems: readonly string[];
}

const LOOK_EVERY_MS = 500;
const MIGRATION_LINES = 200;
const LAST_LINES = 8;

/** @throws LeafwardError `aborted` */
export async function untilUp(booting: Booting, signal: AbortSignal): Promise<Booted> {
  const { member, engine, runtime, clock, redact, onProgress } = booting;
  const beganAt = clock.monotonic();
  let lookedAt = beganAt;
  let migrationMs = 0;
  for (;;) {
    const fact = await engine.observe(member, signal);
    const why = notYetUp(fact);
    if (why === undefined) return { fact, migrationMs, problems: [] };
    const container = await runtime.inspect(member.member, signal);
    const migrating = await migrationOf(booting, container.startedAt ?? 0, signal);
    const now = clock.monotonic();
    if (migrating !== undefined) migrationMs += now - lookedAt;
    lookedAt = now;
    const giveUp = (problem: string): Promise<Booted> =>
      withLastLines(booting, { fact, migrationMs, problems: [problem] }, signal);
    if (container.state === 'exited' || container.state === 'absent')
      return giveUp(`it ended by itself with exit code ${container.exitCode ?? 'unknown'}`);
    if (now - beganAt > booting.timeoutMs + migrationMs)
      return giveUp(`it was not up after ${Math.round((now - beganAt) / 1000)} s: ${redact(why)}`);
    onProgress(migrating === undefined ? 'booting it without a network' : `it says: ${migrating}`);
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
}

/** The last word of its log counts. */
async function migrationOf(
  { runtime, engine, member, redact }: Booting,
  sinceMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  let migrating: string | undefined;
  const options = { member: member.member, sinceMs, maxLines: MIGRATION_LINES, signal };
  for (const line of await tail(runtime, options)) {
    const said = engine.migrationIn(line, member);
    if (said !== undefined) migrating = said === 'running' ? line : undefined;
  }
  return migrating === undefined ? undefined : withoutSecrets(redact(migrating));
}

async function withLastLines(
  { runtime, member, redact }: Booting,
  booted: Booted,
  signal: AbortSignal,
): Promise<Booted> {
  const options = { member: member.member, sinceMs: 0, maxLines: LAST_LINES, signal };
  const lines = await tail(runtime, options);
  const said = lines.map((line) => `it printed: ${withoutSecrets(redact(line))}`);
  return { ...booted, problems: [...booted.problems, ...said] };
}
