// What users, roles and rules of a Synapse cell may be called, and how a rule is written. Pure.
import { LeafwardError } from './errors.js';
import type { CellAct, CellRule } from './gen/domain.js';

/** Fits a certificate's common name with the network behind it; nothing in it that a shell or a URL would take apart. */
const NEW_NAME = /^[\p{L}\p{N}][\p{L}\p{N}._@+-]{0,63}$/u;
/** Names that were given elsewhere may hold more; control characters are in none. */
const ANY_NAME = /^[^\p{C}]{1,256}$/u;
/** A permission is words with dots between them, as `node.add` or `power-ups.foo.user`. */
const PERMISSION = /^[^\s.\p{C}]{1,128}(\.[^\s.\p{C}]{1,128}){0,15}$/u;
const MOST_RULES = 100;

/** @throws LeafwardError `invalid` */
export function parseRule(allow: boolean, text: string): CellRule {
  if (PERMISSION.test(text)) return { allow, path: text.split('.') };
  throw new LeafwardError(
    'invalid',
    `"${text}" is no permission: write words with dots between them, as node.add or power-ups.foo.user`,
  );
}

/** As an operator writes it, with the word before it. */
export const renderRule = ({ allow, path }: CellRule): string =>
  `${allow ? 'allow' : 'deny'} ${path.join('.')}`;

/** @throws LeafwardError `invalid`: a name or rule that no cell should be asked about. */
export function assertCellAct(act: CellAct): void {
  if ('name' in act && act.name !== undefined) assertName(act, act.name);
  if ('roles' in act) for (const role of act.roles) requireMatch(ANY_NAME, 'role', role);
  if (!('rules' in act)) return;
  if (act.rules.length > MOST_RULES)
    throw new LeafwardError('invalid', `${MOST_RULES} rules at once are the most`);
  for (const { allow, path } of act.rules) parseRule(allow, path.join('.'));
}

function assertName({ kind }: CellAct, name: string): void {
  const isNew = kind === 'add-user' || kind === 'add-role' || kind === 'enroll-user';
  requireMatch(isNew ? NEW_NAME : ANY_NAME, kind.endsWith('role') ? 'role' : 'user', name);
}

function requireMatch(pattern: RegExp, what: string, name: string): void {
  if (pattern.test(name)) return;
  throw new LeafwardError(
    'invalid',
    pattern === NEW_NAME
      ? `"${name}" is no name for a new ${what}: letters, digits and . _ @ + - are allowed, at most 64 of them, the first a letter or a digit`
      : `"${name}" is no name of a ${what}`,
  );
}
