// Placeholders in a manifest's texts: {member}, {port.NAME} and so on. Pure. A placeholder that means nothing is
// a problem, never left standing.

export interface TemplateValues {
  readonly values: Readonly<Record<string, string | undefined>>;
  /** Left as they are: the agent fills them in, since only it knows (the stored copy of an image). */
  readonly kept?: readonly string[] | undefined;
}

export const PLACEHOLDER = /\{([A-Za-z][A-Za-z0-9.-]*)\}/g;

/** Fills in what is known and tells `onUnknown` of the rest, which stays as written. */
export function fillTemplate(
  text: string,
  { values, kept = [] }: TemplateValues,
  onUnknown: (problem: string) => void,
): string {
  return text.replaceAll(PLACEHOLDER, (whole, key: string) => {
    if (kept.includes(key)) return whole;
    const value = Object.hasOwn(values, key) ? values[key] : undefined;
    if (value !== undefined) return value;
    // The same words for every member, so that a service's slip is told once.
    const known = new Set([...Object.keys(values), ...kept]);
    onUnknown(
      key === 'address' && Object.hasOwn(values, 'address')
        ? '{address} needs an `address` at its host'
        : `${whole} means nothing here; known are ${[...known].map((k) => `{${k}}`).join(' ')}`,
    );
    return whole;
  });
}
