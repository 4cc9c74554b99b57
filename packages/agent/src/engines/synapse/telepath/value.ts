// What a Telepath message can hold, and how to take one apart without trusting its shape.

/** A msgpack extension that this program gives no meaning to. */
export interface Extension {
  readonly extension: number;
  readonly data: Uint8Array;
}

/**
 * Integers past 2^53 are bigint; a map with any key that is not a string (nil, integers) is a Map, every
 * other one an object without a prototype; bytes are Uint8Array; strings may hold lone surrogates.
 */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | ValueMap
  | ReadonlyMap<Value, Value>
  | Extension;

export interface ValueMap {
  readonly [key: string]: Value;
}

/** The map, or an empty one for any other value. */
export function mapOf(value: Value | undefined): ValueMap {
  return isMap(value) ? value : {};
}

export function isMap(value: Value | undefined): value is ValueMap {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array) &&
    !(value instanceof Map)
  );
}

export function listOf(value: Value | undefined): readonly Value[] {
  return Array.isArray(value) ? (value as readonly Value[]) : [];
}

export function stringOf(value: Value | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function booleanOf(value: Value | undefined): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

/** A number; one past 2^53 loses its last digits. */
export function numberOf(value: Value | undefined): number | undefined {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' ? value : undefined;
}
