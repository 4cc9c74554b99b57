// Makes values that somebody measured fit what the wire can carry: a whole number where one is asked for, within its
// range, and no endless text. For reports only: what one odd figure could keep from being told would be everything.
import type { DescField, DescMessage } from '@bufbuild/protobuf';

type Data = Record<string, unknown>;
type Fit = (value: unknown, where: string) => unknown;

/** Longer texts are cut: a report holds many, and a message has a limit (options.ts). */
export const MAX_TEXT_CHARS = 8192;

/** Bounds of whole numbers by protobuf's scalar types; beyond 2^53 a number is no longer exact. */
const RANGES: Readonly<Record<number, readonly [least: number, most: number]>> = {
  3: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER], // int64
  4: [0, Number.MAX_SAFE_INTEGER], // uint64
  5: [-(2 ** 31), 2 ** 31 - 1], // int32
  13: [0, 2 ** 32 - 1], // uint32
};
const STRING = 9;

/**
 * The same object when everything fits, else one in which what did not is rounded, clamped, cut or left out (no
 * number at all: left out where that is allowed, else 0). `onMisfit` is told where.
 */
export function fitted<T extends object>(
  desc: DescMessage,
  data: T,
  onMisfit: (where: string) => void = () => undefined,
): T {
  return fitMessage(desc, data as Data, desc.name, onMisfit) as T;
}

function fitMessage(
  desc: DescMessage,
  data: Data,
  path: string,
  onMisfit: (where: string) => void,
): Data {
  const union = desc.oneofs.find((oneof) => oneof.name === 'kind');
  const variant = union?.fields.find((field) => field.name.replaceAll('_', '-') === data['kind']);
  const plain = desc.fields.filter((field) => union === undefined || field.oneof !== union);
  let fit = data;
  for (const field of [...plain, ...(variant?.message?.fields ?? [])]) {
    const value = data[field.localName];
    if (value === undefined) continue;
    const next = fitField(field, onMisfit)(value, `${path}.${field.localName}`);
    if (next === value) continue;
    fit = { ...fit, [field.localName]: next };
  }
  return fit;
}

function fitField(field: DescField, onMisfit: (where: string) => void): Fit {
  const { message, scalar } = field;
  const one: Fit =
    message !== undefined
      ? (value, where) => fitMessage(message, value as Data, where, onMisfit)
      : (value, where) => {
          const next = fitScalar(scalar, value, field.proto.proto3Optional);
          if (!Object.is(next, value)) onMisfit(where);
          return next;
        };
  switch (field.fieldKind) {
    case 'list':
      return (value, where) => {
        const list = value as readonly unknown[];
        const items = list.map((item, index) => one(item, `${where}[${index}]`));
        return items.every((item, index) => Object.is(item, list[index])) ? list : items;
      };
    case 'map':
      return (value) => value; // no report has one
    default:
      return one;
  }
}

function fitScalar(type: number | undefined, value: unknown, isOptional: boolean): unknown {
  if (type === STRING) {
    const text = typeof value === 'string' ? value : String(value);
    return text.length > MAX_TEXT_CHARS ? `${text.slice(0, MAX_TEXT_CHARS)}…` : text;
  }
  const range = type === undefined ? undefined : RANGES[type];
  if (range === undefined) return value;
  if (typeof value !== 'number' || Number.isNaN(value)) return isOptional ? undefined : 0;
  const whole = Math.round(value);
  return Math.min(range[1], Math.max(range[0], whole)) + 0; // no -0
}
