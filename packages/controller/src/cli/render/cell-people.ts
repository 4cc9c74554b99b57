// Users and roles of a cell, as tables and sentences. Pure.
import { renderRule } from '@leafward/shared/cell-people.js';
import type { CellPeople, CellRule, CellUser } from '@leafward/shared/gen/domain.js';
import type { Style } from './style.js';
import { renderTable, type Cell } from './table.js';
import { NOTHING } from './units.js';

export function renderUsersOf({ users, leftOut }: CellPeople, style: Style): string {
  const rows = users.map((user): readonly Cell[] => [
    user.name,
    stateOf(user),
    user.roles.join(', ') || NOTHING,
    rulesOf(user.rules),
  ]);
  const columns = [
    { title: 'USER' },
    { title: 'STATE' },
    { title: 'ROLES', elastic: true },
    { title: 'RULES', elastic: true },
  ];
  return withRest(renderTable({ columns, rows }, style), leftOut);
}

export function renderRolesOf({ roles, leftOut }: CellPeople, style: Style): string {
  const rows = roles.map(({ name, rules }): readonly Cell[] => [name, rulesOf(rules)]);
  const columns = [{ title: 'ROLE' }, { title: 'RULES', elastic: true }];
  return withRest(renderTable({ columns, rows }, style), leftOut);
}

/** One of them, with everything. */
export function renderUser(user: CellUser): string {
  const { name, iden, email, roles, rules, gates } = user;
  return [
    `${name} (${iden})`,
    `  state   ${stateText(user)}`,
    ...(email === undefined ? [] : [`  email   ${email}`]),
    `  roles   ${roles.join(', ') || 'none'}`,
    ...(rules.length === 0 ? ['  rules   none'] : listed('rules', rules)),
    ...gates.map(
      (gate) =>
        `  gate    ${gate.iden}: ${[...(gate.admin ? ['admin'] : []), ...gate.rules.map(renderRule)].join(', ')}`,
    ),
  ].join('\n');
}

/** What an act changed, a line each. */
export function renderChanges({ changes }: CellPeople): string {
  return changes.length === 0 ? 'nothing to change: it was so already' : changes.join('\n');
}

const listed = (title: string, rules: readonly CellRule[]): readonly string[] =>
  rules.map((rule, index) => `  ${(index === 0 ? title : '').padEnd(7)} ${renderRule(rule)}`);

const rulesOf = (rules: readonly CellRule[]): string => rules.map(renderRule).join(', ') || NOTHING;

function stateText({ admin, locked, archived }: CellUser): string {
  const words = [
    ...(admin ? ['admin'] : []),
    ...(locked ? ['locked'] : []),
    ...(archived ? ['archived'] : []),
  ];
  return words.join(', ') || 'user';
}

function stateOf(user: CellUser): Cell {
  const text = stateText(user);
  if (user.locked || user.archived) return { text, colour: 'yellow' };
  return text;
}

const withRest = (table: string, leftOut: number): string =>
  leftOut === 0 ? table : `${table}\n… and ${leftOut} more; ask for one by its name`;
