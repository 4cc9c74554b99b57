// Which secrets an order speaks of, by name and version, and what a secret may be. Pure; values are only looked at
// to be checked, and never get into a text.
import { LeafwardError } from './errors.js';
import type { HostIntent, MemberIntent, MemberSpec, SecretReference } from './gen/domain.js';
import { NAME_PATTERN } from './manifest/name-pattern.js';

/** What an environment variable in a manifest may hold as well; 100 of the longest fit into a host's delivery. */
export const MAX_SECRET_BYTES = 65_536;

/** One secret at one version, as one word: for sets, file names and messages. */
export const secretKey = ({ name, version }: SecretReference): string => `${name}@${version}`;

export const secretsOfSpec = (spec: MemberSpec): readonly SecretReference[] =>
  Object.values(spec.secretEnvironment?.variables ?? {});

/** Its copies' as well. */
export const secretsOfMember = ({
  spec,
  backupDuty,
}: Pick<MemberIntent, 'spec' | 'backupDuty'>): readonly SecretReference[] => [
  ...secretsOfSpec(spec),
  ...Object.values(backupDuty?.offsite?.secretEnvironment?.variables ?? {}),
];

/** Without twins, in order of their keys: those of members that run or may run again by this very order. */
export function secretsOfIntent(intent: HostIntent): readonly SecretReference[] {
  const named = intent.members
    .filter(({ run }) => run === 'running' || run === 'stopped')
    .flatMap(secretsOfMember);
  const byKey = new Map(named.map((reference) => [secretKey(reference), reference]));
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, reference]) => reference);
}

/** @throws LeafwardError `invalid` */
export function assertSecretName(name: string): void {
  if (NAME_PATTERN.test(name) && name !== 'constructor') return;
  throw new LeafwardError(
    'invalid',
    'a secret’s name is made of lower-case letters, digits, "-" and ".", starts and ends with a letter or digit and has at most 63 characters',
  );
}

/** What can stand in an environment. @throws LeafwardError `invalid`, without the value. */
export function assertSecretValue(name: string, plaintext: string): void {
  const problem =
    plaintext === ''
      ? 'it is empty'
      : Buffer.byteLength(plaintext) > MAX_SECRET_BYTES
        ? `it has more than ${MAX_SECRET_BYTES} bytes`
        : plaintext.includes('\0')
          ? 'it has a byte 0 in it, which no environment can hold'
          : undefined;
  if (problem !== undefined)
    throw new LeafwardError(
      'invalid',
      `the value of the secret ${name} cannot be used: ${problem}`,
    );
}
