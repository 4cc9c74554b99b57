// Opens the embedded store: SQLite in WAL mode, every commit on disk before it is acted on. Brings the schema up
// to date. Must never open a store that a newer Leafward wrote.
import SqliteDatabase from 'better-sqlite3';
import { Kysely, Migrator, SqliteDialect } from 'kysely';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { migrations } from './migrations.js';

export interface Database<T> {
  readonly db: Kysely<T>;
  readonly close: () => Promise<void>;
}

/** @throws LeafwardError `failed` when the file cannot be opened or was written by a newer version. */
export async function openDatabase<T>(path: string): Promise<Database<T>> {
  const sqlite = open(path);
  // WAL + FULL: a commit that was answered survives a power cut; readers never block the writer.
  sqlite.pragma('journal_mode = WAL');
  sqlite.pragma('synchronous = FULL');
  sqlite.pragma('foreign_keys = ON');
  sqlite.pragma('busy_timeout = 5000');
  const db = new Kysely<T>({ dialect: new SqliteDialect({ database: sqlite }) });
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => migrations },
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) {
    await db.destroy();
    throw new LeafwardError(
      'failed',
      `bring the store ${path} up to date: ${messageOf(error)}; if a newer Leafward wrote it, run that version`,
      { cause: error },
    );
  }
  return { db, close: () => db.destroy() };
}

function open(path: string): SqliteDatabase.Database {
  try {
    return new SqliteDatabase(path);
  } catch (error) {
    throw new LeafwardError(
      'failed',
      `open the store ${path}: ${messageOf(error)}; run leafward-controller init first, as the user that runs it`,
      { cause: error },
    );
  }
}
