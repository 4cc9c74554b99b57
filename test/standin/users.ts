// Users and roles of a stand-in cell, folded from its log. Passwords are in none of it.
import { createHash } from 'node:crypto';
import { decode } from '@msgpack/msgpack';
import type { Packable } from './pack.js';

export type Rule = readonly [allow: boolean, path: readonly string[]];

interface User {
  readonly iden: string;
  readonly name: string;
  admin: boolean;
  locked: boolean;
  email: string | null;
  rules: Rule[];
  roles: string[];
}

interface Role {
  readonly iden: string;
  readonly name: string;
  rules: Rule[];
}

export class Users {
  readonly #users = new Map<string, User>();
  readonly #roles = new Map<string, Role>();

  constructor(cellIden: string) {
    this.#add(createHash('md5').update(`root of ${cellIden}`).digest('hex'), 'root').admin = true;
    const all = createHash('md5').update(`all of ${cellIden}`).digest('hex');
    this.#roles.set(all, { iden: all, name: 'all', rules: [] });
  }

  apply(entry: Buffer | undefined): void {
    if (entry === undefined) return;
    const [, [, event, args]] = decode(entry) as [number, [string, string, [string, unknown]]];
    const [iden, value] = args;
    const user = this.#users.get(iden);
    if (event === 'user:add') this.#add(iden, String(value));
    if (event === 'user:admin' && user !== undefined) user.admin = value === true;
    if (event === 'user:locked' && user !== undefined) user.locked = value === true;
    if (event === 'user:email' && user !== undefined) user.email = value as string | null;
    if (event === 'user:roles' && user !== undefined) user.roles = value as string[];
    if (event === 'user:rules' && user !== undefined) user.rules = value as Rule[];
    if (event === 'user:del') this.#users.delete(iden);
    this.#applyRole(event, iden, value);
  }

  #applyRole(event: string, iden: string, value: unknown): void {
    const role = this.#roles.get(iden);
    if (event === 'role:add') this.#roles.set(iden, { iden, name: String(value), rules: [] });
    if (event === 'role:rules' && role !== undefined) role.rules = value as Rule[];
    if (event !== 'role:del') return;
    this.#roles.delete(iden);
    for (const user of this.#users.values()) user.roles = user.roles.filter((one) => one !== iden);
  }

  #add(iden: string, name: string): User {
    const user = { iden, name, admin: false, locked: false, email: null, rules: [], roles: [] };
    this.#users.set(iden, user);
    return user;
  }

  byName(name: string): User | undefined {
    return [...this.#users.values()].find((user) => user.name === name);
  }

  byIden(iden: string): User | undefined {
    return this.#users.get(iden);
  }

  role(iden: string): Role | undefined {
    return this.#roles.get(iden);
  }

  roleByName(name: string): Role | undefined {
    return this.roles().find((role) => role.name === name);
  }

  roles(): Role[] {
    return [...this.#roles.values()];
  }

  has(iden: string): boolean {
    return this.#users.has(iden);
  }

  list(): User[] {
    return [...this.#users.values()];
  }

  /** As getUserDefs shows one. */
  definition(user: User): Packable {
    const own = user.roles.flatMap((iden) => this.role(iden) ?? []);
    const all = user.name === 'root' ? [] : [this.roleByName('all')].flatMap((one) => one ?? []);
    return {
      type: 'user',
      iden: user.iden,
      name: user.name,
      rules: packed(user.rules),
      roles: [...all, ...own].map(roleDefinition),
      admin: user.admin,
      email: user.email,
      locked: user.locked,
      archived: false,
      authgates: {},
    };
  }
}

export function roleDefinition({ iden, name, rules }: Role): Packable {
  return { type: 'role', iden, name, rules: packed(rules), authgates: {} };
}

const packed = (rules: readonly Rule[]): Packable =>
  rules.map(([allow, path]) => [allow, [...path]]);
