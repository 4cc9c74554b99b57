// Images on one host: what a reference means, and having exactly that. A digest is the registry's; an image
// that was never pushed or pulled has none, and its image id stands for it: such an image exists on its own
// host only and cannot be pulled elsewhere.
import type { Image, MemberSpec } from '@leafward/shared/gen/domain.js';
import { isAbort, LeafwardError } from '@leafward/shared/errors.js';
import type { EngineDeadlines } from './deadlines.js';
import type { ImageDefaults } from './differences.js';
import type { EngineClient } from './engine-client.js';
import { parseImageReference, versionOf, type ImageReference } from './image-reference.js';
import { download } from './engine-pull.js';
import { buildUserImage, userImageOf } from './user-image.js';

interface EngineImage {
  readonly Id: string;
  readonly RepoDigests?: readonly string[] | null;
  readonly Size: number;
  readonly Config?: {
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly Env?: readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
    readonly User?: string | null;
  } | null;
}

interface LocalImage {
  /** What the Engine takes in a create call. */
  readonly name: string;
  readonly image: EngineImage;
}

const LABEL_VERSION = 'org.opencontainers.image.version';

export interface EngineImages {
  readonly resolve: (reference: string, signal: AbortSignal) => Promise<Image>;
  readonly pull: (
    image: Image,
    onProgress: (text: string) => void,
    signal: AbortSignal,
  ) => Promise<Image>;
  readonly hasImage: (image: Image, signal: AbortSignal) => Promise<boolean>;
  /** Its local name with the spec's user in it; undefined: that was not built here yet. */
  readonly nameFor: (spec: MemberSpec, signal: AbortSignal) => Promise<string | undefined>;
  /** Has an image with the spec's user on this host, where its own lacks it. @throws LeafwardError */
  readonly buildFor: (spec: MemberSpec, signal: AbortSignal) => Promise<void>;
  /** What a container runs, by its image's id and the reference that it was made with. */
  readonly ofContainer: (
    id: string,
    reference: string,
    signal: AbortSignal,
  ) => Promise<{ readonly image: Image; readonly defaults: ImageDefaults }>;
}

export function engineImages(client: EngineClient, deadlines: EngineDeadlines): EngineImages {
  const inspect = async (name: string, signal: AbortSignal): Promise<EngineImage | undefined> => {
    try {
      return await client.ask<EngineImage>({
        doing: `inspect image ${name}`,
        method: 'GET',
        path: `/images/${name}/json`,
        deadlineMs: deadlines.inspectMs,
        signal,
      });
    } catch (error) {
      if (error instanceof LeafwardError && error.code === 'not-found') return undefined;
      throw error;
    }
  };
  const findLocal = async (image: Image, signal: AbortSignal): Promise<LocalImage | undefined> => {
    const { name } = parse(image.reference);
    for (const candidate of [...(name === '' ? [] : [`${name}@${image.digest}`]), image.digest]) {
      const found = await inspect(candidate, signal);
      if (found !== undefined) return { name: candidate, image: found };
    }
    return undefined;
  };
  const localName = async (image: Image, signal: AbortSignal): Promise<string> => {
    const found = await findLocal(image, signal);
    if (found !== undefined) return found.name;
    const text = `image ${image.reference} (${image.digest}) is not on this host; pull it first`;
    throw new LeafwardError('not-found', text, { retry: 'later' });
  };
  return {
    resolve: async (reference, signal) => {
      const parsed = parse(reference);
      const digest =
        parsed.digest ??
        (await digestOf(client, deadlines, { reference, parsed, inspect, signal }));
      const local = await findLocal({ reference, digest }, signal);
      return described({ reference, digest }, local?.image);
    },
    pull: async (image, onProgress, signal) => {
      const present = await findLocal(image, signal);
      if (present !== undefined) return described(image, present.image);
      const { name } = parse(image.reference);
      await download(client, deadlines, { name, digest: image.digest, onProgress, signal });
      const pulled = await findLocal(image, signal);
      if (pulled !== undefined) return described(image, pulled.image);
      const text = `pull image ${image.reference}: the Engine is done but has no ${image.digest}`;
      throw new LeafwardError('failed', `${text}; pull again`, { retry: 'now' });
    },
    hasImage: async (image, signal) => (await findLocal(image, signal)) !== undefined,
    ...forUsers({ client, inspect, localName }),
    ofContainer: async (id, reference, signal) => {
      const local = await inspect(id, signal);
      const { name } = parseImageReference(reference) ?? { name: '' };
      const digest = (local && repositoryDigest(local, name)) ?? id;
      const { Env, Cmd, User } = local?.Config ?? {};
      return {
        image: described({ reference, digest }, local),
        defaults: { environment: Env ?? [], command: Cmd ?? [], user: User ?? '' },
      };
    },
  };
}

function forUsers({
  client,
  inspect,
  localName,
}: {
  readonly client: EngineClient;
  readonly inspect: (name: string, signal: AbortSignal) => Promise<EngineImage | undefined>;
  readonly localName: (image: Image, signal: AbortSignal) => Promise<string>;
}): Pick<EngineImages, 'nameFor' | 'buildFor'> {
  const nameFor = async (spec: MemberSpec, signal: AbortSignal): Promise<string | undefined> => {
    const own = userImageOf(spec);
    if (own === undefined) return localName(spec.image, signal);
    return (await inspect(own.tag, signal)) === undefined ? undefined : own.tag;
  };
  return {
    nameFor,
    buildFor: async (spec, signal) => {
      const own = userImageOf(spec);
      if (own === undefined || (await nameFor(spec, signal)) !== undefined) return;
      const base = await localName(spec.image, signal);
      await buildUserImage(client, { ...own, base }, signal);
    },
  };
}

function parse(reference: string): ImageReference {
  const parsed = parseImageReference(reference);
  if (parsed !== undefined) return parsed;
  const text = `"${reference}" is no image reference; write name[:tag][@sha256:…]`;
  throw new LeafwardError('invalid', text);
}

function described(image: Image, local: EngineImage | undefined): Image {
  const version =
    versionOf(local?.Config?.Labels?.[LABEL_VERSION]) ??
    image.version ??
    versionOf(parseImageReference(image.reference)?.tag);
  return { ...image, version, sizeBytes: local?.Size ?? image.sizeBytes };
}

interface DigestQuestion {
  readonly reference: string;
  readonly parsed: ImageReference;
  readonly inspect: (name: string, signal: AbortSignal) => Promise<EngineImage | undefined>;
  readonly signal: AbortSignal;
}

/** The registry's word; without it what this host has under that name. */
async function digestOf(
  client: EngineClient,
  deadlines: EngineDeadlines,
  question: DigestQuestion,
): Promise<string> {
  const { reference, parsed, inspect, signal } = question;
  const tagged = `${parsed.name}:${parsed.tag ?? 'latest'}`;
  try {
    const answer = await client.ask<{ readonly Descriptor: { readonly digest: string } }>({
      doing: `resolve image ${reference}`,
      method: 'GET',
      path: `/distribution/${tagged}/json`,
      deadlineMs: deadlines.resolveMs,
      waitsFor: 'the registry',
      signal,
    });
    return answer.Descriptor.digest;
  } catch (error) {
    if (isAbort(error)) throw error;
    const local = await inspect(tagged, signal);
    if (local === undefined) throw error;
    return repositoryDigest(local, parsed.name) ?? local.Id;
  }
}

/** Docker Hub's names are kept in their short form. */
function repositoryDigest(image: EngineImage, name: string): string | undefined {
  const short = name.replace(/^docker\.io\//, '').replace(/^library\//, '');
  return (image.RepoDigests ?? [])
    .map((entry) => entry.split('@'))
    .find(([repository]) => repository === name || repository === short)?.[1];
}
