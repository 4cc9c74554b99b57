// Where in the text of a YAML document a path is, for messages that an operator can click on. Pure.
import { isMap, isPair, isScalar, type Document, type LineCounter } from 'yaml';
import type { ManifestProblem } from './types.js';

export type Path = readonly (string | number)[];

/** services.cortex.members["01.cortex"].upstream */
export function renderPath(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `["${part}"]`;
  }
  return text;
}

/** The problem with the place of its path or, when that is missing, of what should hold it. */
export function problemAt(
  document: Document.Parsed,
  lines: LineCounter,
  path: Path,
  message: string,
): ManifestProblem {
  const offset = offsetOf(document, path);
  const rendered = renderPath(path);
  if (offset === undefined) return { path: rendered, message };
  const { line, col } = lines.linePos(offset);
  return { path: rendered, message, line, column: col };
}

function offsetOf(document: Document.Parsed, path: Path): number | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const parent: unknown = document.getIn(path.slice(0, length - 1), true);
    const last = path[length - 1];
    if (isMap(parent)) {
      // The key says more than its value: an empty value has no place of its own.
      const pair = parent.items.find((item) => isPair(item) && keyOf(item.key) === last);
      if (pair !== undefined && isScalar(pair.key) && pair.key.range) return pair.key.range[0];
    }
    const node = document.getIn(path.slice(0, length), true) as {
      range?: readonly number[];
    } | null;
    if (node?.range?.[0] !== undefined) return node.range[0];
  }
  return document.contents?.range?.[0];
}

const keyOf = (key: unknown): unknown => (isScalar(key) ? String(key.value) : key);
