// The forecast of space as a table: a volume with its growth, a row for each rule. Pure.
import type {
  GetForecastResponse,
  GrowthRate,
  RuleForecast,
  VolumeForecast,
} from '@leafward/shared/gen/domain.js';
import type { Colour, Style } from './style.js';
import { renderTable, type Cell } from './table.js';
import { wrap } from './text.js';
import { formatAge, formatBytes, NOTHING } from './units.js';

const RULES: Readonly<Record<RuleForecast['rule'], string>> = {
  backup: 'backup',
  half: '50 %',
  boot: 'boot',
};
const DAY_MS = 86_400_000;
/** As the status: within a fortnight it is a problem, within a weekend an urgent one. */
const SOON_MS = 14 * DAY_MS;
const AT_ONCE_MS = 3 * DAY_MS;

export function renderForecast({ volumes }: GetForecastResponse, style: Style): string {
  if (volumes.length === 0) return 'no volume is known yet: no agent has reported any';
  const table = renderTable(
    {
      columns: [
        { title: 'HOST' },
        { title: 'VOLUME', elastic: true },
        { title: 'FREE', right: true, sacrifice: 1 },
        { title: 'DATA', right: true },
        { title: 'A DAY', right: true },
        { title: 'BACKUPS', right: true, sacrifice: 2 },
        { title: 'A DAY', right: true, sacrifice: 3 },
        { title: 'RULE' },
        { title: 'BREAKS ON' },
        { title: 'BETWEEN' },
      ],
      rows: volumes.flatMap((volume) => rowsOf(volume, style)),
    },
    style,
  );
  const notes = volumes.flatMap((volume) => noteOf(volume, style));
  return [table, ...(notes.length === 0 ? [] : [notes.join('\n')])].join('\n\n');
}

function rowsOf(volume: VolumeForecast, style: Style): readonly (readonly Cell[])[] {
  const head: readonly Cell[] = [
    volume.host,
    volume.volume,
    formatBytes(volume.freeBytes),
    formatBytes(volume.dataBytes),
    growthText(volume.dataGrowth),
    formatBytes(volume.backupBytes),
    growthText(volume.backupGrowth),
  ];
  const none = head.map(() => '');
  if (volume.rules.length === 0) return [[...head, NOTHING, NOTHING, NOTHING]];
  return volume.rules.map((rule, index) => [
    ...(index === 0 ? head : none),
    RULES[rule.rule],
    breaksCell(rule, style),
    between(rule),
  ]);
}

/** What shrinks says so. */
function growthText(growth: GrowthRate | undefined): string {
  if (growth === undefined) return NOTHING;
  const sign = growth.bytesPerDay < 0 ? '-' : '+';
  return `${sign}${formatBytes(Math.abs(Math.round(growth.bytesPerDay)))}`;
}

function breaksCell({ verdict, expectedAt }: RuleForecast, style: Style): Cell {
  if (verdict === 'broken') return { text: 'now', colour: 'red' };
  if (verdict === 'unknown') return { text: 'not known yet', colour: 'dim' };
  if (verdict === 'beyond' || expectedAt === undefined)
    return { text: 'not within a year', colour: 'dim' };
  const leftMs = expectedAt - style.now;
  const colour: Colour | undefined =
    leftMs <= AT_ONCE_MS ? 'red' : leftMs <= SOON_MS ? 'yellow' : undefined;
  return colour === undefined ? dayOf(expectedAt) : { text: dayOf(expectedAt), colour };
}

function between({ earliestAt, latestAt, verdict }: RuleForecast): string {
  if (earliestAt === undefined || (verdict !== 'breaks' && verdict !== 'beyond')) return NOTHING;
  return `${dayOf(earliestAt)} and ${latestAt === undefined ? 'a year or more' : dayOf(latestAt)}`;
}

/** 2026-12-01: nobody can say the hour. */
const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

function noteOf({ host, volume, rules }: VolumeForecast, style: Style): readonly string[] {
  const reasons = new Map<string, number | undefined>();
  for (const { reason, since } of rules) if (reason !== undefined) reasons.set(reason, since);
  return [...reasons].map(([reason, since]) =>
    wrap(
      `${reason}${since === undefined ? '' : ` (measured for ${formatAge(since, style.now)}; it takes two days)`}`,
      { columns: style.columns, first: `${host} ${volume}: `, rest: '  ' },
    ),
  );
}
