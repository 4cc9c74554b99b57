// Makes values that somebody measured fit what the wire can carry: a whole number where one is asked for, within its
// range, and no endless text. For reports only: what one odd figure could keep from being told would be everything.
import type { DescField, DescMessage } from '@bufbuild/protobuf';

type Data = Record<string, unknown>;
type OnMisfit = (where: string) => void;
type Fit = (value: unknown, where: Where, onMisfit: OnMisfit) => unknown;

/** Where a value stands; put into words only for one that does not fit. */
interface Where {
  readonly above?: Where | undefined;
  readonly step: string | number;
}

const textOf = ({ above, step }: Where): string => {
  if (above === undefined) return String(step);
  return `${textOf(above)}${typeof step === 'number' ? `[${step}]` : `.${step}`}`;
};

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
  onMisfit: OnMisfit = () => undefined,
): T {
  return fitMessage(desc, data as Data, { step: desc.name }, onMisfit) as T;
}

interface Slot {
  readonly name: string;
  readonly fit: Fit;
}

interface Slots {
  readonly plain: readonly Slot[];
  /** By the word for the kind. */
  readonly variants: ReadonlyMap<unknown, readonly Slot[]>;
}

/** Made once, at first use: message types may contain each other. */
const known = new Map<DescMessage, Slots>();

function slotsOf(desc: DescMessage): Slots {
  const before = known.get(desc);
  if (before !== undefined) return before;
  const union = desc.oneofs.find((oneof) => oneof.name === 'kind');
  const plain = desc.fields.filter((field) => union === undefined || field.oneof !== union);
  const made = {
    plain: plain.map(slotOf),
    variants: new Map(
      union?.fields.map(({ name, message }) => [
        name.replaceAll('_', '-'),
        message?.fields.map(slotOf) ?? [],
      ]),
    ),
  };
  known.set(desc, made);
  return made;
}

const NONE: readonly Slot[] = [];

function fitMessage(desc: DescMessage, data: Data, where: Where, onMisfit: OnMisfit): Data {
  const { plain, variants } = slotsOf(desc);
  const fit = fitSlots(plain, data, data, where, onMisfit);
  const variant = variants.size === 0 ? NONE : (variants.get(data['kind']) ?? NONE);
  return fitSlots(variant, data, fit, where, onMisfit);
}

function fitSlots(
  slots: readonly Slot[],
  data: Data,
  before: Data,
  where: Where,
  onMisfit: OnMisfit,
): Data {
  let fit = before;
  for (const slot of slots) {
    const value = data[slot.name];
    if (value === undefined) continue;
    const next = slot.fit(value, { above: where, step: slot.name }, onMisfit);
    if (next !== value) fit = { ...fit, [slot.name]: next };
  }
  return fit;
}

function slotOf(field: DescField): Slot {
  const { message, scalar } = field;
  const one: Fit =
    message !== undefined
      ? (value, where, onMisfit) => fitMessage(message, value as Data, where, onMisfit)
      : (value, where, onMisfit) => {
          const next = fitScalar(scalar, value, field.proto.proto3Optional);
          if (!Object.is(next, value)) onMisfit(textOf(where));
          return next;
        };
  return { name: field.localName, fit: fitOf(field, one) };
}

function fitOf({ fieldKind }: DescField, one: Fit): Fit {
  switch (fieldKind) {
    case 'list':
      return (value, where, onMisfit) => {
        const list = value as readonly unknown[];
        let items = list as unknown[];
        for (const [index, item] of list.entries()) {
          const next = one(item, { above: where, step: index }, onMisfit);
          if (Object.is(next, item)) continue;
          if (items === list) items = [...list];
          items[index] = next;
        }
        return items;
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
