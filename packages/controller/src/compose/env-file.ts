// Files of variables as Compose reads them: .env and env_file. Pure.

const LINE = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*(?:=\s*(.*))?$/;

/** In order, later ones win. Lines that say nothing are left out; a name without `=` has no value. */
export function parseEnvFile(text: string): Readonly<Record<string, string | undefined>> {
  const found: Record<string, string | undefined> = {};
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [, name, value] = LINE.exec(line) ?? [];
    if (name !== undefined) found[name] = value === undefined ? undefined : valueOf(value);
  }
  return found;
}

function valueOf(text: string): string {
  const single = /^'([^']*)'/.exec(text);
  if (single?.[1] !== undefined) return single[1];
  const double = /^"((?:[^"\\]|\\.)*)"/.exec(text);
  if (double?.[1] !== undefined)
    return double[1].replaceAll(/\\(.)/g, (_, character: string) =>
      character === 'n' ? '\n' : character === 't' ? '\t' : character,
    );
  return text.replace(/\s+#.*$/, '').trimEnd();
}
