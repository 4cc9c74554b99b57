// What a stand-in does with the database's schema before it opens any port: checks it, migrates it, or ends with the
// words of the real one.
import { setTimeout as delay } from 'node:timers/promises';
import { matrixSchemaOf } from '@leafward/controller/planning/matrix-releases.js';
import type { Database, SchemaState } from './database.js';
import { say, type Settings } from './settings.js';

/** Ends the process with code 1 and these words. */
export class StartError extends Error {}

const POLL_MS = 20;
/** Before the first line of the table; only that it is lower counts here. */
const ANCIENT = 58;

export function schemaOf(version: string): SchemaState {
  const step = matrixSchemaOf(version);
  return { schema: step?.schema ?? ANCIENT, compatible: step?.compatible ?? ANCIENT };
}

/** @throws StartError as the real one does. */
export async function prepareSchema(settings: Settings, database: Database): Promise<void> {
  const own = schemaOf(settings.version);
  const found = database.schema();
  // Up to 1.19 a worker has no guard: it prepares the database itself.
  const migrates = settings.isMain || settings.minor <= 19;
  say('Checking existing schema version');
  if (found === undefined) {
    if (!migrates)
      throw new StartError(
        'Uninitialised database: run the main synapse process to prepare the database schema before starting worker processes.',
      );
    say('Initialising new database');
    database.commit(own);
    return say('Schema now up to date');
  }
  say(`Existing schema is ${found.schema}`);
  if (!isUsable(settings, own, found)) throw refusal(settings, own, found);
  if (found.schema >= own.schema) return say('Schema now up to date');
  if (!migrates) throw refusal(settings, own, found);
  await migrate(settings, database, { from: found.schema, to: own });
}

/** Before 1.37 no word on compatibility is read: another schema than its own is none. */
function isUsable(settings: Settings, own: SchemaState, found: SchemaState): boolean {
  return settings.minor < 37 ? found.schema <= own.schema : found.compatible <= own.schema;
}

function refusal(settings: Settings, own: SchemaState, found: SchemaState): StartError {
  return settings.isMain || settings.minor <= 19
    ? new StartError('Cannot use this database as it is too new for the server to understand')
    : new StartError(
        `Expected database schema version ${own.schema} but got ${found.schema}: the main process must be of this worker's release`,
      );
}

/** One transaction, which any open reader holds up without limit. */
async function migrate(
  settings: Settings,
  database: Database,
  step: { readonly from: number; readonly to: SchemaState },
): Promise<void> {
  for (let version = step.from + 1; version <= step.to.schema; version++)
    say(`Applying schema deltas for v${version}`);
  while (database.hasReaders()) await delay(POLL_MS);
  await delay(settings.migrateMs);
  while (database.hasReaders()) await delay(POLL_MS);
  database.commit(step.to);
  say('Schema now up to date');
}
