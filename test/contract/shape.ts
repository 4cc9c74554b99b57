// Compares two answers by shape: keys and types, not values.
import type { Value } from '@leafward/agent/engines/synapse/telepath/value.js';

/** Maps whose keys are data or differ by what a cell is; only that they are maps is compared. */
const OPEN = /\.(meths|features|cellvers|sysctls|authgates|data|network\.https)$/;
/** A log entry's arguments are the event's own. */
const ANYTHING = /\.retn\.1\.1\.2(\.|$)/;

/** A string or nil, by the user's own choice. */
const OPTIONAL = /\.email$/;

/** What differs, one line each; empty when the shapes agree. */
export function differences(wanted: Value, got: Value, path = ''): string[] {
  if (ANYTHING.test(path) || (OPTIONAL.test(path) && (wanted === null || got === null))) return [];
  const [wantedType, gotType] = [typeOf(wanted), typeOf(got)];
  if (wantedType !== gotType) return [`${path}: wanted ${wantedType}, got ${gotType}`];
  if (OPEN.test(path)) return [];
  if (Array.isArray(wanted)) return differencesOfLists(wanted, got as Value[], path);
  if (wantedType !== 'map') return [];
  const [wantedMap, gotMap] = [entriesOf(wanted), entriesOf(got)];
  const missing = [...wantedMap.keys()].filter((key) => !gotMap.has(key));
  const more = [...gotMap.keys()].filter((key) => !wantedMap.has(key));
  return [
    ...missing.map((key) => `${path}.${String(key)}: missing`),
    ...more.map((key) => `${path}.${String(key)}: not in the recording`),
    ...[...wantedMap].flatMap(([key, value]) => {
      const other = gotMap.get(key);
      return other === undefined ? [] : differences(value, other, `${path}.${String(key)}`);
    }),
  ];
}

/** `[errname, info]`, `[ok, value]`, `[offset, entry]` go by position; of other lists the first items are compared. */
function differencesOfLists(
  wanted: readonly Value[],
  got: readonly Value[],
  path: string,
): string[] {
  const tuple = /(^|\.retn|\.retn\.1|\.retn\.1\.1)$/.test(path) && wanted.length === got.length;
  const count = tuple ? wanted.length : Math.min(1, wanted.length, got.length);
  return Array.from({ length: count }, (_, index) =>
    differences(wanted[index] ?? null, got[index] ?? null, `${path}.${index}`),
  ).flat();
}

function entriesOf(value: Value): Map<unknown, Value> {
  if (value instanceof Map) return value as Map<Value, Value>;
  return new Map(Object.entries(value as Record<string, Value>));
}

function typeOf(value: Value): string {
  if (value === null) return 'nil';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Uint8Array) return 'bytes';
  if (typeof value === 'bigint') return 'number';
  return typeof value === 'object' ? 'map' : typeof value;
}
