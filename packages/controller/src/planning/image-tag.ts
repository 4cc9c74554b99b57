// What an image reference is called with another tag. Pure.
import type { Runtime } from '@leafward/shared/gen/domain.js';

/** Of a file's name: 2.150.0 in cell-2.150.0.cjs. */
const VERSION = /\d+\.\d+\.\d+(?!.*\d+\.\d+\.\d+)/;

/** registry:5000/synapse-cortex:v2.113.0 → registry:5000/synapse-cortex; of a process its file without the version. */
export function repositoryOf(reference: string, runtime: Runtime): string {
  if (runtime === 'process') return reference.replace(VERSION, '');
  const plain = reference.replace(/@sha256:.*$/, '');
  const colon = plain.indexOf(':', plain.lastIndexOf('/') + 1);
  return colon === -1 ? plain : plain.slice(0, colon);
}

/** Undefined: an executable file without a version in its name, which says nothing of where the other one is. */
export function imageWithTag(reference: string, tag: string, runtime: Runtime): string | undefined {
  if (runtime !== 'process') return `${repositoryOf(reference, runtime)}:${tag}`;
  const slash = reference.lastIndexOf('/') + 1;
  const file = reference.slice(slash);
  return VERSION.test(file)
    ? `${reference.slice(0, slash)}${file.replace(VERSION, tag.replace(/^v/, ''))}`
    : undefined;
}
