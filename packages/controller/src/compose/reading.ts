// What reading one compose file works with. Holds no rule.
import type { Path } from '@leafward/shared/manifest/locate.js';
import type { Variables } from './interpolate.js';

export interface ComposeInput {
  /** As messages call it. */
  readonly file: string;
  readonly text: string;
  /** Directory that its relative paths begin at. */
  readonly directory: string;
  /** The shell's variables; they win over .env. */
  readonly variables: Variables;
  /** Text of a file, by absolute path; undefined: it cannot be read. */
  readonly readFile: (path: string) => string | undefined;
}

export type Entries = Readonly<Record<string, unknown>>;

/** What reading one file works with. */
export interface Reading extends ComposeInput {
  readonly project: string;
  readonly root: Entries;
  readonly tell: (path: Path, message: string) => void;
  readonly lineOf: (path: Path) => number | undefined;
  /** As text with its variables filled in; undefined: it is not there or no scalar. */
  readonly textAt: (value: unknown, path: Path) => string | undefined;
}

export function entriesOf(value: unknown): Entries | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as Entries;
}

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
