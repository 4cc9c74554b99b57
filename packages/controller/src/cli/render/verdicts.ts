// Which backups stay and which go, with the reason, as a table. Pure.
import type { KeepVerdict } from '@leafward/shared/gen/domain.js';
import type { Style } from './style.js';
import { renderTable, type Cell } from './table.js';
import { formatBytes } from './units.js';

export interface HostVerdicts {
  readonly host: string;
  /** What its agent says in one sentence. */
  readonly said: string;
  readonly verdicts: readonly KeepVerdict[];
}

export function renderVerdicts(all: readonly HostVerdicts[], style: Style): string {
  const rows = all.flatMap(({ host, verdicts }) =>
    verdicts.map(({ name, sizeBytes, keeps, reason }): readonly Cell[] => [
      name,
      host,
      formatBytes(sizeBytes),
      keeps ? 'stays' : { text: 'goes', colour: 'yellow' },
      reason,
    ]),
  );
  if (rows.length === 0) return 'no backup: nothing stays, nothing goes';
  return renderTable(
    {
      columns: [
        { title: 'BACKUP' },
        { title: 'HOST', sacrifice: 1 },
        { title: 'SIZE', right: true, sacrifice: 2 },
        { title: '' },
        { title: 'WHY', elastic: true },
      ],
      rows,
    },
    style,
  );
}
