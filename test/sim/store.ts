// The controller's store: real SQLite, in memory, outliving the processes that open it. Every commit is durable, as
// with synchronous = FULL; what may be lost or put back is the whole of it.
import SqliteDatabase from 'better-sqlite3';

export interface SimStore {
  /** Stands for the class of better-sqlite3; one for each program that is started. */
  readonly connect: () => unknown;
  copy(): Buffer;
  putBack(copy: Buffer | undefined): void;
}

type Statement = SqliteDatabase.Statement;

export function createStore(from?: Buffer): SimStore {
  let database = new SqliteDatabase(from ?? ':memory:');
  let statements = new Map<string, Statement>();
  /** A transaction begins and ends between two events, so all connections may be one. */
  const connect = () => {
    const own = database;
    const known = statements;
    return class {
      pragma(): void {}
      prepare(sql: string): Statement {
        const statement = known.get(sql) ?? own.prepare(sql);
        known.set(sql, statement);
        return statement;
      }
      close(): void {}
    };
  };
  return {
    connect,
    copy: () => database.serialize(),
    putBack: (copy) => {
      database = new SqliteDatabase(copy ?? ':memory:');
      statements = new Map();
    },
  };
}
