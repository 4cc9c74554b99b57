// The calls of a stand-in cell about users and roles, about enrolment at AHA, and what reloads its certificate.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Method } from './api.js';
import { newIden } from './cell-files.js';
import { refused, WireError, type Cell } from './cell.js';
import type { Packable } from './pack.js';
import { say } from './settings.js';
import { roleDefinition, type Rule } from './users.js';

type Get = (parameter: string) => unknown;

const call = (
  parameters: readonly string[],
  answer: (cell: Cell, get: Get) => Packable | Promise<Packable>,
  since = 5,
): Method => ({ since, parameters, answer: ({ cell }, get) => answer(cell, get) });

export const peopleMethods: Readonly<Record<string, Method>> = {
  getUserDefs: call([], ({ users }) => users.list().map((user) => users.definition(user))),
  getUserDefByName: call(['name'], ({ users }, get) => {
    const user = users.byName(String(get('name')));
    return user === undefined ? null : users.definition(user);
  }),
  getRoleDefs: call([], ({ users }) => users.roles().map(roleDefinition)),
  getRoleDefByName: call(['name'], ({ users }, get) => {
    const role = users.roleByName(String(get('name')));
    return role === undefined ? null : roleDefinition(role);
  }),
  addUser: call(['name', 'passwd?', 'email?', 'iden?'], addUser),
  delUser: call(['iden'], (cell, get) => change(cell, 'user:del', iden(cell, get), null)),
  setUserAdmin: call(['iden', 'admin', 'gateiden?'], (cell, get) =>
    change(cell, 'user:admin', iden(cell, get), get('admin') === true),
  ),
  setUserLocked: call(['iden', 'locked'], (cell, get) =>
    change(cell, 'user:locked', iden(cell, get), get('locked') === true),
  ),
  setUserEmail: call(['iden', 'email'], (cell, get) =>
    change(cell, 'user:email', iden(cell, get), String(get('email'))),
  ),
  // Its shadow would be written; whoever tests it looks that the password itself is nowhere.
  setUserPasswd: call(['iden', 'passwd'], (cell, get) => {
    if (typeof get('passwd') !== 'string') throw badArg('setUserPasswd', 'no password');
    return change(cell, 'user:passwd', iden(cell, get), null);
  }),
  addUserRule: call(['iden', 'rule', 'indx?', 'gateiden?'], (cell, get) => {
    const user = iden(cell, get);
    const rules = [...(cell.users.byIden(user)?.rules ?? []), get('rule') as Rule];
    return change(cell, 'user:rules', user, rules);
  }),
  delUserRule: call(['iden', 'rule', 'gateiden?'], (cell, get) => {
    const user = iden(cell, get);
    const rules = without(cell.users.byIden(user)?.rules ?? [], get('rule') as Rule);
    return change(cell, 'user:rules', user, rules);
  }),
  addUserRole: call(['iden', 'roleiden', 'indx?'], (cell, get) => {
    const [user, role] = [iden(cell, get), roleIden(cell, get('roleiden'))];
    return change(cell, 'user:roles', user, [...(cell.users.byIden(user)?.roles ?? []), role]);
  }),
  delUserRole: call(['iden', 'roleiden'], (cell, get) => {
    const [user, role] = [iden(cell, get), roleIden(cell, get('roleiden'))];
    const left = (cell.users.byIden(user)?.roles ?? []).filter((one) => one !== role);
    return change(cell, 'user:roles', user, left);
  }),
  addRole: call(['name', 'iden?'], async (cell, get) => {
    const name = String(get('name'));
    if (cell.users.roleByName(name) !== undefined)
      throw new WireError('DupRoleName', { ename: 'addRole', name });
    await cell.issue('role:add', [newIden(), name]);
    const role = cell.users.roleByName(name);
    return role === undefined ? null : roleDefinition(role);
  }),
  delRole: call(['iden'], (cell, get) =>
    change(cell, 'role:del', roleIden(cell, get('iden')), null),
  ),
  addRoleRule: call(['iden', 'rule', 'indx?', 'gateiden?'], (cell, get) => {
    const role = roleIden(cell, get('iden'));
    const rules = [...(cell.users.role(role)?.rules ?? []), get('rule') as Rule];
    return change(cell, 'role:rules', role, rules);
  }),
  delRoleRule: call(['iden', 'rule', 'gateiden?'], (cell, get) => {
    const role = roleIden(cell, get('iden'));
    return change(
      cell,
      'role:rules',
      role,
      without(cell.users.role(role)?.rules ?? [], get('rule') as Rule),
    );
  }),
  addAhaUserEnroll: call(['name', 'userinfo?', 'again?'], enrol, 11),
  getReloadableSystems: call([], () => ['https:certs'], 145),
  reload: call(['subsystem?'], ({ settings }) => reload(settings.storage), 145),
  // Not the service's: a line in its log.
  addTestLog: call(['level', 'message'], (_, get) => {
    say(String(get('message')), String(get('level')));
    return null;
  }),
};

/** Releases before 2.150 write the parameters of the call into their log. */
async function addUser(cell: Cell, get: Get): Promise<Packable> {
  const name = String(get('name'));
  const parameters = JSON.stringify([name, get('passwd') ?? null, get('email') ?? null]);
  if (cell.settings.minor < 150)
    say(`Executing [CellApi.addUser] as [root] with args [${parameters}][{}]`);
  if (cell.users.byName(name) !== undefined) {
    const mesg = `Duplicate username, name='${name}' already exists.`;
    const said = cell.settings.minor < 200 ? { name } : { mesg, name };
    throw new WireError('DupUserName', { ename: 'addUser', ...said });
  }
  await cell.issue('user:add', [newIden(), name]);
  const user = cell.users.byName(name);
  return user === undefined ? null : cell.users.definition(user);
}

async function enrol(cell: Cell, get: Get): Promise<Packable> {
  const { users, aha } = cell;
  // A cell that is no AHA otherwise can be told to answer this one call as one.
  const network = aha?.network ?? process.env['SYN_CELL_ENROLLS'];
  if (network === undefined)
    throw new WireError('NoSuchMeth', { ename: '_onTaskV2Init', name: 'addAhaUserEnroll' });
  const name = String(get('name'));
  const user = `${name}@${network}`;
  if (users.byName(user) !== undefined && get('again') !== true) {
    const mesg = `User name (${name}) already exists.  Need --again?`;
    throw new WireError('DupUserName', refused('addAhaUserEnroll', mesg));
  }
  if (users.byName(user) === undefined) await cell.issue('user:add', [newIden(), user]);
  const iden = newIden();
  await cell.issue('aha:enroll:add', [iden, name]);
  say(`Created user provisioning for ${name} with iden ${iden}`);
  return `ssl://aha.${network}:27272/${iden}?certhash=${newIden()}${newIden()}`;
}

async function change(cell: Cell, event: string, iden: string, value: Packable): Promise<null> {
  await cell.issue(event, [iden, value]);
  return null;
}

function iden({ users }: Cell, get: Get): string {
  const found = String(get('iden'));
  if (users.has(found)) return found;
  throw new WireError('NoSuchUser', { ename: 'reqUser', mesg: `No user with iden ${found}.` });
}

function roleIden({ users }: Cell, value: unknown): string {
  if (users.role(String(value)) !== undefined) return String(value);
  throw new WireError('NoSuchRole', {
    ename: 'reqRole',
    mesg: `No role with iden ${String(value)}.`,
  });
}

const without = (rules: readonly Rule[], rule: Rule): Packable =>
  rules
    .filter((one) => JSON.stringify(one) !== JSON.stringify(rule))
    .map(([allow, path]) => [allow, [...path]]);

const badArg = (ename: string, mesg: string): WireError =>
  new WireError('BadArg', refused(ename, mesg));

/** Tells which certificate it reads, as `/proc/net` would show of the real one. */
function reload(storage: string): Packable {
  const path = join(storage, 'sslcert.pem');
  if (!existsSync(path)) return { 'https:certs': [false, ['NoSuchFile', { mesg: path }]] };
  const { subject } = new X509Certificate(readFileSync(path));
  say(`https:certs reloaded: ${subject}`);
  return { 'https:certs': [true, true] };
}
