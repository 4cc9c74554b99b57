// From the text of fleet.yaml to a complete, checked manifest, or to all its problems at once. Must never read
// a file or throw.
import type { Manifest, ManifestProblem } from './types.js';

export type ParsedManifest =
  | { readonly ok: true; readonly manifest: Manifest; readonly text: string }
  | { readonly ok: false; readonly problems: readonly ManifestProblem[] };

export function parseManifest(_text: string): ParsedManifest {
  return { ok: false, problems: [{ path: '', message: 'not written yet' }] };
}
