// Small pieces of text and data that plans, waits and explanations share. Pure.
import * as units from '@leafward/shared/manifest/units.js';
import type { Evidence, Refusal } from '@leafward/shared/gen/domain.js';

/** 90000 → "1 min 30 s": as sentences say it; manifests write 1m30s. */
export const renderDuration = units.spokenDuration;

/** 1.5 GiB */
export const renderSize = (sizeBytes: number): string =>
  units.renderSize(sizeBytes).replace(/[A-Z]/, (unit) => ` ${unit}`);

/** Why something must not be done (now): shown as a gate and refusal of a plan, or as a wait of an operation. */
export type Objection = Refusal;

export function evidence(
  name: string,
  value: string | number | boolean | undefined,
  more: { readonly wanted?: string | undefined; readonly seenAt?: number | undefined } = {},
): Evidence {
  return { name, value: value === undefined ? 'not known' : String(value), ...more };
}

export { listed } from '@leafward/shared/listed.js';

export const plural = (count: number, one: string): string =>
  `${count} ${one}${count === 1 ? '' : 's'}`;

export const shortDigest = (digest: string): string => digest.replace(/^sha256:/, '').slice(0, 12);

/** How an image is called in a sentence: its version if it has one. */
export const imageName = (image: { reference: string; version?: string | undefined }): string =>
  image.version === undefined ? image.reference : `version ${image.version}`;
