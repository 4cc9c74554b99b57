// Users and roles as a cell defines them, taken apart. What else is in a definition, a password's shadow for one, is
// not looked at (I14).
import type { CellGate, CellRole, CellRule, CellUser } from '@leafward/shared/gen/domain.js';
import { isMap, listOf, mapOf, stringOf, type Value } from '../telepath/value.js';

/** Of one user or role; whoever has more is shown with the first of them. */
const MOST_RULES = 200;
const MOST_GATES = 50;

/** Undefined: nobody of that name. */
export function userIn(value: Value): CellUser | undefined {
  if (!isMap(value)) return undefined;
  const email = stringOf(value['email']);
  return {
    name: stringOf(value['name']) ?? '',
    iden: stringOf(value['iden']) ?? '',
    admin: value['admin'] === true,
    locked: value['locked'] === true,
    archived: value['archived'] === true,
    ...(email === undefined ? {} : { email }),
    roles: listOf(value['roles']).map((role) => stringOf(mapOf(role)['name']) ?? ''),
    rules: rulesIn(value['rules']),
    gates: gatesIn(value['authgates']),
  };
}

export function roleIn(value: Value): CellRole | undefined {
  if (!isMap(value)) return undefined;
  return {
    name: stringOf(value['name']) ?? '',
    iden: stringOf(value['iden']) ?? '',
    rules: rulesIn(value['rules']),
  };
}

function rulesIn(value: Value | undefined): readonly CellRule[] {
  return listOf(value)
    .slice(0, MOST_RULES)
    .map((rule) => {
      const [allow, path] = listOf(rule);
      return { allow: allow === true, path: listOf(path).map((word) => stringOf(word) ?? '') };
    });
}

function gatesIn(value: Value | undefined): readonly CellGate[] {
  return Object.entries(mapOf(value))
    .slice(0, MOST_GATES)
    .map(([iden, gate]) => ({
      iden,
      admin: mapOf(gate)['admin'] === true,
      rules: rulesIn(mapOf(gate)['rules']),
    }));
}
