// What the variables of a Synapse image's environment begin with: SYN_CORTEX_ for synapse-cortex. Pure.

/**
 * As the manifest says it (engine.environmentPrefix), else by the image's name; undefined: neither tells, as for a file of
 * the process runtime.
 */
export function environmentPrefixOf(
  image: string,
  engineOptions: Readonly<Record<string, string>>,
): string | undefined {
  const said = engineOptions['environmentPrefix'];
  if (said !== undefined) return said;
  const [, kind] = /(?:^|\/)synapse-([a-z0-9-]+)(?:[:@]|$)/.exec(image) ?? [];
  return kind === undefined ? undefined : `SYN_${kind.replaceAll('-', '').toUpperCase()}_`;
}
