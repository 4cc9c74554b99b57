// From the text of a manifest, or of a file that holds nothing but `kinds:`, to the kinds that it describes, or to
// all its problems at once. Must never read a file or throw.
import { z } from 'zod';
import { completeKinds, type Kinds } from './complete-kind.js';
import { kindsSchema } from './kinds-schema.js';
import { parseManifest } from './parse.js';
import { atMost, collectProblems, tellIssues } from './problems.js';
import { readYaml } from './read-yaml.js';
import type { Manifest, ManifestProblem } from './types.js';

export type ParsedKinds =
  | {
      readonly ok: true;
      readonly kinds: Kinds;
      /** Undefined: the file holds nothing but kinds. */
      readonly manifest?: Manifest | undefined;
    }
  | { readonly ok: false; readonly problems: readonly ManifestProblem[] };

const kindsOnly = z.strictObject({ kinds: kindsSchema });

export function parseKinds(text: string): ParsedKinds {
  const read = readYaml(text);
  if (!read.ok) return { ok: false, problems: atMost(read.problems) };
  const { value, document, lines } = read;
  const { tell, told } = collectProblems(document, lines);
  if (value === null || value === undefined)
    return {
      ok: false,
      problems: [{ path: '', message: 'it is empty: it needs the section kinds' }],
    };
  const holds = typeof value === 'object' ? value : {};
  const kinds = completeKinds('kinds' in holds ? holds.kinds : undefined, tell);
  if ('fleet' in holds || 'hosts' in holds || 'services' in holds) {
    const parsed = parseManifest(text);
    return parsed.ok ? { ok: true, kinds, manifest: parsed.manifest } : parsed;
  }
  const shape = kindsOnly.safeParse(value);
  if (!shape.success) tellIssues(shape.error.issues, tell);
  const problems = told();
  return problems.length > 0 ? { ok: false, problems } : { ok: true, kinds };
}
