// Comparing versions where they are known. Pure. An unknown version is never older or newer than anything.
import semver from 'semver';

/** A fleet has few versions and many comparisons. */
const parsed = new Map<string, semver.SemVer | null>();
const PARSED_KEPT = 1000;

function parse(version: string | undefined): semver.SemVer | null {
  if (version === undefined) return null;
  const known = parsed.get(version);
  if (known !== undefined) return known;
  const made = semver.parse(version, { loose: true });
  if (parsed.size >= PARSED_KEPT) parsed.clear();
  parsed.set(version, made);
  return made;
}

/** True only when both are known and `version` is below `than`. */
export function isOlder(version: string | undefined, than: string | undefined): boolean {
  const a = parse(version);
  const b = parse(than);
  return a !== null && b !== null && semver.compare(a, b) < 0;
}

export const isSame = (a: string | undefined, b: string | undefined): boolean =>
  a !== undefined && b !== undefined && !isOlder(a, b) && !isOlder(b, a);
