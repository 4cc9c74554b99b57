// Container images out of this machine's own files: no registry, no download. The first layer is busybox's
// root with the programs and the shared libraries that they load, the second the recipe's own files; so images
// that differ in a script share the big one.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, copyFile, mkdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run, tryRun } from './processes.js';

export interface ImageRecipe {
  /** Programs of this machine besides busybox, by absolute path. */
  readonly programs?: readonly string[];
  /** Files of this machine that load no library, by absolute path. */
  readonly data?: readonly string[];
  /** Path in the image → text of an executable file. */
  readonly files?: Readonly<Record<string, string>>;
  readonly command: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly user?: string;
}

export interface ImageLayer {
  /** Of the tar archive, not compressed. */
  readonly digest: string;
  readonly path: string;
  readonly sizeBytes: number;
}

export interface BuiltImage {
  readonly config: { readonly digest: string; readonly bytes: Buffer };
  readonly layers: readonly ImageLayer[];
}

/** Builds below `directory`; equal recipes give equal digests. */
export async function buildImage(directory: string, recipe: ImageRecipe): Promise<BuiltImage> {
  await mkdir(directory, { recursive: true });
  const layers = [await baseLayer(directory, recipe.programs ?? [], recipe.data ?? [])];
  if (recipe.files !== undefined) layers.push(await filesLayer(directory, recipe.files));
  const bytes = Buffer.from(JSON.stringify(imageConfig(recipe, layers)));
  return { config: { digest: sha256(bytes), bytes }, layers };
}

/** Puts it into an Engine without any registry, so that it has an id and no digest. */
export async function loadImage(
  docker: (...argv: readonly string[]) => Promise<string>,
  image: BuiltImage,
  options: { readonly directory: string; readonly tag: string },
): Promise<void> {
  const folder = join(options.directory, `load-${image.config.digest.slice(7, 19)}`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), image.config.bytes);
  const names = image.layers.map((_, index) => `${index}.tar`);
  for (const [index, layer] of image.layers.entries())
    await copyFile(layer.path, join(folder, `${index}.tar`));
  const entry = { Config: 'config.json', RepoTags: [options.tag], Layers: names };
  await writeFile(join(folder, 'manifest.json'), JSON.stringify([entry]));
  const archive = `${folder}.tar`;
  await run(['tar', '-C', folder, '-cf', archive, 'manifest.json', 'config.json', ...names]);
  await docker('load', '--quiet', '--input', archive);
  await rm(folder, { recursive: true });
  await rm(archive);
}

const REPRODUCIBLE = [
  '--sort=name',
  '--owner=0',
  '--group=0',
  '--numeric-owner',
  '--mtime=@0',
  '--format=gnu',
];

async function baseLayer(
  directory: string,
  programs: readonly string[],
  data: readonly string[],
): Promise<ImageLayer> {
  const archive = join(directory, `base-${shortHash([...programs, ...data].join('\n'))}.tar`);
  if (await exists(archive)) return layerOf(archive);
  const root = `${archive}.root`;
  await makeBusyboxRoot(root);
  const building = `${archive}.part`;
  await run(['tar', ...REPRODUCIBLE, '-C', root, '-cf', building, '.']);
  const files = [...(await withLibraries(programs)), ...data];
  if (files.length > 0)
    await run(
      ['tar', ...REPRODUCIBLE, '-C', '/', '-h', '--hard-dereference', '-rf', building, '-T', '-'],
      { input: files.map((file) => file.slice(1)).join('\n') },
    );
  await rm(root, { recursive: true });
  await run(['mv', building, archive]);
  return layerOf(archive);
}

async function makeBusyboxRoot(root: string): Promise<void> {
  await rm(root, { recursive: true, force: true });
  for (const folder of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev', 'run', 'var/lib', 'data'])
    await mkdir(join(root, folder), { recursive: true, mode: 0o755 });
  for (const folder of ['tmp', 'data']) await chmod(join(root, folder), 0o1777);
  await copyFile('/bin/busybox', join(root, 'bin/busybox'));
  for (const applet of (await run(['/bin/busybox', '--list'])).split('\n'))
    if (applet !== '' && applet !== 'busybox') await symlink('busybox', join(root, 'bin', applet));
  const passwd = ['root:x:0:0:root:/root:/bin/sh', 'app:x:999:999:app:/tmp:/bin/sh', ''];
  await writeFile(join(root, 'etc/passwd'), passwd.join('\n'));
  await writeFile(join(root, 'etc/group'), 'root:x:0:\napp:x:999:\n');
}

/** The programs and every shared library that the loader would look for. */
async function withLibraries(programs: readonly string[]): Promise<readonly string[]> {
  const files = new Set(programs);
  for (const program of programs) {
    const { stdout } = await tryRun(['ldd', program]); // fails for a static one, which needs none
    for (const [path] of stdout.matchAll(/\/\S+\.so\S*/g)) files.add(path);
  }
  return [...files].sort();
}

async function filesLayer(
  directory: string,
  files: Readonly<Record<string, string>>,
): Promise<ImageLayer> {
  const archive = join(directory, `files-${shortHash(JSON.stringify(files))}.tar`);
  if (await exists(archive)) return layerOf(archive);
  const root = `${archive}.root`;
  await rm(root, { recursive: true, force: true });
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text, { mode: 0o755 });
  }
  await run(['tar', ...REPRODUCIBLE, '-C', root, '-cf', archive, '.']);
  await rm(root, { recursive: true });
  return layerOf(archive);
}

async function layerOf(path: string): Promise<ImageLayer> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return { path, digest: `sha256:${hash.digest('hex')}`, sizeBytes: (await stat(path)).size };
}

function imageConfig(recipe: ImageRecipe, layers: readonly ImageLayer[]): object {
  const environment = { PATH: '/bin:/usr/bin', ...recipe.environment };
  return {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: {
      Cmd: recipe.command,
      Env: Object.entries(environment).map(([key, value]) => `${key}=${value}`),
      Labels: recipe.labels ?? {},
      User: recipe.user ?? '',
      WorkingDir: '/',
    },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
    history: layers.map(() => ({ created: '1970-01-01T00:00:00Z' })),
  };
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
