// Users of a stand-in cell, folded from its log.
import { createHash } from 'node:crypto';
import { decode } from '@msgpack/msgpack';
import type { Packable } from './pack.js';

interface User {
  readonly iden: string;
  readonly name: string;
  admin: boolean;
}

export class Users {
  readonly #users = new Map<string, User>();

  constructor(cellIden: string) {
    const iden = createHash('md5').update(`root of ${cellIden}`).digest('hex');
    this.#users.set(iden, { iden, name: 'root', admin: true });
  }

  apply(entry: Buffer | undefined): void {
    if (entry === undefined) return;
    const [, [, event, args]] = decode(entry) as [number, [string, string, [string, unknown]]];
    const [iden, value] = args;
    const user = this.#users.get(iden);
    if (event === 'user:add') this.#users.set(iden, { iden, name: String(value), admin: false });
    if (event === 'user:admin' && user !== undefined) user.admin = value === true;
    if (event === 'user:del') this.#users.delete(iden);
  }

  byName(name: string): User | undefined {
    return [...this.#users.values()].find((user) => user.name === name);
  }

  has(iden: string): boolean {
    return this.#users.has(iden);
  }

  list(): User[] {
    return [...this.#users.values()];
  }
}

/** As getUserDefs shows one. */
export function userDefinition(user: User): Packable {
  const all = { type: 'role', iden: user.iden, name: 'all', rules: [], authgates: {} };
  return {
    type: 'user',
    iden: user.iden,
    name: user.name,
    rules: [],
    roles: user.name === 'root' ? [] : [all],
    admin: user.admin,
    email: null,
    locked: false,
    archived: false,
    authgates: {},
  };
}
