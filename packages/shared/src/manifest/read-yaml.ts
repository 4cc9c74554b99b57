// From the text of a YAML file to its value, within limits: no alias bomb, no endless nesting. Must never throw.
import { isScalar, LineCounter, parseDocument, visit, type Document } from 'yaml';
import type { ManifestProblem } from './types.js';

/** A thousand services fit into this several times; more is a mistake or an attack. */
const MAX_TEXT_BYTES = 4 * 2 ** 20;
/** Uses of anchors: enough for shared settings of a big fleet, far from an alias bomb. */
const MAX_ALIASES = 1000;
/** Flow collections nest by brackets; a parser that recurses must not be sent down a thousand of them. */
const MAX_DEPTH = 100;

export type ReadYaml =
  | {
      readonly ok: true;
      readonly value: unknown;
      readonly document: Document.Parsed;
      readonly lines: LineCounter;
    }
  | { readonly ok: false; readonly problems: readonly ManifestProblem[] };

export function readYaml(text: string): ReadYaml {
  if (new TextEncoder().encode(text).length > MAX_TEXT_BYTES)
    return refuse([
      { path: '', message: `a manifest has at most ${MAX_TEXT_BYTES / 2 ** 20} MiB` },
    ]);
  if (isTooDeep(text))
    return refuse([{ path: '', message: `a manifest nests at most ${MAX_DEPTH} brackets` }]);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  if (document.errors.length > 0)
    return refuse(
      document.errors.map((error) => {
        const { line, col } = lines.linePos(error.pos[0]);
        return { path: '', message: error.message, line, column: col };
      }),
    );
  const odd = oddKeyIn(document, text);
  if (odd !== undefined) {
    const { line, col } = lines.linePos(odd);
    const message = `nothing can be called ${ODD_KEY}`;
    return refuse([{ path: '', message, line, column: col }]);
  }
  const raw = valueOf(document);
  if (!raw.ok) return refuse([{ path: '', message: raw.message }]);
  return { ok: true, value: raw.value, document, lines };
}

const refuse = (problems: readonly ManifestProblem[]): ReadYaml => ({ ok: false, problems });

/** A record cannot hold it like any other key, so whoever reads one might lose it without a word. */
const ODD_KEY = '__proto__';

function oddKeyIn(document: Document.Parsed, text: string): number | undefined {
  if (!text.includes(ODD_KEY)) return undefined;
  let found: number | undefined;
  visit(document, {
    Pair: (_, { key }) => {
      if (!isScalar(key) || key.value !== ODD_KEY) return undefined;
      found = key.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return found;
}

function isTooDeep(text: string): boolean {
  let depth = 0;
  for (const character of text) {
    if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth = Math.max(0, depth - 1);
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

function valueOf(
  document: Document.Parsed,
):
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly message: string } {
  try {
    return { ok: true, value: document.toJS({ maxAliasCount: MAX_ALIASES }) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ok: false, message: `the YAML cannot be used: ${why}` };
  }
}
