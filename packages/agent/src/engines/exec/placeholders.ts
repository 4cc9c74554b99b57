// Fills the placeholders in a command's words. Pure. A value stays within its word, whatever is in it, and a
// placeholder without a value is an error, never left standing.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { CommandPlace } from '@leafward/shared/gen/domain.js';
import { hostAndPortOf } from '@leafward/shared/manifest/placeholders.js';
import { PLACEHOLDER } from '@leafward/shared/manifest/templates.js';
import type { EngineMember } from '../engine.js';

/** One place, as the host calls it and as the member's program sees it. */
export interface Place {
  readonly host: string;
  /** Undefined: none of its container's mounts holds it. */
  readonly member: string | undefined;
}

/** What is known for one run beside the member itself. */
export interface Fill {
  readonly upstreamUrl?: string | undefined;
  readonly directory?: Place | undefined;
  readonly backup?: Place | undefined;
  readonly position?: string | undefined;
}

export interface Filling extends Fill {
  readonly member: EngineMember;
  readonly place: CommandPlace;
  readonly timeoutMs: number;
}

/** @throws LeafwardError `invalid` that names the placeholder. */
export function fillWords(words: readonly string[], filling: Filling): readonly string[] {
  const values = valuesOf(filling);
  return words.map((word) =>
    word.replaceAll(PLACEHOLDER, (whole, key: string) => {
      if (key === 'image' && filling.place === 'member') return whole; // the runtime's own word for it
      const value = Object.hasOwn(values, key) ? values[key] : undefined;
      if (value !== undefined) return value;
      throw new LeafwardError('invalid', `${whole} has no value here: ${whyNot(key, filling)}`);
    }),
  );
}

function valuesOf({
  member: of,
  place,
  timeoutMs,
  ...fill
}: Filling): Readonly<Record<string, string | undefined>> {
  const { member, service, spec } = of;
  const isDocker = spec.runtime === 'docker';
  const storage = { host: spec.storage, member: isDocker ? spec.storageTarget : spec.storage };
  const upstreamUrl = fill.upstreamUrl ?? of.upstreamUrl;
  const { host, port } = hostAndPortOf(upstreamUrl ?? '');
  return {
    member,
    service,
    image: spec.image.reference,
    storage: storage[place],
    directory: fill.directory?.[place],
    backup: fill.backup?.[place],
    position: fill.position,
    timeoutSeconds: String(Math.max(1, Math.ceil(timeoutMs / 1000))),
    upstreamUrl,
    'upstream.host': host,
    'upstream.port': port === undefined ? undefined : String(port),
    ...Object.fromEntries(
      Object.entries(spec.ports).map(([name, number]) => [`port.${name}`, String(number)]),
    ),
  };
}

function whyNot(key: string, { upstreamUrl, member, directory, backup }: Filling): string {
  const place = { directory, backup }[key];
  if (place !== undefined)
    return `no mount of the container of ${member.member} holds ${place.host}`;
  if (key.startsWith('port.')) return `${member.member} has no port of this name`;
  if (!key.startsWith('upstream')) return 'this command is not given it';
  const url = upstreamUrl ?? member.upstreamUrl;
  return url === undefined ? `${member.member} has no upstream` : `${url} does not say it`;
}
