// Asks a member's service what it is and does. One that does not answer may migrate: its log says so. Never throws.
import type { ContainerFact, EngineFact, MemberIntent } from '@leafward/shared/gen/domain.js';
import { engineMember } from '../engines/engine-member.js';
import type { Engine, EngineMember } from '../engines/engine.js';
import type { Runtime } from '../runtimes/runtime.js';
import type { Secrets } from '../secrets.js';
import { tail } from './output.js';

export interface ServiceOptions {
  readonly runtimeOf: (intent: MemberIntent) => Runtime;
  readonly engineOf: (intent: MemberIntent) => Engine;
  readonly secrets: Pick<Secrets, 'redact'>;
}

/** A migration may print a line for each of its parts: its first one must stay in sight. */
const MIGRATION_LINES = 1000;
export const DOWN: EngineFact = { answered: false, error: 'it does not run' };

export async function observeEngine(
  options: ServiceOptions,
  intent: MemberIntent,
  container: ContainerFact,
  signal: AbortSignal,
): Promise<EngineFact> {
  if (container.state !== 'running') return DOWN;
  // One that is to be fenced may hang: its end must not wait for its answer (I2).
  if (intent.run === 'retired') return { answered: false, error: 'it is retired' };
  const engine = options.engineOf(intent);
  const { redact } = options.secrets;
  const seen = await engine.observe(engineMember(intent), signal);
  const said = seen.error === undefined ? seen : { ...seen, error: redact(seen.error) };
  // A service that does not name its runs is a new one when its program was started anew.
  const { startedAt } = container;
  const runId = said.runId ?? (startedAt === undefined ? undefined : `started at ${startedAt}`);
  const fact = said.answered ? { ...said, runId } : said;
  if (fact.answered) return fact;
  const migrating = await migrationOf(options.runtimeOf(intent), engine, {
    of: engineMember(intent),
    sinceMs: container.startedAt ?? 0,
    signal,
  });
  return migrating === undefined ? fact : { ...fact, migrating: redact(migrating) };
}

/** A service that migrates does not answer; its log does. The last word counts. */
async function migrationOf(
  runtime: Runtime,
  engine: Engine,
  options: {
    readonly of: EngineMember;
    readonly sinceMs: number;
    readonly signal: AbortSignal;
  },
): Promise<string | undefined> {
  let migrating: string | undefined;
  const { member } = options.of;
  for (const line of await tail(runtime, { ...options, member, maxLines: MIGRATION_LINES })) {
    const said = engine.migrationIn(line, options.of);
    if (said !== undefined) migrating = said === 'running' ? line : undefined;
  }
  return migrating;
}
