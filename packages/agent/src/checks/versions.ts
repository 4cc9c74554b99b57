// Versions as programs print them: "v2.113.0", "20.10.24+dfsg1", "28.1.1-ce". Pure.

/** Major, minor, patch; undefined when there is none in the text. */
export function coerceVersion(text: string | undefined): readonly number[] | undefined {
  const match = /(\d+)\.(\d+)(?:\.(\d+))?/.exec(text ?? '');
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)];
}

export function isAtLeast(version: readonly number[], least: readonly number[]): boolean {
  for (const [index, part] of least.entries()) {
    const mine = version[index] ?? 0;
    if (mine !== part) return mine > part;
  }
  return true;
}
