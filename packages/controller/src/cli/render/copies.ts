// Copies of backups off their hosts. Pure.
import type { Backup, OffsiteCopy } from '@leafward/shared/gen/domain.js';
import type { Style } from './style.js';
import { renderTable, type Cell } from './table.js';
import { formatAge, formatBytes, formatCount, NOTHING } from './units.js';

/** Where each lies, and when its data were last read back. Empty: nowhere. */
export function copiesCell({ copies }: Backup, style: Style): Cell {
  const all = copies?.copies ?? [];
  const text = all.map((copy) => `${copy.repository}, ${stateOf(copy, style)}`).join('; ');
  return all.some(({ problem }) => problem !== undefined) ? { text, colour: 'red' } : text;
}

function stateOf({ problem, checkedAt }: OffsiteCopy, style: Style): string {
  if (problem !== undefined) return 'damaged';
  return checkedAt === undefined
    ? 'never checked'
    : `checked ${formatAge(checkedAt, style.now)} ago`;
}

/** `present`: those that lie on hosts as well. */
export function renderCopies(
  copies: readonly Backup[],
  present: readonly Backup[],
  style: Style,
): string {
  if (copies.length === 0) return 'no copy yet; make one with: leafward backup copy BACKUP';
  const rows = copies.map((backup): readonly Cell[] => {
    const [copy] = backup.copies?.copies ?? [];
    const hosts = present
      .filter(({ manifestSha256 }) => manifestSha256 === backup.manifestSha256)
      .map(({ host }) => host);
    return [
      backup.name,
      backup.member,
      formatAge(backup.finishedAt, style.now),
      formatBytes(backup.sizeBytes),
      formatCount(backup.position),
      backup.version ?? NOTHING,
      copy === undefined ? NOTHING : formatAge(copy.at, style.now),
      copy?.snapshot.slice(0, 8) ?? NOTHING,
      hosts.length === 0
        ? { text: 'in the repository only', colour: 'yellow' }
        : [...new Set(hosts)].sort().join(', '),
    ];
  });
  return renderTable(
    {
      columns: [
        { title: 'BACKUP' },
        { title: 'MEMBER', sacrifice: 2 },
        { title: 'AGE', right: true },
        { title: 'SIZE', right: true },
        { title: 'POSITION', right: true, sacrifice: 1 },
        { title: 'VERSION', sacrifice: 3 },
        { title: 'COPIED', right: true },
        { title: 'SNAPSHOT' },
        { title: 'ALSO ON', elastic: true },
      ],
      rows,
    },
    style,
  );
}
