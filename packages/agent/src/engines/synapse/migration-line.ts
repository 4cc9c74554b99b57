// Synapse tells nothing of a migration but log lines; plain ones, or JSON with the text in it.

/** An optimization at boot keeps the socket away as a migration does, for as long, and is not to be killed either. */
const RUNNING = /\bbeginning\b.*\b(?:migration|onboot optimization)\b/i;
const DONE = /(?:\.\.\..*|\bmigrations? )complete!\s*(?:"|\[|$)/i;

/** Source: lines of 2.113 to 2.250, as `beginning model migration -> (0, 2, 14)` and `...model migrations complete!`. */
export function migrationIn(line: string): 'running' | 'done' | undefined {
  if (DONE.test(line)) return 'done';
  return RUNNING.test(line) ? 'running' : undefined;
}
