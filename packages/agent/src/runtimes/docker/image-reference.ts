// What an image reference says by itself. Pure.

export interface ImageReference {
  /** Registry and repository: registry:5000/synapse/cortex */
  readonly name: string;
  readonly tag?: string | undefined;
  /** sha256:… */
  readonly digest?: string | undefined;
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;
const TAG = /^\w[\w.-]{0,127}$/;
const VERSION = /^v?(\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.-]+)?)$/;

/** `name[:tag][@digest]`; a bare `sha256:…` has no name. Undefined: not a reference. */
export function parseImageReference(reference: string): ImageReference | undefined {
  if (DIGEST.test(reference)) return { name: '', digest: reference };
  const [named = '', digest] = reference.split('@');
  if (digest !== undefined && !DIGEST.test(digest)) return undefined;
  // A colon before the last slash belongs to the registry's port.
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const name = colon === -1 ? named : named.slice(0, colon);
  const tag = colon === -1 ? undefined : named.slice(colon + 1);
  if (!/^[a-z0-9][a-z0-9._:/-]*$/i.test(name) || name.includes('..')) return undefined;
  if (tag !== undefined && !TAG.test(tag)) return undefined;
  return { name, tag, digest };
}

/** `2.113.0` of `v2.113.0`; undefined for anything that is not a whole semantic version. */
export function versionOf(text: string | undefined): string | undefined {
  return text === undefined ? undefined : VERSION.exec(text)?.[1];
}
