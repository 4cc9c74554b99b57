// The name of a member's spec: equal digests mean that no container needs to be made anew. Must never
// depend on the order of keys or on how an image was written, only on what would run.
import { createHash } from 'node:crypto';
import type { MemberSpec } from './gen/domain.js';

/**
 * SHA-256 (64 hex) of the canonical spec. Of the image only the digest counts: reference, version and size
 * may be learnt later without anything having changed.
 */
export function specDigestOf(spec: MemberSpec): string {
  const known = digests.get(spec) ?? digestOf(spec);
  digests.set(spec, known);
  return known;
}

/** A spec never changes, and is asked for its digest at every look. */
const digests = new WeakMap<MemberSpec, string>();

function digestOf(spec: MemberSpec): string {
  const counted = { ...spec, image: { digest: spec.image.digest } };
  return createHash('sha256').update(canonicalJson(counted)).digest('hex');
}

/** JSON with sorted keys and without undefined values. Arrays keep their order: a command's words have one. */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') return textOf(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const parts = value as Readonly<Record<string, unknown>>;
  let text = '';
  for (const key of Object.keys(parts).sort()) {
    const inner = parts[key];
    if (inner === undefined) continue;
    text += `${text === '' ? '' : ','}${textOf(key)}:${canonicalJson(inner)}`;
  }
  return `{${text}}`;
}

/** Nearly every text is as it is: agents compare what they see by this, at every look. */
const textOf = (text: string): string => (PLAIN.test(text) ? `"${text}"` : JSON.stringify(text));
const PLAIN = /^[ !#-[\]-~]*$/;
