// The few DER shapes that certificates and requests are made of, over node-forge's ASN.1, with Node's buffers
// outside. Knows no policy.
import forge from 'node-forge';

export { oids } from './oids.js';

const { asn1 } = forge;
export type Asn1 = forge.asn1.Asn1;

const UNIVERSAL = 0;
const CONTEXT = 0x80;

const primitive = (type: forge.asn1.Type, value: string): Asn1 =>
  asn1.create(UNIVERSAL, type, false, value);

export const sequence = (...items: Asn1[]): Asn1 =>
  asn1.create(UNIVERSAL, asn1.Type.SEQUENCE, true, items);
export const setOf = (...items: Asn1[]): Asn1 => asn1.create(UNIVERSAL, asn1.Type.SET, true, items);
export const oid = (dotted: string): Asn1 =>
  primitive(asn1.Type.OID, asn1.oidToDer(dotted).getBytes());
export const utf8 = (text: string): Asn1 => primitive(asn1.Type.UTF8, binary(Buffer.from(text)));
export const boolean = (value: boolean): Asn1 =>
  primitive(asn1.Type.BOOLEAN, value ? '\xff' : '\0');
export const octets = (bytes: Buffer): Asn1 => primitive(asn1.Type.OCTETSTRING, binary(bytes));
export const smallInteger = (value: number): Asn1 =>
  primitive(asn1.Type.INTEGER, asn1.integerToDer(value).getBytes());

/** A positive integer of any length; a zero byte goes before a set top bit. */
export function bigInteger(bytes: Buffer): Asn1 {
  const first = bytes[0] ?? 0;
  const padded = first >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes;
  return primitive(asn1.Type.INTEGER, binary(padded));
}
/** A bit string; `unused` low bits of its last byte do not count. */
export const bits = (bytes: Buffer, unused = 0): Asn1 =>
  primitive(asn1.Type.BITSTRING, String.fromCharCode(unused) + binary(bytes));

/** UTCTime until 2049, GeneralizedTime after (RFC 5280, 4.1.2.5). Whole seconds. */
export function time(ms: number): Asn1 {
  const date = new Date(ms);
  return date.getUTCFullYear() < 2050
    ? primitive(asn1.Type.UTCTIME, asn1.dateToUtcTime(date))
    : primitive(asn1.Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date));
}
export const tagged = (tag: number, ...items: Asn1[]): Asn1 =>
  asn1.create(CONTEXT, tag, true, items);
export const taggedBytes = (tag: number, bytes: Buffer): Asn1 =>
  asn1.create(CONTEXT, tag, false, binary(bytes));

export const toDer = (node: Asn1): Buffer => Buffer.from(asn1.toDer(node).getBytes(), 'latin1');

// The published types know only one of the options. A bit string stays bytes, even if they look like DER.
const parse = asn1.fromDer as unknown as (bytes: string, options: Record<string, boolean>) => Asn1;
const STRICT = { strict: true, parseAllBytes: true, decodeBitStrings: false };

/** @throws Error when the bytes are not exactly one DER value. */
export const fromDer = (bytes: Buffer): Asn1 => parse(binary(bytes), STRICT);

/** The items of a sequence; undefined when the node is something else. */
export function itemsOf(node: Asn1 | undefined): readonly Asn1[] | undefined {
  if (node?.type !== asn1.Type.SEQUENCE || !Array.isArray(node.value)) return undefined;
  return node.value;
}
/** The bytes of a primitive node. */
export function bytesOf(node: Asn1 | undefined): Buffer | undefined {
  return typeof node?.value === 'string' ? Buffer.from(node.value, 'latin1') : undefined;
}
export function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

const binary = (bytes: Buffer): string => bytes.toString('latin1');
