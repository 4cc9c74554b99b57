// Releases that an update must not cross unread: what is known of them, and what a manifest adds. Pure.
import type { ReleaseException } from '@leafward/shared/manifest/types.js';
import semver from 'semver';
import { matrixWayBack } from './matrix-releases.js';

const KNOWN: Readonly<Record<string, readonly ReleaseException[]>> = {
  'matrix-synapse': [
    {
      from: '<1.57.0',
      to: '>=1.57.0',
      text: '1.57 numbers the transactions of application services anew: their worker must be down while the main process migrates, or numbers are used twice (a whole-stack update sees to it)',
    },
    {
      from: '<1.67.0',
      to: '>=1.67.0',
      text: '1.67 refuses direct TCP replication (port 9092) and does not start with it: configure Redis first, in homeserver.yaml and for every worker; port 9093 stays',
    },
    {
      from: '<1.76.0',
      to: '>=1.76.0',
      text: '1.76 writes the replication streams of account data and devices in another form: workers of before and after do not understand each other, so none may run beside a main process of the other version',
    },
  ],
};

/** Sentences for the plan of an update, the known ones first. A version that is not known says nothing. */
export function exceptionsBetween(
  kind: string,
  from: string | undefined,
  to: string | undefined,
  own: readonly ReleaseException[] = [],
): readonly string[] {
  const [old, next] = [semver.coerce(from), semver.coerce(to)];
  if (old === null || next === null || semver.eq(old, next)) return [];
  const crossed = [...(KNOWN[kind] ?? []), ...own]
    .filter((one) => semver.satisfies(old, one.from) && semver.satisfies(next, one.to))
    .map(({ text }) => text);
  const back = kind === 'matrix-synapse' ? matrixWayBack(old.version, next.version) : undefined;
  return back === undefined ? crossed : [...crossed, back];
}
