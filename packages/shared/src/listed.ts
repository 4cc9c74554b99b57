// Names in a sentence. Pure.

/** `a`, `a and b`, `a, b and c`; `none` of no names. */
export const listed = (names: readonly string[]): string => {
  if (names.length <= 1) return names[0] ?? 'none';
  return `${names.slice(0, -1).join(', ')} and ${names[names.length - 1] ?? ''}`;
};
