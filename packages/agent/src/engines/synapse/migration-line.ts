// Synapse tells nothing of a migration but log lines; plain ones, or JSON with the text in it.

const RUNNING = /\bbeginning\b.*\bmigration\b/i;
const DONE = /(?:\.\.\..*|\bmigrations? )complete!\s*(?:"|$)/i;

/** Source: lines of 2.113 to 2.250, as `beginning model migration -> (0, 2, 14)` and `...model migrations complete!`. */
export function migrationIn(line: string): 'running' | 'done' | undefined {
  if (DONE.test(line)) return 'done';
  return RUNNING.test(line) ? 'running' : undefined;
}
