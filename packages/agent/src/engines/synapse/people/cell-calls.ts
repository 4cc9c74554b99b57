// The calls about users and roles on one open link, with the cell's refusals in plain words. A password is never a
// parameter of addUser: cells before 2.150 write that call's parameters into their log.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { CellRole, CellRule, CellUser } from '@leafward/shared/gen/domain.js';
import { CellError } from '../telepath/cell-error.js';
import type { Argument } from '../telepath/encode.js';
import type { Link } from '../telepath/link.js';
import { listOf, stringOf, type Value } from '../telepath/value.js';
import { roleIn, userIn } from './definitions.js';

export interface CellCalls {
  /** @throws LeafwardError in an operator's words; none of its parameters is in the text. */
  call(method: string, ...args: readonly Argument[]): Promise<Value>;
  findUser(name: string): Promise<CellUser | undefined>;
  findRole(name: string): Promise<CellRole | undefined>;
  users(): Promise<readonly CellUser[]>;
  roles(): Promise<readonly CellRole[]>;
}

/** A cell with some thousand users answers in a second. */
const CALL_MS = 15_000;

export function cellCalls(link: Pick<Link, 'call'>, what: string, signal: AbortSignal): CellCalls {
  const call = async (method: string, ...args: readonly Argument[]): Promise<Value> => {
    try {
      return await link.call({ method, args }, CALL_MS, signal);
    } catch (error) {
      throw inWords(what, error);
    }
  };
  const all = async <T>(
    method: string,
    read: (value: Value) => T | undefined,
  ): Promise<readonly T[]> =>
    listOf(await call(method)).flatMap((one) => {
      const read1 = read(one);
      return read1 === undefined ? [] : [read1];
    });
  return {
    call,
    findUser: async (name) => userIn(await call('getUserDefByName', name)),
    findRole: async (name) => roleIn(await call('getRoleDefByName', name)),
    users: () => all('getUserDefs', userIn),
    roles: () => all('getRoleDefs', roleIn),
  };
}

export const ruleArgument = ({ allow, path }: CellRule): Argument => [allow, [...path]];

export const urlIn = (value: Value): string | undefined => stringOf(value);

const WORDS: Readonly<Record<string, string>> = {
  DupUserName: 'there is such a user already',
  DupRoleName: 'there is such a role already',
  NoSuchUser: 'there is no such user',
  NoSuchRole: 'there is no such role',
  NoSuchMeth: 'this kind of service, or this version of it, has no such call',
  IsReadOnly: 'the cell takes no writes now: it waits for its own update, or for disk space',
  NeedConfValu:
    'AHA has no listener for provisioning; give it SYN_AHA_PROVISION_LISTEN or SYN_AHA_DNS_NAME',
};
const CODES = {
  DupUserName: 'already-exists',
  DupRoleName: 'already-exists',
  NoSuchUser: 'not-found',
  NoSuchRole: 'not-found',
} as const;

/** Whatever else it says, its own text is told: it speaks of names, not of passwords. */
function inWords(what: string, error: unknown): unknown {
  if (!(error instanceof CellError)) return error;
  const { errname } = error;
  const words = WORDS[errname];
  const code = errname in CODES ? CODES[errname as keyof typeof CODES] : error.code;
  return new LeafwardError(code, `${what}: ${words ?? error.text} (${errname})`, { cause: error });
}
