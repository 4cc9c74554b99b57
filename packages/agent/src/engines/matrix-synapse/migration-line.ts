// What a homeserver's log says of its schema. Every port, metrics too, stays closed until that is over. Pure.

/** Sources: lines of 1.30 to 1.66, "Applying schema deltas for v60" and "Schema now up to date". */
export function migrationIn(line: string): 'running' | 'done' | undefined {
  if (/\bSchema now up to date\b/i.test(line)) return 'done';
  return /\bApplying schema\b/i.test(line) ? 'running' : undefined;
}
