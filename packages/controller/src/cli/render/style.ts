// How a screen looks: colours, width and the moment that ages are counted from. Pure; knows no terminal.

export type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

export type Paint = (colour: Colour, text: string) => string;

export interface Style {
  readonly paint: Paint;
  /** Undefined: as wide as the text is (a pipe, a file). */
  readonly columns?: number | undefined;
  /** Milliseconds since 1970; ages are counted from here. */
  readonly now: number;
}

const CODES: Readonly<Record<Colour, number>> = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
  cyan: 36,
};

export const plainPaint: Paint = (_, text) => text;

export const colourPaint: Paint = (colour, text) =>
  text === '' ? '' : `\x1b[${CODES[colour]}m${text}\x1b[0m`;
