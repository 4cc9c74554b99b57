// The YAML that a cell and Leafward write of themselves, without a YAML parser: lines of one key and one plain value.
// Whatever is not exactly that is not understood here at all, and a real parser must see to it; never half of a file.

/** What YAML 1.2 can only take for text: `null`, `True` and the like are no text to it, not even as keys. */
const KEY = /^(?!(?:null|true|false)$)[A-Za-z][A-Za-z0-9_.:-]*$/i;
/** What YAML 1.2 can only take for text: a URL without anything that could end or quote it. */
const URL = /^[a-z][a-z0-9+.-]*:\/\/[A-Za-z0-9._~/:@%?=&+-]*[A-Za-z0-9/]$/;

/** Values by key; undefined: it needs a parser. An empty text has no keys. */
export function readPlainYaml(text: string): ReadonlyMap<string, string | null> | undefined {
  const values = new Map<string, string | null>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const end = line.indexOf(': ');
    const [key, value] = [line.slice(0, end), line.slice(end + 2)];
    if (end === -1 || !KEY.test(key) || values.has(key)) return undefined;
    if (value !== 'null' && !URL.test(value)) return undefined;
    values.set(key, value === 'null' ? null : value);
  }
  return values;
}

/** The text with one key set; undefined: it needs a parser. */
export function withPlainYaml(text: string, key: string, value: string | null): string | undefined {
  const values = readPlainYaml(text);
  if (values === undefined || !KEY.test(key) || (value !== null && !URL.test(value)))
    return undefined;
  return [...new Map(values).set(key, value)]
    .map(([name, said]) => `${name}: ${said ?? 'null'}\n`)
    .join('');
}
