// What each act on users and roles of a cell does: looks first, changes what is not so yet, tells what it changed. Must
// never lock, remove or weaken those as whom services and this program connect.
import { unreachable } from '@leafward/shared/assert.js';
import { renderRule } from '@leafward/shared/cell-people.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  CellAct,
  CellPeople,
  CellRole,
  CellRule,
  CellUser,
} from '@leafward/shared/gen/domain.js';
import { ruleArgument, urlIn, type CellCalls } from './cell-calls.js';

export interface PeopleOutcome {
  readonly people: CellPeople;
  /** A one-time URL; for the operator only (I14). */
  readonly secret?: string | undefined;
}

type Act<K extends CellAct['kind']> = Extract<CellAct, { kind: K }>;

/** What an answer holds at the most; a report has room for it. */
const MOST_PEOPLE = 500;

/** @throws LeafwardError `already-exists`, `not-found`, `refused`, `invalid`, and what the cell says. */
export async function actOnPeople(
  calls: CellCalls,
  act: CellAct,
  password: string | undefined,
): Promise<PeopleOutcome> {
  switch (act.kind) {
    case 'list-users':
      return { people: await listUsers(calls, act) };
    case 'list-roles':
      return { people: peopleOf({ roles: await calls.roles() }) };
    case 'add-user':
      return { people: await addUser(calls, act, password) };
    case 'grant-user':
      return { people: await grantUser(calls, act) };
    case 'revoke-user':
      return { people: await revokeUser(calls, act) };
    case 'lock-user':
      return { people: await lockUser(calls, act) };
    case 'set-password':
      return { people: await setPassword(calls, act, password) };
    case 'remove-user': {
      const user = await expectUser(calls, act.name);
      refuseOwn(user, 'removed');
      await calls.call('delUser', user.iden);
      return { people: peopleOf({ changes: [`user ${user.name} is removed`] }) };
    }
    case 'enroll-user':
      return enrollUser(calls, act);
    case 'add-role':
      return { people: await addRole(calls, act) };
    case 'grant-role':
      return { people: await changeRole(calls, act, addRules) };
    case 'revoke-role':
      return { people: await changeRole(calls, act, removeRules) };
    case 'remove-role': {
      const role = await expectRole(calls, act.name);
      if (role.name === 'all')
        throw new LeafwardError('refused', 'the role all is everybody’s: it cannot be removed');
      await calls.call('delRole', role.iden);
      return { people: peopleOf({ changes: [`role ${role.name} is removed`] }) };
    }
    default:
      return unreachable(act);
  }
}

async function listUsers(calls: CellCalls, { name }: Act<'list-users'>): Promise<CellPeople> {
  if (name === undefined) return peopleOf({ users: await calls.users() });
  return peopleOf({ users: [await expectUser(calls, name)] });
}

async function addUser(
  calls: CellCalls,
  act: Act<'add-user'>,
  password: string | undefined,
): Promise<CellPeople> {
  const { name, email } = act;
  // All that can be wrong is found before anything is changed.
  const roles = await expectRoles(calls, act.roles);
  if ((await calls.findUser(name)) !== undefined)
    throw new LeafwardError(
      'already-exists',
      `add user ${name}: there is such a user already (DupUserName); change it with grant, revoke, lock or password`,
    );
  await calls.call('addUser', name);
  const changes = [`user ${name} is there`];
  const user = await expectUser(calls, name);
  if (email !== undefined) await calls.call('setUserEmail', user.iden, email);
  if (password !== undefined) {
    await calls.call('setUserPasswd', user.iden, password);
    changes.push('its password is set');
  }
  changes.push(...(await giveRights(calls, user, { ...act, roles })));
  return peopleOf({ users: [await expectUser(calls, name)], changes });
}

async function grantUser(calls: CellCalls, act: Act<'grant-user'>): Promise<CellPeople> {
  const roles = await expectRoles(calls, act.roles);
  const user = await expectUser(calls, act.name);
  const changes = await giveRights(calls, user, { ...act, roles });
  return peopleOf({ users: [await expectUser(calls, act.name)], changes });
}

interface Rights {
  readonly admin: boolean;
  readonly roles: readonly CellRole[];
  readonly rules: readonly CellRule[];
}

async function giveRights(
  calls: CellCalls,
  user: CellUser,
  { admin, roles, rules }: Rights,
): Promise<readonly string[]> {
  const changes: string[] = [];
  if (admin && !user.admin) {
    await calls.call('setUserAdmin', user.iden, true);
    changes.push(`${user.name} is an admin`);
  }
  for (const role of roles.filter(({ name }) => !user.roles.includes(name))) {
    await calls.call('addUserRole', user.iden, role.iden);
    changes.push(`${user.name} has the role ${role.name}`);
  }
  changes.push(...(await addRules(calls, 'User', user, rules)));
  return changes;
}

async function revokeUser(calls: CellCalls, act: Act<'revoke-user'>): Promise<CellPeople> {
  const roles = await expectRoles(calls, act.roles);
  const user = await expectUser(calls, act.name);
  const changes: string[] = [];
  if (act.admin && user.admin) {
    refuseOwn(user, 'made no admin');
    await calls.call('setUserAdmin', user.iden, false);
    changes.push(`${user.name} is no admin any more`);
  }
  for (const role of roles.filter(({ name }) => user.roles.includes(name))) {
    await calls.call('delUserRole', user.iden, role.iden);
    changes.push(`${user.name} has the role ${role.name} no more`);
  }
  changes.push(...(await removeRules(calls, 'User', user, act.rules)));
  return peopleOf({ users: [await expectUser(calls, act.name)], changes });
}

async function lockUser(calls: CellCalls, { name, locked }: Act<'lock-user'>): Promise<CellPeople> {
  const user = await expectUser(calls, name);
  if (locked) refuseOwn(user, 'locked');
  if (user.locked === locked) return peopleOf({ users: [user] });
  await calls.call('setUserLocked', user.iden, locked);
  const changes = [`${name} is ${locked ? 'locked: it cannot connect' : 'not locked any more'}`];
  return peopleOf({ users: [await expectUser(calls, name)], changes });
}

async function setPassword(
  calls: CellCalls,
  { name }: Act<'set-password'>,
  password: string | undefined,
): Promise<CellPeople> {
  if (password === undefined)
    throw new LeafwardError(
      'failed',
      `set the password of ${name}: it was lost on its way, since a controller or an agent began anew; nothing was changed, give it again`,
    );
  const user = await expectUser(calls, name);
  await calls.call('setUserPasswd', user.iden, password);
  return peopleOf({ users: [user], changes: [`the password of ${name} is set`] });
}

/** The name gets the network's behind it; `again` also for one that AHA knows. */
async function enrollUser(
  calls: CellCalls,
  { name, again }: Act<'enroll-user'>,
): Promise<PeopleOutcome> {
  let answer;
  try {
    answer = await calls.call('addAhaUserEnroll', name, null, again);
  } catch (error) {
    if (!(error instanceof LeafwardError) || error.code !== 'already-exists') throw error;
    throw new LeafwardError(
      'already-exists',
      `enrol ${name}: AHA knows such a user already (DupUserName); --again gives it another URL, and what it has now goes on to work`,
      { cause: error },
    );
  }
  const secret = urlIn(answer);
  if (secret === undefined)
    throw new LeafwardError('failed', `enrol ${name}: AHA answered without a URL`);
  return { people: peopleOf({ changes: [`a one-time URL for ${name} was made`] }), secret };
}

async function addRole(calls: CellCalls, { name, rules }: Act<'add-role'>): Promise<CellPeople> {
  if ((await calls.findRole(name)) !== undefined)
    throw new LeafwardError(
      'already-exists',
      `add role ${name}: there is such a role already (DupRoleName); change it with grant and revoke`,
    );
  await calls.call('addRole', name);
  const role = await expectRole(calls, name);
  const changes = [`role ${name} is there`, ...(await addRules(calls, 'Role', role, rules))];
  return peopleOf({ roles: [await expectRole(calls, name)], changes });
}

async function changeRole(
  calls: CellCalls,
  { name, rules }: Act<'grant-role' | 'revoke-role'>,
  change: typeof addRules,
): Promise<CellPeople> {
  const changes = await change(calls, 'Role', await expectRole(calls, name), rules);
  return peopleOf({ roles: [await expectRole(calls, name)], changes });
}

type Ruled = Pick<CellUser, 'name' | 'iden' | 'rules'>;

async function addRules(
  calls: CellCalls,
  whose: 'User' | 'Role',
  { name, iden, rules: before }: Ruled,
  rules: readonly CellRule[],
): Promise<readonly string[]> {
  const changes: string[] = [];
  for (const rule of rules.filter((one) => !before.some((other) => same(one, other)))) {
    await calls.call(`add${whose}Rule`, iden, ruleArgument(rule));
    const isBeaten = before.some((other) => same({ ...rule, allow: !rule.allow }, other));
    const beaten = isBeaten
      ? `, but an earlier rule says ${rule.allow ? 'deny' : 'allow'}: revoke that one`
      : '';
    changes.push(`${name}: ${renderRule(rule)}${beaten}`);
  }
  return changes;
}

async function removeRules(
  calls: CellCalls,
  whose: 'User' | 'Role',
  { name, iden, rules: before }: Ruled,
  rules: readonly CellRule[],
): Promise<readonly string[]> {
  const changes: string[] = [];
  for (const rule of rules.filter((one) => before.some((other) => same(one, other)))) {
    await calls.call(`del${whose}Rule`, iden, ruleArgument(rule));
    changes.push(`${name}: no rule ${renderRule(rule)} any more`);
  }
  return changes;
}

const same = (one: CellRule, other: CellRule): boolean => renderRule(one) === renderRule(other);

async function expectUser(calls: CellCalls, name: string): Promise<CellUser> {
  const user = await calls.findUser(name);
  if (user !== undefined) return user;
  throw new LeafwardError('not-found', `there is no user ${name} (NoSuchUser); see: user list`);
}

async function expectRole(calls: CellCalls, name: string): Promise<CellRole> {
  const role = await calls.findRole(name);
  if (role !== undefined) return role;
  throw new LeafwardError('not-found', `there is no role ${name} (NoSuchRole); see: role list`);
}

const expectRoles = (calls: CellCalls, names: readonly string[]): Promise<readonly CellRole[]> =>
  Promise.all(names.map((name) => expectRole(calls, name)));

/** Mirrors, other services and this program come as root; without it they stand alone. */
function refuseOwn({ name }: CellUser, what: string): void {
  if (name !== 'root' && !name.startsWith('root@')) return;
  throw new LeafwardError(
    'refused',
    `${name} is the user as whom services and their mirrors connect: it cannot be ${what}`,
  );
}

function peopleOf(some: {
  readonly users?: readonly CellUser[];
  readonly roles?: readonly CellRole[];
  readonly changes?: readonly string[];
}): CellPeople {
  const { users = [], roles = [], changes = [] } = some;
  return {
    users: users.slice(0, MOST_PEOPLE),
    roles: roles.slice(0, MOST_PEOPLE),
    leftOut: Math.max(0, users.length - MOST_PEOPLE) + Math.max(0, roles.length - MOST_PEOPLE),
    changes,
  };
}
