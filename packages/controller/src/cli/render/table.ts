// A table that fits: columns that matter least leave first, then the elastic ones are cut. Pure.
import type { Colour, Style } from './style.js';
import { clip, padEnd, padStart, widthOf } from './text.js';

export interface Column {
  readonly title: string;
  readonly right?: boolean;
  /** May be cut with … when the terminal is narrow. */
  readonly elastic?: boolean;
  /** Columns leave from the highest number on; 0 (the default) stays. */
  readonly sacrifice?: number;
  /** Not drawn when no row has anything in it. */
  readonly optional?: boolean;
}

export type Cell = string | { readonly text: string; readonly colour: Colour };

export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  readonly indent?: string;
}

const GAP = '  ';
const NARROWEST_ELASTIC = 12; // an elastic column is not cut below this

export function renderTable(table: Table, style: Style): string {
  const indent = table.indent ?? '';
  const room = (style.columns ?? Infinity) - widthOf(indent);
  const widths = table.columns.map((column, i) =>
    Math.max(widthOf(column.title), ...table.rows.map((row) => widthOf(textOf(row[i])))),
  );
  const shown = fitting(table, widths, room);
  const final = shrink(table.columns, widths, shown, room);
  const line = (cells: readonly Cell[]): string =>
    (
      indent +
      shown
        .map((i, at) => {
          const last = at === shown.length - 1;
          return place(cells[i] ?? '', table.columns[i], final[i] ?? 0, last, style);
        })
        .join(GAP)
    ).trimEnd();
  const header = line(table.columns.map(({ title }) => ({ text: title, colour: 'dim' })));
  return [header, ...table.rows.map(line)].join('\n');
}

function textOf(cell: Cell | undefined): string {
  return cell === undefined ? '' : typeof cell === 'string' ? cell : cell.text;
}

function place(
  cell: Cell,
  column: Column | undefined,
  width: number,
  last: boolean,
  style: Style,
): string {
  const text = clip(textOf(cell), width);
  const padded = column?.right === true ? padStart(text, width) : last ? text : padEnd(text, width);
  return typeof cell === 'string'
    ? padded
    : padded.replace(text, () => style.paint(cell.colour, text));
}

const total = (widths: readonly number[], shown: readonly number[]): number =>
  shown.reduce((sum, i) => sum + (widths[i] ?? 0), 0) + GAP.length * (shown.length - 1);

/** Indexes of the columns that stay. */
function fitting(
  { columns, rows }: Table,
  widths: readonly number[],
  room: number,
): readonly number[] {
  let shown = columns
    .map((_, i) => i)
    .filter((i) => columns[i]?.optional !== true || rows.some((row) => textOf(row[i]) !== ''));
  const least = columns.map((column, i) =>
    column.elastic === true ? Math.min(NARROWEST_ELASTIC, widths[i] ?? 0) : (widths[i] ?? 0),
  );
  const leaving = shown
    .filter((i) => (columns[i]?.sacrifice ?? 0) > 0)
    .sort((a, b) => (columns[b]?.sacrifice ?? 0) - (columns[a]?.sacrifice ?? 0));
  for (const i of leaving) {
    if (total(least, shown) <= room) break;
    shown = shown.filter((each) => each !== i);
  }
  return shown;
}

/** Widths after the widest elastic columns gave what is too much. */
function shrink(
  columns: readonly Column[],
  widths: readonly number[],
  shown: readonly number[],
  room: number,
): readonly number[] {
  const final = [...widths];
  for (let excess = total(final, shown) - room; excess > 0 && excess !== Infinity;) {
    const widest = shown
      .filter((i) => columns[i]?.elastic === true && (final[i] ?? 0) > NARROWEST_ELASTIC)
      .sort((a, b) => (final[b] ?? 0) - (final[a] ?? 0))[0];
    if (widest === undefined) break;
    final[widest] = (final[widest] ?? 0) - 1;
    excess -= 1;
  }
  return final;
}
