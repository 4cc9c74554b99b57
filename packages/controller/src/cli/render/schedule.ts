// Backups by schedules as a table, and in one phrase for the status. Pure.
import type { DutyView, ServiceView } from '@leafward/shared/gen/domain.js';
import type { Colour, Style } from './style.js';
import { renderTable, type Cell } from './table.js';
import { wrap } from './text.js';
import { formatAge, formatUntil, NOTHING } from './units.js';

const COLOURS: Readonly<Record<string, Colour>> = {
  done: 'green',
  running: 'cyan',
  late: 'yellow',
  missed: 'red',
  failed: 'red',
  silent: 'red',
};

export function renderSchedule(duties: readonly DutyView[], style: Style): string {
  if (duties.length === 0)
    return 'nothing is backed up by itself; say backup.schedule of a service in the manifest';
  const rows = duties.map((view) => rowOf(view, style));
  const table = renderTable(
    {
      columns: [
        { title: 'SERVICE' },
        { title: 'MEMBER' },
        { title: 'HOST', sacrifice: 2 },
        { title: 'NEXT' },
        { title: 'DUE' },
        { title: 'BACKED UP' },
        { title: 'STATE' },
        { title: 'FAILED', right: true, sacrifice: 1 },
        { title: 'DRILL', sacrifice: 3 },
      ],
      rows,
    },
    style,
  );
  const problems = duties.flatMap(({ duty, state }) =>
    isTrouble(state) && duty.problem !== undefined
      ? [
          wrap(`${duty.member}: ${duty.problem}`, {
            columns: style.columns,
            first: '  ',
            rest: '    ',
          }),
        ]
      : [],
  );
  return [table, ...problems].join('\n');
}

const isTrouble = (state: string): boolean => ['late', 'missed', 'failed'].includes(state);

function rowOf({ duty, host, state, backedUpAt }: DutyView, style: Style): readonly Cell[] {
  const colour = COLOURS[state];
  return [
    duty.service,
    duty.member,
    host,
    duty.nextAt === undefined ? NOTHING : untilWord(duty.nextAt, style.now),
    duty.dueAt === undefined ? NOTHING : `${formatAge(duty.dueAt, style.now)} ago`,
    backedUpAt === undefined ? NOTHING : `${formatAge(backedUpAt, style.now)} ago`,
    colour === undefined ? state : { text: state, colour },
    String(duty.failures),
    duty.nextDrillAt === undefined ? NOTHING : untilWord(duty.nextDrillAt, style.now),
  ];
}

/** What should have begun begins as soon as it may. */
const untilWord = (at: number, now: number): string => (at <= now ? 'now' : formatUntil(at, now));

/** The first of its members to begin, as far as their agents are heard. */
export function nextBackup({ duties }: ServiceView, style: Style): string | undefined {
  const [first] = (duties?.duties ?? [])
    .filter(({ state, duty }) => state !== 'silent' && duty.nextAt !== undefined)
    .sort((a, b) => (a.duty.nextAt ?? 0) - (b.duty.nextAt ?? 0));
  if (first?.duty.nextAt === undefined) return undefined;
  return `next ${untilWord(first.duty.nextAt, style.now)} (${first.duty.member})`;
}
