// Comparing versions where they are known. Pure. An unknown version is never older or newer than anything.
import semver from 'semver';

const parse = (version: string | undefined): semver.SemVer | null =>
  version === undefined ? null : semver.parse(version, { loose: true });

/** True only when both are known and `version` is below `than`. */
export function isOlder(version: string | undefined, than: string | undefined): boolean {
  const a = parse(version);
  const b = parse(than);
  return a !== null && b !== null && semver.compare(a, b) < 0;
}

export const isSame = (a: string | undefined, b: string | undefined): boolean =>
  a !== undefined && b !== undefined && !isOlder(a, b) && !isOlder(b, a);
