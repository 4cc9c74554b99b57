// What came of booting a copy of a backup, as text. Pure.
import type { Backup, Drill } from '@leafward/shared/gen/domain.js';
import { formatBytes, formatCount, formatDuration, NOTHING } from './units.js';

export function renderDrill(backup: Backup, drill: Drill, isRehearsal: boolean): string {
  const { ok, image, tookMs, copyMs, migrationMs, bytes, problems } = drill;
  const verdict = isRehearsal
    ? `${backup.name} ${ok ? 'comes up' : 'does not come up as it should'} with ${image.reference}`
    : `${backup.name} is ${ok ? 'proven' : 'not proven'}`;
  const migrated = migrationMs === 0 ? '' : `, ${formatDuration(migrationMs)} of it migrating`;
  const took = ok
    ? `restored in ${formatDuration(tookMs)}: ${formatBytes(bytes)} copied in ${formatDuration(copyMs)}, then booted without a network${migrated}`
    : `given up after ${formatDuration(tookMs)}: ${formatBytes(bytes)} copied in ${formatDuration(copyMs)}${migrated}`;
  return [
    `${verdict}: ${took}`,
    row('version', backup.version ?? NOTHING, drill.version ?? NOTHING),
    row(
      'position',
      formatCount(backup.position),
      `${formatCount(drill.position)}${anew(backup, drill)}`,
    ),
    ...problems.map((problem) => `  - ${problem}`),
    ...(ok || isRehearsal
      ? []
      : ['It counts for no update. Take another one: leafward backup run SERVICE']),
  ]
    .join('\n')
    .replace('SERVICE', backup.service);
}

/** Of a kind without the command storedPosition. */
const anew = ({ position: was = 0 }: Backup, { ok, position = was }: Drill): string =>
  ok && position < was ? ', as its positions begin anew at a start' : '';

const row = (what: string, recorded: string, found: string): string =>
  `  ${what}: recorded ${recorded}, found ${found}`;
