// Text on a terminal: its width, cutting, wrapping, and making foreign text harmless. Pure.

const COLOUR_CODE = /\x1b\[[0-9;]*m/g;
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

const ZERO_WIDTH = /[\p{Mn}\p{Me}\u200b-\u200d\ufe00-\ufe0f]/u;
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60\u{1f300}-\u{1faff}]/u;

/** Columns that the text takes on a terminal; colour codes take none. */
export function widthOf(text: string): number {
  let width = 0;
  for (const char of text.replace(COLOUR_CODE, ''))
    width += ZERO_WIDTH.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  return width;
}

export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)));
}

export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - widthOf(text))) + text;
}

/** At most that many columns, with … where something was cut; colours are closed again. */
export function clip(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  if (columns <= 0) return '';
  let width = 0;
  let out = '';
  let coloured = false;
  for (const piece of text.split(/(\x1b\[[0-9;]*m)/)) {
    if (piece.startsWith('\x1b[')) {
      out += piece;
      coloured = piece !== '\x1b[0m';
      continue;
    }
    for (const char of piece) {
      width += widthOf(char);
      if (width > columns - 1) return `${out}…${coloured ? '\x1b[0m' : ''}`;
      out += char;
    }
  }
  return out;
}

export interface WrapOptions {
  readonly columns?: number | undefined;
  /** What the first line begins with. */
  readonly first: string;
  /** What every other line begins with; blanks as wide as `first` by default. */
  readonly rest?: string;
}

const NARROWEST_COLUMNS = 24; // below this a wrapped text is a column of single words

/** The text broken between words; a word longer than a line stays whole. */
export function wrap(text: string, options: WrapOptions): string {
  const rest = options.rest ?? ' '.repeat(widthOf(options.first));
  const { columns = Infinity, first } = options;
  if (columns === Infinity) return first + text;
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const room = Math.max(NARROWEST_COLUMNS, columns - widthOf(lines.length === 0 ? first : rest));
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.map((each, i) => (i === 0 ? first : rest) + each).join('\n');
}

/** Control characters and text direction overrides become blanks: nobody else drives this terminal. */
export function cleanText(text: string): string {
  return text.replace(CONTROL, ' ');
}

/** A copy of the data whose every text is clean. */
export function cleanData<T>(data: T): T {
  return clean(data) as T;
}

function clean(data: unknown): unknown {
  if (typeof data === 'string') return cleanText(data);
  if (Array.isArray(data)) return data.map(clean);
  if (data !== null && typeof data === 'object' && !(data instanceof Uint8Array))
    return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, clean(value)]));
  return data;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
