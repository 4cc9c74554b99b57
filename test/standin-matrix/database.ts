// The database that a stand-in's processes share: a directory. It has a schema version, connections that are
// counted, readers whose locks a migration waits for, and it can be down.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface SchemaState {
  readonly schema: number;
  readonly compatible: number;
}

/** PostgreSQL's own default. */
const MOST_CONNECTIONS = 100;

export class Database {
  constructor(readonly directory: string) {
    for (const name of ['connections', 'readers'])
      mkdirSync(join(directory, name), { recursive: true });
  }

  /** Undefined: no homeserver has ever written into it. */
  schema(): SchemaState | undefined {
    const text = this.#read('schema.json');
    return text === undefined ? undefined : (JSON.parse(text) as SchemaState);
  }

  /** One transaction: all of it or nothing. */
  commit(state: SchemaState): void {
    const path = join(this.directory, 'schema.json');
    writeFileSync(`${path}.${process.pid}`, JSON.stringify(state));
    renameSync(`${path}.${process.pid}`, path);
  }

  isDown(): boolean {
    return this.#read('down') !== undefined;
  }

  setDown(isDown: boolean): void {
    this.#set('down', isDown);
  }

  /** Somebody reads in a transaction, as a running pg_dump does. */
  setReader(name: string, isThere: boolean): void {
    this.#set(join('readers', name), isThere);
  }

  hasReaders(): boolean {
    return readdirSync(join(this.directory, 'readers')).length > 0;
  }

  /** False: too many connections. What dead processes held is free. */
  connect(pool: number): boolean {
    const directory = join(this.directory, 'connections');
    let taken = 0;
    for (const pid of readdirSync(directory)) {
      if (isAlive(Number(pid))) taken += Number(this.#read(join('connections', pid)) ?? 0);
      else rmSync(join(directory, pid), { force: true });
    }
    if (taken + pool > MOST_CONNECTIONS) return false;
    writeFileSync(join(directory, String(process.pid)), String(pool));
    return true;
  }

  disconnect(): void {
    rmSync(join(this.directory, 'connections', String(process.pid)), { force: true });
  }

  #set(name: string, isThere: boolean): void {
    if (isThere) writeFileSync(join(this.directory, name), '');
    else rmSync(join(this.directory, name), { force: true });
  }

  #read(name: string): string | undefined {
    try {
      return readFileSync(join(this.directory, name), 'utf8');
    } catch {
      return undefined;
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
