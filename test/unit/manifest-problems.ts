// What is wrong in the text of a manifest, as its tests write it down.
import { parseManifest } from '@leafward/shared/manifest/parse.js';

/** "line:column path: message" of each problem; empty for a manifest that can be used. */
export function problems(text: string): readonly string[] {
  const result = parseManifest(text);
  if (result.ok) return [];
  return result.problems.map((p) => `${p.line ?? '?'}:${p.column ?? '?'} ${p.path}: ${p.message}`);
}
