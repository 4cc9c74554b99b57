// What the commands about users and roles of a cell share: their options, and how an act is ordered and told.
import { Option } from 'commander';
import { parseRule } from '@leafward/shared/cell-people.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { CellAct, CellPeople, CellRule } from '@leafward/shared/gen/domain.js';
import { required } from '../command.js';
import { renderChanges } from '../render/cell-people.js';
import type { Run } from '../run.js';

export interface ServiceOption {
  readonly service: string;
}
export interface RuleOptions {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
}
export interface RightOptions extends RuleOptions, ServiceOption {
  readonly admin?: boolean;
  readonly role?: readonly string[];
}

export const serviceOption = (): Option =>
  required(new Option('-s, --service <service>', 'whose: cortex, axon, aha …'));

const several = (flags: string, text: string): Option =>
  new Option(flags, `${text}; may be given several times`).argParser(
    (value: string, before: readonly string[] | undefined) => [...(before ?? []), value],
  );

export const ruleOptions = (): readonly Option[] => [
  several('--allow <permission>', 'a rule that allows it, as node.add or power-ups.foo.user'),
  several('--deny <permission>', 'a rule that denies it'),
];

export const rightOptions = (): readonly Option[] => [
  serviceOption(),
  new Option('--admin', 'may do everything'),
  several('--role <role>', 'a role of the service'),
  ...ruleOptions(),
];

/** Denials first: of two rules the earlier one counts. @throws LeafwardError `invalid` */
export const rulesIn = ({ allow = [], deny = [] }: RuleOptions): readonly CellRule[] => [
  ...deny.map((text) => parseRule(false, text)),
  ...allow.map((text) => parseRule(true, text)),
];

export function rightsIn(options: RightOptions): {
  readonly admin: boolean;
  readonly roles: readonly string[];
  readonly rules: readonly CellRule[];
} {
  return { admin: options.admin === true, roles: options.role ?? [], rules: rulesIn(options) };
}

/** @throws LeafwardError `invalid`: an order to change nothing is a mistake. */
export function requireSome(what: string, rights: ReturnType<typeof rightsIn>): void {
  if (rights.admin || rights.roles.length > 0 || rights.rules.length > 0) return;
  throw new LeafwardError('invalid', `${what}: say what: --admin, --role, --allow or --deny`);
}

/** Orders it and tells what was changed. */
export async function actOnCell(
  run: Run,
  service: string,
  act: CellAct,
  password?: string,
): Promise<void> {
  const client = await run.client();
  const { people } = await client.actOnCell({ service, act, password }, run.call);
  run.show(people, renderChanges);
}

export async function peopleOf(run: Run, service: string, act: CellAct): Promise<CellPeople> {
  const client = await run.client();
  return (await client.listCellUsers({ service, act }, run.call)).people;
}

/** From a prompt without an echo or from stdin, never from the command line. @throws LeafwardError `invalid` */
export async function readPassword({ context }: Run, name: string): Promise<string> {
  const text = await context.readSecret(`Password of ${name}: `, context.signal);
  const password = text.replace(/\r?\n$/, '');
  if (password !== '' && !/[\r\n]/.test(password)) return password;
  throw new LeafwardError('invalid', `the password of ${name} must be one line that is not empty`);
}
