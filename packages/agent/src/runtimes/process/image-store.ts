// Images of the process runtime: one file each, kept under the digest of its bytes, so that what runs is
// exactly what was planned whatever happens to the file that it came from.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, copyFile, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import type { Image } from '@leafward/shared/gen/domain.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { syncDirectory } from '../../journal.js';
import type { ContainerSpec } from '../runtime.js';

export interface ImageStore {
  resolve(reference: string, signal: AbortSignal): Promise<Image>;
  pull(image: Image, onProgress: (text: string) => void, signal: AbortSignal): Promise<Image>;
  /** Path of the stored file; undefined when it is not there. */
  find(digest: string): Promise<string | undefined>;
}

export function openImageStore(directory: string): ImageStore {
  const folderOf = (digest: string): string => join(directory, hexOf(digest));
  const turns = new Map<string, Promise<void>>();
  const find = async (digest: string): Promise<string | undefined> => {
    const names = await readdir(folderOf(digest)).catch(() => []);
    const name = names.find((one) => !one.endsWith('.part'));
    return name === undefined ? undefined : join(folderOf(digest), name);
  };
  return {
    resolve: resolveFile,
    find,
    pull(image, onProgress, signal) {
      // One after the other: several members of one image want it at the same moment.
      const earlier = turns.get(image.digest) ?? Promise.resolve();
      const turn = earlier.then(async (): Promise<Image> => {
        const stored = await find(image.digest);
        if (stored !== undefined) return { ...image, ...(await describe(stored)) };
        onProgress(`copying ${image.reference}`);
        await store(image, folderOf(image.digest), signal);
        return { ...image, ...(await describe(image.reference)) };
      });
      const done = turn.then(
        () => undefined,
        () => undefined,
      );
      turns.set(image.digest, done);
      void done.then(() => turns.get(image.digest) === done && turns.delete(image.digest));
      return turn;
    },
  };
}

/** A file name's version: cell-2.113.0.cjs → 2.113.0. */
export function versionIn(fileName: string): string | undefined {
  return /(?<![\d.])(\d+\.\d+\.\d+(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?)(?=[.\-_]|$)/
    .exec(basename(fileName).replace(/\.[A-Za-z]+$/, ''))
    ?.at(1);
}

function hexOf(digest: string): string {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
  if (hex === undefined)
    throw new LeafwardError('invalid', `${digest} is no digest (sha256: and 64 hex digits)`);
  return hex;
}

async function describe(path: string): Promise<Pick<Image, 'version' | 'sizeBytes'>> {
  const version = versionIn(path);
  const sizeBytes = (await stat(path)).size;
  return version === undefined ? { sizeBytes } : { version, sizeBytes };
}

async function resolveFile(reference: string, signal: AbortSignal): Promise<Image> {
  if (!isAbsolute(reference))
    throw new LeafwardError(
      'invalid',
      `resolve ${reference}: an image of the process runtime is the absolute path of one file`,
    );
  try {
    return { reference, digest: await digestOf(reference, signal), ...(await describe(reference)) };
  } catch (error) {
    signal.throwIfAborted();
    throw notThere(reference, error);
  }
}

async function digestOf(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { signal })) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}`;
}

/** Copies first and hashes the copy: the original may change at any moment. */
async function store(image: Image, folder: string, signal: AbortSignal): Promise<void> {
  const target = join(folder, basename(image.reference));
  const partial = `${target}.part`; // one that a killed agent left is written over
  await mkdir(folder, { recursive: true, mode: 0o755 });
  try {
    await copyFile(image.reference, partial);
    const digest = await digestOf(partial, signal);
    if (digest !== image.digest)
      throw new LeafwardError(
        'not-found',
        `pull ${image.reference}: the file is ${digest} now, wanted is ${image.digest}; put the wanted ` +
          'file back or plan with the new one',
      );
    await chmod(partial, 0o555);
    const file = await open(partial, 'r');
    await file.sync().finally(() => file.close());
    await rename(partial, target);
    await syncDirectory(folder);
  } catch (error) {
    await rm(partial, { force: true });
    signal.throwIfAborted();
    if (error instanceof LeafwardError) throw error;
    const { code: reason, path } = error as NodeJS.ErrnoException;
    if (reason === 'ENOENT' && path === image.reference) throw notThere(image.reference, error);
    const code = (error as NodeJS.ErrnoException).code === 'ENOSPC' ? 'exhausted' : 'failed';
    throw new LeafwardError(code, `pull ${image.reference} into ${folder}: ${messageOf(error)}`, {
      retry: 'later',
      cause: error,
    });
  }
}

function notThere(reference: string, error: unknown): LeafwardError {
  return new LeafwardError(
    'not-found',
    `read ${reference} on this host: ${messageOf(error)}; put the file there`,
    { cause: error },
  );
}

export function imageMissing({ member, spec }: ContainerSpec): LeafwardError {
  return new LeafwardError(
    'not-found',
    `create ${member}: the image ${spec.image.reference} (${spec.image.digest}) is not stored; pull it first`,
  );
}
