// An image for a user that the project's own does not have: the guide's script (devops guide, Containers with Custom
// Users) as a build on this host, from the pinned digest, without any network. Known to this host's Engine only: what an
// order pins is the image that it is made of.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';
import { engineError, streamError } from './engine-error.js';
import type { EngineClient } from './engine-client.js';
import { followPull } from './pull-progress.js';

export interface UserImage {
  /** leafward/synapse-cortex:<12 hex of the digest>-8888 */
  readonly tag: string;
  readonly uid: number;
  readonly gid: number;
}

/** Of the images' own: root, and synuser. */
const BUILT_IN = [0, 999];

/** Undefined: its image has its user, or knows it by name. Pure. */
export function userImageOf({ kind, user, image }: MemberSpec): UserImage | undefined {
  const [, uid, group] = /^(\d{1,9})(?::(\d{1,9}))?$/.exec(user ?? '') ?? [];
  if (kind !== 'synapse' || uid === undefined || BUILT_IN.includes(Number(uid))) return undefined;
  const gid = group ?? uid;
  const named = /([a-z0-9][a-z0-9._-]*)(?::[^/]*)?$/.exec(image.reference.split('@')[0] ?? '');
  const name = named?.[1] ?? 'image';
  const digest = image.digest.replace(/^sha256:/, '').slice(0, 12);
  const tag = `leafward/${name}:${digest}-${uid}${group === undefined ? '' : `-${group}`}`;
  return { tag, uid: Number(uid), gid: Number(gid) };
}

/** What is there already is not added twice, so that it builds from any image. Pure. */
export function dockerfileOf({ uid, gid }: UserImage, base: string): string {
  const name = `syn${uid}`;
  const lacks = (file: string, id: number): string => `! grep -q '^[^:]*:[^:]*:${id}:' ${file}`;
  return [
    `FROM ${base}`,
    'USER 0',
    'RUN set -ex \\',
    ` && if ${lacks('/etc/group', gid)}; then groupadd -g ${gid} ${name}; fi \\`,
    ` && if ${lacks('/etc/passwd', uid)}; then \\`,
    `    useradd -r --home-dir=/home/${name} -u ${uid} -g ${gid} --shell /bin/bash ${name}; fi \\`,
    ` && mkdir -p /home/${name} \\`,
    ` && chown ${uid}:${gid} /home/${name}`,
    '',
  ].join('\n');
}

/** The scripts take a second; a disk that is busy with migrations takes longer. */
const BUILD_MS = 5 * 60_000;

/** @throws LeafwardError with what the build said. */
export async function buildUserImage(
  client: EngineClient,
  wanted: UserImage & { readonly base: string },
  stop: AbortSignal,
): Promise<void> {
  const doing = `build ${wanted.tag} for user ${wanted.uid} from ${wanted.base}`;
  const signal = AbortSignal.any([stop, AbortSignal.timeout(BUILD_MS)]);
  const stream = await client.open({
    doing,
    method: 'POST',
    path: '/build',
    query: { t: wanted.tag, networkmode: 'none', rm: true, forcerm: true },
    file: tarOf('Dockerfile', dockerfileOf(wanted, wanted.base)),
    deadlineMs: BUILD_MS,
    signal,
  });
  const progress = followPull();
  try {
    for await (const chunk of stream) {
      const error = progress.take(chunk as Buffer);
      if (error !== undefined) throw streamError(doing, error);
    }
  } catch (error) {
    if (signal.aborted)
      throw new LeafwardError(stop.aborted ? 'aborted' : 'timeout', `${doing}: broken off`, {
        retry: 'later',
      });
    throw engineError(doing, client.socketPath, error);
  }
}

const BLOCK = 512;

/** An archive of one file, as the Engine takes a build's directory (POSIX ustar). */
function tarOf(name: string, text: string): Buffer {
  const content = Buffer.from(text);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void =>
    void header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at);
  header.write(name, 0);
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(content.length, 124, 12);
  octal(0, 136, 12);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\0' + '00', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK);
  return Buffer.concat([header, content, padding, Buffer.alloc(2 * BLOCK)]);
}
