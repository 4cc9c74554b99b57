// Secrets by name and version, as tables and sentences. Pure; there is no value to be shown.
import type { SecretView } from '@leafward/shared/gen/domain.js';
import type { Style } from './style.js';
import { renderTable, type Cell } from './table.js';
import { formatAge, NOTHING } from './units.js';

export function renderSecrets(secrets: readonly SecretView[], style: Style): string {
  if (secrets.length === 0) return 'no secret yet; set one with: leafward secret set NAME';
  const rows = secrets.map((secret): readonly Cell[] => [
    secret.name,
    String(secret.version),
    secret.readable
      ? NOTHING
      : { text: 'sealed with a lost key: set it anew', colour: 'red' as const },
    secret.madeBy,
    formatAge(secret.madeAt, style.now),
    usersOf(secret),
  ]);
  return renderTable(
    {
      columns: [
        { title: 'SECRET' },
        { title: 'VERSION', right: true },
        { title: 'PROBLEM', elastic: true },
        { title: 'SET BY', sacrifice: 1 },
        { title: 'AGE', right: true, sacrifice: 2 },
        { title: 'USED BY', elastic: true },
      ],
      rows,
    },
    style,
  );
}

export function renderSecret(secret: SecretView): string {
  const said = `secret ${secret.name} is at version ${secret.version}`;
  const older = secret.usedBy.filter(({ version }) => version < secret.version);
  if (secret.usedBy.length === 0)
    return `${said}; use it in fleet.yaml: { secret: ${secret.name} }`;
  if (older.length === 0) return `${said}, which its members have already`;
  const members = older.map(({ member }) => member).join(', ');
  return `${said}; hand it to ${members} with: leafward plan deploy FILE`;
}

/** The version is said of those that have another one. */
function usersOf({ usedBy, version: newest }: SecretView): string {
  if (usedBy.length === 0) return NOTHING;
  return usedBy
    .map(({ member, version }) => (version === newest ? member : `${member} (version ${version})`))
    .join(', ');
}
